"""Fetch the counts of a workload as they arrive."""

from __future__ import annotations

from cayley_adapters.files import atomic_file
from cayley_adapters.layout import Job
from cayley_adapters.qpu.workload import load_workload
from cayley_adapters.stages.device_desk import desk_of

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the counts of every pair of slice and block."""
    from safetensors.numpy import save_file

    counts = desk_of(job).fetch(load_workload(job.inputs()["workload"][0]))
    with atomic_file(job.outputs()["counts"]) as temporary:
        save_file({"counts": counts}, temporary)
