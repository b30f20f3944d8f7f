"""What one job takes: the start of its libraries and its size, times what these take on this machine."""

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
from cayley_adapters.pipeline.costs.sizes import Sizes
from cayley_adapters.pipeline.costs.table import COSTS, Cost
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import Settings

__all__ = [
    "COEFFICIENTS",
    "JobCost",
    "coefficients",
    "cost_of",
    "job_cost",
    "job_threads",
    "model_sizes",
    "shape_of",
    "speeds",
]

COEFFICIENTS = Path(__file__).with_name("coefficients.json")
"""What ``benchmarks/fit_costs.py`` writes."""

UNKNOWN = ModelShape(2048, 8192, 24, 32, 8, 64, 128256, False)
"""Stands for a hub model that was never downloaded: 1.7 billion parameters."""


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
    (basis, cost), sizes, (taken, _) = cost_of(job.stage), model_sizes(settings, job.cell), speeds()
    fitted = figures(basis)
    start = fitted["start"] * taken["start"]
    work = fitted["work"] * taken["matmul"] * cost.size(sizes)
    memory = round(fitted["memory_mb"] + cost.memory_mb(sizes))
    return JobCost(start + work / job_threads(job.stage, settings), memory, cost.disk_mb(sizes), start + work)


def cost_of(stage: str) -> tuple[str, Cost]:
    """Name and line in the table of costs that hold for a stage: its own, or those of the stage that it is."""
    basis = stage if stage in COSTS or stage not in STAGES else STAGES[stage].runs or stage
    return basis, COSTS.get(basis, Cost())


def model_sizes(settings: Settings, cell: Mapping[str, str] | None = None) -> Sizes:
    """Sizes of the configured model, or of one that stands for it where its shape is unknown."""
    return Sizes(shape_of(settings) or UNKNOWN, settings, cell or {})


def job_threads(stage: str, settings: Settings) -> int:
    """CPU threads of a stage's jobs, as the configuration has them."""
    key = STAGES[stage].threads
    return settings.leaf(key) if key else 1


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

    ``stages``: stage → :func:`figures`, ``other`` for those that are not listed; ``speeds`` of the machine that they
    were fitted on; ``starting``: seconds before the first job; ``between_jobs``: seconds that Snakemake takes for each;
    ``crowding``: how much slower jobs are side by side; ``spread``: a factor that nine predictions of ten keep to.
    """
    found: Mapping[str, Any] = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    return found


def figures(stage: str) -> Mapping[str, float]:
    """Of a stage: ``start`` and ``work``, in the machine's units, and ``memory_mb``, MiB of its libraries."""
    known = coefficients()["stages"]
    found: Mapping[str, float] = known.get(stage, known["other"])
    return found


@cache
def speeds() -> tuple[Mapping[str, float], bool]:
    """Seconds that a start and an operation of a product take, and whether they were measured on this machine."""
    kept = kept_speeds()
    reference = coefficients()["speeds"]
    return (kept, True) if kept and set(kept) >= set(reference) else (reference, False)
