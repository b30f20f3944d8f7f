"""Perplexity of one trained cell along the whole noise axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cayley_adapters.analysis.refine import next_noise_scale
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.noise.budget import BUDGET_COLUMNS, circuit_errors
from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.reading import load_arrays
from cayley_adapters.core.tables import MITIGATION_SHOTS, cell_columns, read_table, write_table
from cayley_adapters.models.losses import clustered_error, perplexity_row
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun, adapter_files, cell_config, evaluation_files
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.arms import EXACT, Arm
from cayley_adapters.stages.adapted_model import AdaptedModel, device_arms, trained
from cayley_adapters.stages.common import axis_of, device_noise, method_of

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write one row a noise scale, shots and readout, the loss of each test token in each row, and the noise budget."""
    inputs, outputs, options, train = job.inputs, job.outputs, settings.evaluate, settings.train
    model = AdaptedModel(job, settings, trained(job), job.seed)
    counts = read_table(inputs["blocks"][0], ["cz"], ["cz"])["cz"]
    common = {
        "model": settings.model.name,
        "compression": method_of(job),
        "compression_ratio": job.ratio,
        "ansatz": train.ansatz,
        "block_dim": model.block_dim,
        "qubits": qubits_that_hold(model.block_dim),
        "seed": job.seed,
        "adapter_parameters": model.parameters,
        "two_qubit_gates": counts.mean() if len(counts) else math.nan,
        "targets": " ".join(train.targets) if train.ranked_budget is None else "ranked",
        "brickwork_depth": train.brickwork_depth if ANSATZES[train.ansatz].layered else None,
        "trained_noise_scale": train.noise_scale,
        "layers": " ".join(map(str, train.layers or ())) or None,
    }
    device = {
        "synthesis": settings.transpile.synthesis,
        "backend": settings.noise.backend,
        "idle": settings.noise.idle,
        "layout": _layout_text(settings.noise.layout),
    }
    windows, axis = model.windows, axis_of(job, settings)
    arms = [EXACT, *device_arms(settings, model.block_dim, axis)]
    refine = options.refine if axis != (0.0,) else 0
    total = len(arms) + refine
    progress, rows, losses = Progress(job.label), [], []

    def measure(arm: Arm, **further: Any) -> np.ndarray:
        measured = model.losses(arm)
        circuits = {} if arm.executor == "exact" else device
        rows.append(common | arm.columns | circuits | further | perplexity_row(measured, windows))
        rows[-1]["nll_se_shots"] = model.shot_error(arm, measured)
        if spent := model.mitigation_shots(arm):
            rows[-1][MITIGATION_SHOTS] = spent
        losses.append(measured.astype(np.float32))
        note = f"noise {arm.noise_scale:g}, {arm.shots:g} shots: perplexity {rows[-1]['perplexity']:.4g}"
        progress(len(rows), total, note)
        return losses[-1]

    for arm in arms:
        measure(arm)
    first_shots = options.map_shots
    main = next(arm for arm in arms if arm.executor != "exact" and arm.shots == first_shots)
    known = {row["noise_scale"]: loss for row, loss in zip(rows, losses, strict=True) if _is_main(row, first_shots)}
    for _ in range(refine):
        scales, (compressed,) = sorted(known), load_arrays(inputs["compressed_losses"][0], "losses")
        scale = next_noise_scale(scales, np.stack([known[a] for a in scales]), compressed, windows.clusters)
        if scale is None:
            break
        known[scale] = measure(replace(main, noise_scale=scale), refined=True)

    def progress_of_budget(done: int, of: int) -> None:
        progress(len(rows) + done, len(rows) + of, "noise budget")

    budget = _budget(model, settings, main, known, axis != (0.0,), progress_of_budget)
    save_arrays({"losses": np.stack(losses), "documents": windows.clusters}, outputs["losses"])
    key = {name: common[name] for name in ("compression_ratio", "block_dim", "qubits", "seed")}
    write_table([key | row for row in budget], outputs["budget"], BUDGET_COLUMNS)
    write_table(rows, outputs["cells"], cell_columns(set().union(*rows)))
    return Outcome(tracked=[_tracked(job, rows, first_shots)])


