"""What the transition follows from: tables and pictures of gain, cost, its collapse, and the noise budget."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from cayley_adapters.analysis import bootstrap_means, select_cells
from cayley_adapters.analysis.resampling import interval
from cayley_adapters.layout import Job
from cayley_adapters.noise import DeviceNoise
from cayley_adapters.noise_budget import BUDGET_COLUMNS, model_circuits
from cayley_adapters.noise_budget_plot import noise_budget_figure
from cayley_adapters.phase_map import average_seeds
from cayley_adapters.plots import save_figure
from cayley_adapters.progress import say
from cayley_adapters.tables import read_table, write_table
from cayley_adapters.tracking import TrackedFiles, log_run
from cayley_adapters.transition_plot import transition_figure
from cayley_adapters.transition_table import TRANSITION_COLUMNS, transition_rows

__all__ = ["run"]


def run(job: Job) -> None:
    """Write ``transition.csv``, ``noise_budget.csv`` and their pictures."""
    inputs, outputs, leaves = job.inputs(), job.outputs(), job.leaves
    result = json.loads(inputs["transition"][0].read_text(encoding="utf-8"))
    rows = transition_rows(result)
    table = write_table(rows, outputs["table"], TRANSITION_COLUMNS)
    budgets = pd.concat([read_table(path) for path in inputs["budgets"]], ignore_index=True)
    write_table(budgets, outputs["budget"], BUDGET_COLUMNS)
    noise = DeviceNoise.from_backend(**leaves["noise"])
    circuits = model_circuits(budgets, noise, leaves["train.ansatz"])
    model = str(read_table(inputs["cells"][0])["model"].iloc[0])
    heading = f"{model} on {leaves['noise']['backend']}, readout {result['readout']}, {result['shots']} shots"
    figure = transition_figure(result, _costs(job, result), heading)
    save_figure(figure, outputs["picture_png"], outputs["picture_svg"])
    means = budgets.groupby(["compression_ratio", "qubits", "source"], as_index=False)[["cost", "cost_se"]].mean()
    gains = pd.DataFrame(rows, columns=["compression_ratio", "qubits", "gain"]).dropna()
    save_figure(noise_budget_figure(means, gains, circuits, heading), outputs["budget_png"], outputs["budget_svg"])
    for entry in result["scaling"]["collapse"]:
        verdict = "one curve" if entry["holds"] else "no single curve"
        say(f"cost over {entry['x']}: {verdict}, scatter by a factor of {entry['residual_factor']:.2f}")
    figures = [outputs[f"{name}_{kind}"] for name in ("picture", "budget") for kind in ("png", "svg")]
    log_run(
        job.base,
        "scaling",
        "scaling",
        {"model": model, "cell": "map", "noise": leaves["noise"]},
        summary={f"collapse/{entry['x']}": entry["residual_factor"] for entry in result["scaling"]["collapse"]},
        tables={"transition_table": table, "noise_budget_table": budgets},
        pictures={"transition_figure": outputs["picture_png"], "noise_budget_figure": outputs["budget_png"]},
        made=[TrackedFiles("figures-scaling", "figures", figures)],
    )


def _costs(job: Job, result: dict) -> pd.DataFrame:
    """Cost of every cell with its 95 % interval over documents, averaged over seeds."""
    from safetensors.numpy import load_file

    inputs = job.inputs()
    tables = pd.concat([read_table(path.with_name("cells.csv")) for path in inputs["losses"]], ignore_index=True)
    files = [load_file(path) for path in inputs["losses"]]
    chosen = select_cells(tables, result["readout"], float(result["shots"]), result["executor"])
    losses = np.concatenate([file["losses"] for file in files])[chosen]
    cells = tables.iloc[chosen].reset_index(drop=True)
    documents = files[0]["documents"]
    draws = bootstrap_means(losses, documents, result["bootstrap"]["replicates"], np.random.default_rng(0))
    circuits = {
        (part["compression_ratio"], block["block_dim"]): block for part in result["ratios"] for block in part["blocks"]
    }
    rows = []
    for row in average_seeds(cells).itertuples():
        same = (cells["compression_ratio"] == row.compression_ratio) & (cells["block_dim"] == row.block_dim)
        here, ideal = (np.flatnonzero(same & (cells["noise_scale"] == scale)) for scale in (row.noise_scale, 0.0))
        cost = draws[here].mean(axis=0) - draws[ideal].mean(axis=0)
        low, high = interval(cost, len(np.unique(documents)))
        block = circuits[row.compression_ratio, row.block_dim]
        rows.append(
            {
                **{name: getattr(row, name) for name in ("compression_ratio", "block_dim", "noise_scale")},
                "cost": row.nll - cells.loc[ideal, "nll"].mean(),
                "cost_ci95_low": low,
                "cost_ci95_high": high,
                "two_qubit_gates": block["two_qubit_gates"],
                "error_budget": block["error_budget"],
            }
        )
    return pd.DataFrame(rows).astype({"cost_ci95_low": float, "cost_ci95_high": float, "error_budget": float})
