"""Perplexity of one trained cell along the whole noise axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cayley_adapters.analysis.refine import next_noise_scale
from cayley_adapters.circuits.noise.budget import BUDGET_COLUMNS, circuit_errors
from cayley_adapters.circuits.noise.device import SOURCES, DeviceNoise
from cayley_adapters.core.files import atomic_file
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.reading import load_arrays
from cayley_adapters.core.tables import CELL_COLUMNS, read_table, write_table
from cayley_adapters.models.losses import clustered_error, perplexity_row
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.report.wandb.runs import log_run
from cayley_adapters.stages.adapted_model import AdaptedModel
from cayley_adapters.stages.common import method_of
from cayley_adapters.stages.tracked import adapter_files, cell_config, evaluation_files

__all__ = ["run"]


def run(job: Job) -> None:
    """Write one row a noise scale, shots and readout, the loss of each test token in each row, and the noise budget."""
    from safetensors.numpy import save_file

    leaves, inputs, outputs = job.leaves, job.inputs(), job.outputs()
    options, cell = leaves["evaluate"], job.columns
    model = AdaptedModel(job, int(cell["seed"]))
    counts = read_table(inputs["blocks"][0], ["cz"], ["cz"])["cz"]
    common = {
        "model": leaves["model.name"],
        "compression": method_of(job),
        "compression_ratio": float(cell["compression_ratio"]),
        "ansatz": leaves["train"]["ansatz"],
        "block_dim": model.block_dim,
        "qubits": model.block_dim.bit_length() - 1,
        "seed": int(cell["seed"]),
        "adapter_parameters": model.parameters,
        "two_qubit_gates": counts.mean() if len(counts) else math.nan,
        "targets": "ranked" if "levers.budget" in leaves else " ".join(leaves["train"]["targets"]),
        "brickwork_depth": leaves["train"]["brickwork_depth"] if leaves["train"]["ansatz"] == "brickwork" else None,
        "trained_noise_scale": leaves["train"]["noise_scale"],
        "layers": " ".join(map(str, leaves["train"]["layers"] or ())) or None,
    }
    arms = list(_arms(job, model.block_dim))
    total = len(arms) + options["refine"]
    progress, rows, losses = Progress(job.label), [], []

    def measure(arm: dict[str, Any]) -> np.ndarray:
        measured = model.losses(arm)
        rows.append(common | arm | perplexity_row(measured, model.documents))
        rows[-1]["nll_se_shots"] = model.shot_error(arm, measured)
        losses.append(measured.ravel().astype(np.float32))
        note = f"noise {arm['noise_scale']:g}, {arm['shots']:g} shots: perplexity {rows[-1]['perplexity']:.4g}"
        progress(len(rows), total, note)
        return losses[-1]

    for arm in arms:
        measure(arm)
    first_shots = float(options["shots"][0])
    main = [arm for arm in arms if arm["executor"] != "exact" and arm["shots"] == first_shots]
    known = {row["noise_scale"]: loss for row, loss in zip(rows, losses, strict=True) if _is_main(row, first_shots)}
    for _ in range(options["refine"]):
        axis, (compressed,) = sorted(known), load_arrays(inputs["compressed_losses"][0], "losses")
        scale = next_noise_scale(axis, np.stack([known[a] for a in axis]), compressed, model.documents.ravel())
        if scale is None:
            break
        known[scale] = measure(main[0] | {"noise_scale": scale, "refined": True})
    budget = _budget(
        model, job, main[0], known, lambda done, of: progress(len(rows) + done, len(rows) + of, "noise budget")
    )
    with atomic_file(outputs["losses"]) as temporary:
        save_file({"losses": np.stack(losses), "documents": model.documents.ravel()}, temporary)
    key = {name: common[name] for name in ("compression_ratio", "block_dim", "qubits", "seed")}
    write_table([key | row for row in budget], outputs["budget"], BUDGET_COLUMNS)
    write_table(rows, outputs["cells"], CELL_COLUMNS)
    _log(job, rows)


def _log(job: Job, rows: list[dict[str, Any]]) -> None:
    """Track the curve over noise, and as final numbers those at the smallest noise scale."""
    options, inputs = job.leaves["evaluate"], job.inputs()
    device = [row for row in rows if row["executor"] != "exact"]
    curves: dict[float, dict[str, Any]] = {}
    for row in sorted(device, key=lambda row: row["noise_scale"]):
        # The map's number of shots has the plain keys; the others are told apart by theirs.
        suffix = "" if row["shots"] == float(options["shots"][0]) else f"_{row['shots']:g}_shots"
        point = curves.setdefault(row["noise_scale"], {"evaluation/noise_scale": row["noise_scale"]})
        point |= {f"evaluation/{key}{suffix}": row[key] for key in ("perplexity", "nll", "nll_se")}
    exact = {f"evaluation/{key}_exact": rows[0][key] for key in ("perplexity", "nll", "nll_se")}
    fixed = ("model", "compression", "ansatz", "qubits", "readout", "mitigation", "synthesis")
    config = {**cell_config(job), **{key: device[0][key] for key in fixed}, "train": job.leaves["train"]}
    log_run(
        job.base,
        job.label,
        job.stage,
        config | {"evaluate": options, "noise": job.leaves["noise"], "noise_scales": job.leaves["sweep.noise_scale"]},
        history=list(curves.values()),
        axis="evaluation/noise_scale",
        summary={
            **curves[min(curves)],
            **exact,
            **{key: device[0][key] for key in ("two_qubit_gates", "adapter_parameters", "tokens")},
        },
        used=[adapter_files(job, inputs["adapter"][0].parent)],
        made=[evaluation_files(job.outputs()["cells"])],
    )


def _is_main(row: dict[str, Any], shots: float) -> bool:
    """Whether a row is one of the map's."""
    return bool(row["executor"] != "exact" and row["shots"] == shots)


