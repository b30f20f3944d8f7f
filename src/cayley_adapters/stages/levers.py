"""Compare levers: how far each moves the boundary, what it costs, and what its controls do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cayley_adapters.analysis.evaluations import read_evaluations, read_references
from cayley_adapters.analysis.lever_goal import describe_goal
from cayley_adapters.analysis.levers import Arm, arms_of, columns_of, control_rows, lever_rows
from cayley_adapters.circuits.noise.budget import coupler_error, read_budgets
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import read_baselines, write_table
from cayley_adapters.pipeline.levers import IDENTITY
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.drawing import draw_figures, pictures_of
from cayley_adapters.report.figures import LEVERS as LEVER_FIGURES
from cayley_adapters.report.wandb.tracked import TrackedRun
from cayley_adapters.settings import Settings
from cayley_adapters.settings.levers import LEVERS

__all__ = ["run"]

COST_COLUMNS = [
    *("lever", "block_dim", "training_cpu_seconds", "ranking_cpu_seconds"),
    *("synthesis_cpu_seconds", "evaluation_cpu_seconds"),
]
"""Means over seeds, of the jobs whose files a lever uses, those of other levers included; empty where not recorded.
``ranking`` is what all ranked levers share, training on all projections included. The map's own evaluation also has the
noise budget in it."""


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``levers.csv``, ``levers_costs.csv``, ``levers.json`` and the picture."""
    inputs, outputs, leaves = job.inputs, job.outputs, job.leaves
    shots = settings.evaluate.map_shots
    [compressed], documents = read_references(inputs["compressed"])
    clusters = len(np.unique(documents))
    arms: dict[str, list[Arm]] = {}
    for name, folders in _by_lever(job.told["arms"]).items():
        found = read_evaluations([folder / "losses.safetensors" for folder in folders], len(documents))
        budgets = read_budgets([folder / "noise_budget.csv" for folder in folders])
        errors = {
            int(d): group.groupby("source")["infidelity"].mean().to_dict() for d, group in budgets.groupby("block_dim")
        }
        arms[name] = arms_of(name, found.cells, found.losses, documents, compressed, errors, shots)
    measured = [arm for name, found in arms.items() if not name.startswith(IDENTITY) for arm in found]
    controls = {(arm.name, arm.block_dim): arm for found in arms.values() for arm in found}
    identities = {
        (arm.name, arm.block_dim): controls[job.told["controls"][f"{arm.name} {arm.block_dim}"], arm.block_dim]
        for arm in measured
    }
    scales = list(settings.sweep.noise_scale)
    labels = {name: (lever.title, lever.kind) for name, lever in LEVERS.items()}
    rows = lever_rows(measured, identities, scales, clusters, settings.train.steps, labels)
    baselines = read_baselines(inputs["baselines"][0])
    ratio = measured[0].curve.compression_ratio
    table = write_table(rows + control_rows(baselines, ratio), outputs["table"], columns_of(scales))
    write_table(_seconds(job.told["records"], measured), outputs["costs"], COST_COLUMNS)
    couplers = {(arm.name, arm.block_dim): _coupler_error(arm) for arm in measured}
    goal = describe_goal(measured, settings.noise.backend, couplers, clusters)
    write_file(outputs["goal"], json.dumps(goal, indent=1, allow_nan=False) + "\n")
    model = str(measured[0].cells["model"].iloc[0])
    given = {"levers": table, "model": model, "backend": settings.noise.backend, "ratio": ratio}
    draw_figures(LEVER_FIGURES, outputs, given)
    for row in rows:
        say(f"{row['lever']}, n = {row['qubits']}: λ_c = {row['lambda_c']:.3g}")
    tracked = TrackedRun(
        "levers",
        "levers",
        {"model": model, "cell": "levers", "noise": leaves["noise"]},
        tables={"levers_table": table},
        pictures=pictures_of(LEVER_FIGURES, outputs),
    )
    return Outcome(tracked=[tracked])


def _by_lever(arms: Sequence[tuple[str, str]]) -> dict[str, list[Path]]:
    """Folders of the evaluations of each lever, and of each identity control."""
    found: dict[str, list[Path]] = {}
    for name, folder in arms:
        found.setdefault(name, []).append(Path(folder))
    return found


def _coupler_error(arm: Arm) -> float:
    """Mean error of the two-qubit gates that an arm's circuits run."""
    cell = arm.cells.iloc[0]
    layout: Any = str(cell["layout"])
    if layout not in ("median", "best"):
        layout = [[int(qubit) for qubit in line.split()] for line in layout.split(";")]
    return coupler_error(int(cell["qubits"]), DeviceNoise.from_backend(str(cell["backend"]), layout=layout))


def _seconds(records: Mapping[str, Mapping[str, Sequence[Sequence[str]]]], arms: list[Arm]) -> list[dict[str, Any]]:
    """What training, synthesis and evaluation of each lever took, by the records of their jobs, which commands lack."""
    rows = []
    for arm in arms:
        row: dict[str, Any] = {"lever": arm.name, "block_dim": arm.block_dim}
        for name, of_seeds in records[f"{arm.name} {arm.block_dim}"].items():
            seconds = [[_cpu_seconds(Path(path)) for path in paths] for paths in of_seeds]
            found = [sum(filter(None, parts)) for parts in seconds if None not in parts]
            row[f"{name}_cpu_seconds"] = round(float(np.mean(found)), 1) if found else None
        rows.append(row)
    return rows


def _cpu_seconds(record: Path) -> float | None:
    return load_json(record, "cpu_seconds")["cpu_seconds"] if record.exists() else None
