"""The service, the processor and the ledger that a job's configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.layout import Job
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import connect, processor

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

__all__ = ["desk_of", "device_of"]


def device_of(job: Job) -> tuple[QiskitRuntimeService, IBMBackend]:
    """Open the service of a job and its processor; the twin keeps its memory in the results folder."""
    service, backend = job.leaves["qpu.service"], job.leaves["qpu.backend"]
    opened = connect(service, backend, Path(job.base, "qpu", "twin"))
    return opened, processor(opened, backend)


def desk_of(job: Job) -> Desk:
    """The desk at which a job's workload is sent and fetched."""
    options = {name: job.leaves[f"qpu.{name}"] for name in ("max_seconds", "unknown_seconds", "attempts")}
    return Desk(job.base, *device_of(job), options, Sampling.of(job.leaves), job.label)
