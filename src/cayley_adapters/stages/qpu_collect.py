"""Fetch the counts of a workload as they arrive."""

from __future__ import annotations

from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.qpu.counts import save_counts
from cayley_adapters.qpu.workload import load_workload
from cayley_adapters.settings import Settings
from cayley_adapters.stages.device_desk import desk_of, sampling_of

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the counts of every pair of slice and block."""
    workload = load_workload(job.inputs["workload"][0])
    counts = desk_of(job, settings.qpu, settings.noise).fetch(workload)
    save_counts(job.outputs["counts"], counts, workload, sampling_of(settings.qpu, settings.noise))
    return Outcome()
