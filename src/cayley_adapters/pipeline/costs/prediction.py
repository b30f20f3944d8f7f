"""What one job takes: its units of work, times what a unit takes on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cayley_adapters.core.job import Job
from cayley_adapters.models.shapes import ModelShape, model_shape
from cayley_adapters.pipeline.costs.machine import kept_speeds
from cayley_adapters.pipeline.costs.sizes import Cell, Model
from cayley_adapters.pipeline.costs.storage import held_mb, written_mb
from cayley_adapters.pipeline.costs.work import stage_work
from cayley_adapters.pipeline.lever_jobs import lever_settings
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import Settings

__all__ = [
    "COEFFICIENTS",
    "JobCost",
    "coefficients",
    "job_cost",
    "job_threads",
    "kind_of",
    "model_of",
    "shape_of",
    "speeds",
]

COEFFICIENTS = Path(__file__).with_name("coefficients.json")
"""What ``benchmarks/fit_costs.py`` writes."""

UNKNOWN = ModelShape(2048, 8192, 24, 32, 8, 64, 128256, False)
"""Stands for a hub model that was never downloaded: 1.7 billion parameters."""

KINDS = {
    "flops": "matmul",
    "merged": "matmul",
    "cubes": "double",
    "operations": "dispatch",
    "loaded": "memory",
    "saved": "memory",
    "contracted": "einsum",
    "sampled": "sampled",
}
"""Unit of work → the kind of work whose speed is measured; others are told by how their names begin."""

PREFIXES = {
    "start": "start",
    "text": "start",
    "synthesised": "synthesis",
    "approximated": "synthesis",
    "aer": "python",
    "curves": "python",
    "points": "python",
    "slices": "slices",
    "compiled": "slices",
}


@dataclass(frozen=True)
class JobCost:
    """What one job takes.

    Attributes:
        seconds: wall time where nothing else disturbs it.
        memory_mb: largest resident set, MiB.
        disk_mb: what it leaves on disk, MB.
        cpu_seconds: of all its threads together.
    """

    seconds: float
    memory_mb: int
    disk_mb: float
    cpu_seconds: float


def job_cost(job: Job, settings: Settings) -> JobCost:
    """Predict one job from its configuration; nothing has to exist yet.

    Args:
        job: any stage's.
        settings: the configuration of its results folder.
    """
    stage, settings = job.stage, lever_settings(settings, job.stage, job.cell)
    if stage.startswith("lever_"):
        stage = STAGES[stage].runs or stage
    model, cell = model_of(settings), Cell.of(job.cell, settings)
    taken = {unit: count * _seconds(unit) for unit, count in stage_work(stage, model, cell).items()}
    threads, alone = job_threads(job.stage, settings), sum(taken[u] for u in taken if kind_of(u) in ("start", "python"))
    cpu = sum(taken.values())
    held = coefficients()["memory_mb"]
    memory = held["start"].get(stage, held["start"]["configure"])
    memory += sum(held[unit] * count for unit, count in held_mb(stage, model, cell).items())
    return JobCost(alone + (cpu - alone) / threads, round(memory), written_mb(stage, model, cell), cpu)


def job_threads(stage: str, settings: Settings) -> int:
    """CPU threads of a stage's jobs, as the configuration has them."""
    key = STAGES[stage].threads
    return settings.leaf(key) if key else 1


def model_of(settings: Settings) -> Model:
    """The configured model, or one that stands for it where its shape is unknown."""
    return Model(shape_of(settings) or UNKNOWN, settings)


def shape_of(settings: Settings) -> ModelShape | None:
    """The configured model's shape; None if nothing on this machine tells it."""
    given = settings.model
    return _shape(given.source, given.id, given.revision, given.path)


@cache
def _shape(source: str, name: str | None, revision: str | None, path: str | None) -> ModelShape | None:
    return model_shape({"source": source, "id": name, "revision": revision, "path": path})


@cache
def coefficients() -> Mapping[str, Any]:
    """The fitted figures.

    ``seconds``: unit → how many units of its kind it takes; ``memory_mb``: MiB of each stage's libraries, and how many
    times what is held; ``speeds`` of the machine that they were fitted on; ``starting``: seconds before the first job;
    ``between_jobs``: seconds that Snakemake takes for each; ``crowding``: how much slower jobs are side by side;
    ``spread``: a factor that nine predictions of ten keep to.
    """
    figures: Mapping[str, Any] = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    return figures


@cache
def speeds() -> tuple[Mapping[str, float], bool]:
    """Seconds a unit of each kind of work, and whether they were measured on this machine."""
    kept = kept_speeds()
    reference = coefficients()["speeds"]
    return (kept, True) if kept and set(kept) >= set(reference) else (reference, False)


@cache
def kind_of(unit: str) -> str:
    """The kind of work that a unit is."""
    if unit in KINDS:
        return KINDS[unit]
    for prefix, kind in PREFIXES.items():
        if unit.startswith(prefix):
            return f"slices{min(int(unit[-1]), 3)}" if kind == "slices" else kind
    return "elements"


@cache
def _seconds(unit: str) -> float:
    """Seconds that one unit takes on this machine."""
    costs: Mapping[str, float] = coefficients()["seconds"]
    return costs.get(unit, costs["start_configure"] if unit.startswith("start_") else 0.0) * speeds()[0][kind_of(unit)]
