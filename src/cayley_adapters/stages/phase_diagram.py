"""Find the boundary between help and harm, and draw the map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cayley_adapters.analysis.evaluations import read_evaluations, read_references
from cayley_adapters.analysis.transition import transition
from cayley_adapters.analysis.transition_table import TRANSITION_COLUMNS, transition_rows
from cayley_adapters.circuits.noise.budget import model_circuits, read_budgets
from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import read_baselines, read_cells
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.figures import PHASE_DIAGRAM
from cayley_adapters.report.wandb.cells import CURVE_AXIS, cell_runs
from cayley_adapters.report.wandb.tracked import TrackedFiles, TrackedRun, evaluation_files, figure_files
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import device_noise

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``transition.json``, the picture as PNG and SVG, and the interactive page."""
    inputs, outputs = job.inputs, job.outputs
    cells, baselines = read_cells(inputs["cells"][0]), read_baselines(inputs["baselines"][0])
    compressed, documents = read_references(inputs["compressed"])
    ratios = baselines.query("method == 'compressed'").compression_ratio
    evaluations = read_evaluations(inputs["losses"], len(documents))
    noise = device_noise(settings.noise)
    budgets = read_budgets(inputs["budgets"])
    alone = budgets[budgets["source"] == "readout"].groupby(["compression_ratio", "block_dim"])
    result = transition(
        evaluations.cells,
        evaluations.losses,
        documents,
        dict(zip(ratios, compressed, strict=True)),
        nll_uncompressed=float(baselines.query("method == 'uncompressed'").nll.iloc[0]),
        shots=settings.evaluate.map_shots,
        readout=settings.evaluate.readout,
        circuits=model_circuits(budgets, noise, settings.train.ansatz),
        readout_costs=alone["cost"].mean().dropna().to_dict(),
        identities=_identities(cells, settings),
    )
    write_file(outputs["transition"], json.dumps(result, indent=1, allow_nan=False) + "\n")
    given = {"phase_diagram": cells, "baselines": baselines, "transition": result}
    draw_figures(PHASE_DIAGRAM, outputs, given)
    for ratio in result["ratios"]:
        for block in ratio["blocks"]:
            censored = f" (censored {block['censored']})" if block["censored"] else ""
            say(
                f"ratio {ratio['compression_ratio']}, d = {block['block_dim']}: λ_c = {block['lambda_c']:.3g}{censored}"
            )
    return Outcome(tracked=[*_tracked(job, cells, baselines, result)])


def _identities(cells: pd.DataFrame, settings: Settings) -> dict[tuple[float, int], dict[float, float]]:
    """(ratio, block dimension) → noise scale → nll with blocks that have learnt nothing, of the map's own cells."""
    options = settings.evaluate
    shots = pd.to_numeric(cells["shots"]) == options.map_shots
    known = cells[shots & (cells["readout"] == options.readout) & cells["nll_identity"].notna()]
    keys = [known["compression_ratio"].astype(float), known["block_dim"].astype(int)]
    groups = known.groupby(keys)
    return {key: dict(zip(group["noise_scale"], group["nll_identity"], strict=True)) for key, group in groups}


def _tracked(job: Job, cells: pd.DataFrame, baselines: pd.DataFrame, result: dict[str, Any]) -> Iterator[TrackedRun]:
    """The map with its tables, picture and lineage, and one run a cell with all that is known of it."""
    inputs, outputs = job.inputs, job.outputs
    critical = pd.DataFrame(transition_rows(result), columns=TRANSITION_COLUMNS)
    tables = [*inputs["cells"], *inputs["baselines"], outputs["transition"]]
    settings = {key.rpartition(".")[2]: value for key, value in job.leaves.items()}
    yield TrackedRun(
        "phase_diagram",
        "phase_diagram",
        {"model": str(cells["model"].iloc[0]), "cell": "map", **settings},
        summary={
            f"lambda_c/ratio{ratio['compression_ratio']:g}/d{block['block_dim']}": block["lambda_c"]
            for ratio in result["ratios"]
            for block in ratio["blocks"]
        },
        tables={"phase_table": cells, "baselines_table": baselines, "critical_noise": critical},
        pictures=pictures_of(PHASE_DIAGRAM, outputs),
        used=[evaluation_files(path.with_name("cells.csv")) for path in inputs["losses"]],
        made=[
            TrackedFiles("phase_diagram", "phase-diagram", tables),
            figure_files("phase_diagram", *files_of(PHASE_DIAGRAM, outputs)),
        ],
    )
    for run in cell_runs(cells, baselines, result):
        yield TrackedRun(
            f"cell {run.name}", "cell", run.config, history=run.history, axis=CURVE_AXIS, summary=run.summary
        )