def _tracked(job: Job, rows: list[dict[str, Any]], shots: float) -> TrackedRun:
    """The curve over noise, and as final numbers those at the smallest noise scale."""
    device = [row for row in rows if row["executor"] != "exact"]
    curves: dict[float, dict[str, Any]] = {}
    for row in sorted(device, key=lambda row: row["noise_scale"]):
        # The map's number of shots has the plain keys; the others are told apart by theirs.
        suffix = "" if row["shots"] == shots else f"_{row['shots']:g}_shots"
        point = curves.setdefault(row["noise_scale"], {"evaluation/noise_scale": row["noise_scale"]})
        point |= {f"evaluation/{key}{suffix}": row[key] for key in ("perplexity", "nll", "nll_se")}
    exact = {f"evaluation/{key}_exact": rows[0][key] for key in ("perplexity", "nll", "nll_se")}
    fixed = ("model", "compression", "ansatz", "qubits", "readout", "mitigation", "synthesis")
    config = {**cell_config(job), **{key: device[0][key] for key in fixed}}
    config |= {key: job.leaves[key] for key in ("train", "evaluate", "noise")}
    return TrackedRun(
        job.label,
        job.stage,
        config | {"noise_scales": job.leaves["sweep.noise_scale"]},
        history=list(curves.values()),
        axis="evaluation/noise_scale",
        summary={
            **curves[min(curves)],
            **exact,
            **{key: device[0][key] for key in ("two_qubit_gates", "adapter_parameters", "tokens")},
        },
        used=[adapter_files(job, job.inputs["adapter"][0].parent)],
        made=[evaluation_files(job.outputs["cells"])],
    )


def _is_main(row: dict[str, Any], shots: float) -> bool:
    """Whether a row is one of the map's."""
    return bool(row["executor"] != "exact" and row["shots"] == shots)


def _budget(
    model: AdaptedModel,
    settings: Settings,
    arm: Arm,
    known: dict[float, np.ndarray],
    noisy: bool,
    progress: Callable[[int, int], None],
) -> Iterator[dict[str, Any]]:
    """Errors of the circuits by source, and what each costs alone at noise scale 1, and all together.

    All costs are of the same windows, the first ones.
    """
    if not model.circuits:
        return
    errors = circuit_errors(list(model.circuits.values()), device_noise(settings.noise))
    wanted = settings.evaluate.noise_budget_windows
    windows = model.windows[:wanted]
    measured = len(windows.tokens) > 0 and noisy
    alone = [source for source in SOURCES if measured and errors[source]["gates"]]
    documents = windows.clusters
    at: list[Any] = [known[scale][: documents.size] if scale in known else None for scale in (0.0, 1.0)]
    if measured and at[1] is None:
        at[1] = model.losses(replace(arm, noise_scale=1.0), windows)
    for done, source in enumerate(errors):
        cost = {}
        if measured and source in (*alone, "all"):
            one = replace(arm, noise_scale=1.0, source=source)
            loss = at[1] if source == "all" else model.losses(one, windows)
            difference = loss.astype(np.float64) - at[0]
            cost = {"cost": difference.mean(), "cost_se": clustered_error(difference, documents)}
        yield {"source": source, **errors[source], **cost}
        progress(done + 1, len(errors))


def _layout_text(layout: str | Sequence[Any]) -> str:
    """A layout as tables show it: ``median``, ``3 4 5`` or ``3 4; 7 8``."""
    if isinstance(layout, str):
        return layout
    lines = layout if isinstance(layout[0], tuple) else [layout]
    return "; ".join(" ".join(map(str, line)) for line in lines)
