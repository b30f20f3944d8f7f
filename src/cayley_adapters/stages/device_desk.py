"""The service, the processor and the desk of a results folder: where its workloads are sent and fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.local import LocalDesk, local_backend
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.settings.qpu import Qpu

if TYPE_CHECKING:
    from qiskit.providers import BackendV2
    from qiskit_ibm_runtime import QiskitRuntimeService

__all__ = ["asking", "desk_of", "device_of", "sampling_of"]


def device_of(job: Job, options: Qpu) -> tuple[QiskitRuntimeService | None, BackendV2]:
    """Open the service of a job, if it has one, and its processor; the twin keeps its memory in the results folder."""
    if options.service == "local":
        return None, local_backend(options.backend)
    opened = connect(options.service, options.backend, Path(job.base, "qpu", "twin"))
    return opened, processor(opened, options.backend)


def sampling_of(options: Qpu) -> Sampling:
    """How circuits are sampled."""
    return Sampling(**{name: getattr(options, name) for name in Sampling.__dataclass_fields__})


def desk_of(job: Job, options: Qpu, quiet: bool = False) -> Desk | LocalDesk:
    """The desk at which a job's workload is sent and fetched; a quiet one tells of no progress."""
    names = ("max_seconds", "cap_factor", "unknown_seconds", "attempts")
    sending = {name: getattr(options, name) for name in names}
    (service, backend), sampling, label = device_of(job, options), sampling_of(options), None if quiet else job.label
    if service is None:
        return LocalDesk(backend, sampling, label)
    return Desk(job.base, service, backend, sending, sampling, label)


def asking(agreed: bool) -> Callable[[str], bool]:
    """Return what shows a person who pays for what, and says whether they agree.

    Args:
        agreed: They have said so before, by ``--yes`` or ``qpu.agree=true``.
    """

    def asked(shown: str) -> bool:
        say(shown)
        if agreed or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return agreed
        return typer.confirm("Send this?", default=False, err=True)

    return asked
