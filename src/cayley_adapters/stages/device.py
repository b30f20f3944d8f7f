"""The service and the processor that a job's configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.qpu.service import connect, processor

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

__all__ = ["device_of"]


def device_of(job: Job) -> tuple[QiskitRuntimeService, IBMBackend]:
    """Open the service of a job and its processor; the twin keeps its memory in the results folder."""
    service, backend = job.leaves["qpu.service"], job.leaves["qpu.backend"]
    opened = connect(service, backend, Path(job.base, "qpu", "twin"))
    return opened, processor(opened, backend)
