"""What a job takes: a first, coarse figure for schedulers, by the size of its model."""

from __future__ import annotations

from dataclasses import dataclass

from cayley_adapters.layout import Job
from cayley_adapters.settings import Settings

__all__ = ["JobCost", "job_cost"]

PARAMETERS = {"tiny_random": 1e5, "smollm2_360m": 362e6, "smollm2_1b7": 1711e6, "llama31_8b": 8030e6}
WITH_MODEL = {
    *("teacher", "compress", "train", "control", "baseline", "reference", "evaluate", "evaluate_control"),
    *("answer_questions", "qpu_train", "qpu_plan", "qpu_evaluate"),
}


@dataclass(frozen=True)
class JobCost:
    """What one job takes.

    Attributes:
        seconds: run time.
        memory_mb: peak of memory.
        disk_mb: what it writes.
    """

    seconds: float
    memory_mb: int
    disk_mb: float


def job_cost(job: Job, settings: Settings) -> JobCost:
    """Estimate one job of a workflow with these settings."""
    if job.stage not in WITH_MODEL:
        return JobCost(seconds=60, memory_mb=1500, disk_mb=10)
    parameters = PARAMETERS.get(settings.model.name, 135e6)
    return JobCost(
        seconds=30 + parameters / 1e6 * 3,
        memory_mb=int(1000 + 4 * parameters * 3 / 2**20),
        disk_mb=parameters * 4 / 2**20,
    )
