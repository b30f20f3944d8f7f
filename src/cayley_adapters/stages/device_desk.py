"""The desk of a results folder: where its workloads are sent and fetched."""

from __future__ import annotations

from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.stages.device import device_of

__all__ = ["desk_of"]


def desk_of(job: Job, quiet: bool = False) -> Desk:
    """The desk at which a job's workload is sent and fetched; a quiet one tells of no progress."""
    options = {name: job.leaves[f"qpu.{name}"] for name in ("max_seconds", "unknown_seconds", "attempts")}
    return Desk(job.base, *device_of(job), options, Sampling.of(job.leaves), None if quiet else job.label)
