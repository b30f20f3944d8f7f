"""The service, the processor and the desk of a results folder: where its workloads are sent and fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.core.job import Job
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.settings.qpu import Qpu

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

__all__ = ["desk_of", "device_of", "sampling_of"]


def device_of(job: Job, options: Qpu) -> tuple[QiskitRuntimeService, IBMBackend]:
    """Open the service of a job and its processor; the twin keeps its memory in the results folder."""
    opened = connect(options.service, options.backend, Path(job.base, "qpu", "twin"))
    return opened, processor(opened, options.backend)


def sampling_of(options: Qpu) -> Sampling:
    """How circuits are sampled."""
    return Sampling(**{name: getattr(options, name) for name in Sampling.__dataclass_fields__})


def desk_of(job: Job, options: Qpu, quiet: bool = False) -> Desk:
    """The desk at which a job's workload is sent and fetched; a quiet one tells of no progress."""
    sending = {name: getattr(options, name) for name in ("max_seconds", "unknown_seconds", "attempts")}
    return Desk(job.base, *device_of(job, options), sending, sampling_of(options), None if quiet else job.label)
