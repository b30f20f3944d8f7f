"""Fetch the counts of a workload as they arrive."""

from __future__ import annotations

from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.qpu.counts import save_counts
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import load_workload
from cayley_adapters.stages.device_desk import desk_of

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the counts of every pair of slice and block."""
    workload = load_workload(job.inputs()["workload"][0])
    save_counts(job.outputs()["counts"], desk_of(job).fetch(workload), workload, Sampling.of(job.leaves))