def _arms(job: Job, block_dim: int) -> Iterator[dict[str, Any]]:
    """What is evaluated: exact arithmetic, then every noise scale with every number of shots."""
    options, noise = job.leaves["evaluate"], job.leaves["noise"]
    yield {"noise_scale": 0.0, "shots": math.inf, "readout": "signed", "executor": "exact", "mitigation": "none"}
    shots = {float(value) for value in options["shots"]}
    if block_dim in options["unlimited_shots_block_dims"]:
        shots.add(math.inf)
    device = {key: options[key] for key in ("readout", "executor", "mitigation")}
    device |= {"synthesis": job.leaves["transpile.synthesis"], "backend": noise["backend"], "idle": noise["idle"]}
    device["layout"] = _layout_text(noise["layout"])
    for count in sorted(shots):
        for scale in job.leaves["sweep.noise_scale"]:
            yield {"noise_scale": scale, "shots": count, **device}


def _budget(
    model: AdaptedModel,
    job: Job,
    arm: dict[str, Any],
    known: dict[float, np.ndarray],
    progress: Callable[[int, int], None],
) -> Iterator[dict[str, Any]]:
    """Errors of the circuits by source, and what each costs alone at noise scale 1, and all together.

    All costs are of the same windows, the first ones.
    """
    if not model.circuits:
        return
    errors = circuit_errors(list(model.circuits.values()), DeviceNoise.from_backend(**job.leaves["noise"]))
    wanted = job.leaves["evaluate"]["noise_budget_windows"]
    windows = model.windows.first(min(wanted, len(model.windows.tokens)), "evaluate.noise_budget_windows")
    measured = len(windows.tokens) > 0 and job.leaves["sweep.noise_scale"] != [0]
    alone = [source for source in SOURCES if measured and errors[source]["gates"]]
    documents = windows.documents[:, 1:].ravel()
    at: list[Any] = [known[scale][: documents.size] if scale in known else None for scale in (0.0, 1.0)]
    if measured and at[1] is None:
        at[1] = model.losses(arm | {"noise_scale": 1.0}, windows).ravel()
    for done, source in enumerate(errors):
        cost = {}
        if measured and source in (*alone, "all"):
            one = arm | {"noise_scale": 1.0, "source": source}
            loss = at[1] if source == "all" else model.losses(one, windows).ravel()
            difference = loss.astype(np.float64) - at[0]
            cost = {"cost": difference.mean(), "cost_se": clustered_error(difference, documents)}
        yield {"source": source, **errors[source], **cost}
        progress(done + 1, len(errors))


def _layout_text(layout: str | list[Any]) -> str:
    """A layout as tables show it: ``median``, ``3 4 5`` or ``3 4; 7 8``."""
    if isinstance(layout, str):
        return layout
    lines = layout if isinstance(layout[0], list) else [layout]
    return "; ".join(" ".join(map(str, line)) for line in lines)
