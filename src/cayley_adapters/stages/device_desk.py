"""The service, the processor and the desk of a results folder: where its workloads are sent and fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.local import LocalDesk, local_backend
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.settings.evaluation import Noise
from cayley_adapters.settings.qpu import Qpu
from cayley_adapters.stages.common import hidden_of

if TYPE_CHECKING:
    from qiskit.providers import BackendV2
    from qiskit_ibm_runtime import QiskitRuntimeService

__all__ = ["asking", "desk_of", "device_of", "sampling_of"]


def device_of(job: Job, options: Qpu, hidden: Hidden = NOTHING) -> tuple[QiskitRuntimeService | None, BackendV2]:
    """Open the service of a job, if it has one, and its processor; the twin keeps its memory in the results folder.

    Args:
        job: whose folder it is.
        options: which service and processor.
        hidden: how the twin's device differs from its calibration.
    """
    if options.service == "local":
        return None, local_backend(options.backend)
    conditions = {"hidden": hidden} if hidden else {}
    opened = connect(options.service, options.backend, Path(job.base, "qpu", "twin"), **conditions)
    return opened, processor(opened, options.backend)


def sampling_of(options: Qpu, noise: Noise) -> Sampling:
    """How circuits are sampled; what the calibration does not say is of the twin's device alone."""
    hidden = hidden_of(noise) if options.service == "twin" else NOTHING
    chosen = {name: getattr(options, name) for name in Sampling.__dataclass_fields__ if name != "hidden"}
    return Sampling(**chosen, hidden=hidden)


def desk_of(job: Job, options: Qpu, noise: Noise, quiet: bool = False) -> Desk | LocalDesk:
    """The desk at which a job's workload is sent and fetched; a quiet one tells of no progress."""
    names = ("max_seconds", "cap_factor", "unknown_seconds", "attempts")
    sending = {name: getattr(options, name) for name in names}
    sampling, label = sampling_of(options, noise), None if quiet else job.label
    service, backend = device_of(job, options, sampling.hidden)
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
