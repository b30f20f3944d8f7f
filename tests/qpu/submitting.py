"""Tiny works, a clock that does not wait, and a submission to the twin in a folder."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_ibm_runtime.executor_sampler import Sampler

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.submission import Submission, Work
from cayley_adapters.qpu.twin import TwinService

BACKEND = "fake_manila"
SHOTS = 8
SECONDS = 3.0
CAP = 2.0
CIRCUIT = QuantumCircuit(5, 1)
ANGLE = Parameter("angle")
CIRCUIT.sx(0)
CIRCUIT.rz(ANGLE, 0)
CIRCUIT.sx(0)
CIRCUIT.measure(0, 0)


def twin(folder: Path, **conditions) -> TwinService:
    """The service of a folder: a device of five qubits, which the library describes faster than one of 156."""
    return TwinService(folder / "twin", "FakeManilaV2", **conditions)


class Clock:
    """The wall clock, put forward by sleeping instead of waiting."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def time(self) -> float:
        return time.time() + sum(self.slept)

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def ones(result) -> np.ndarray:
    """How often each parameter set gave 1, and the number of shots."""
    bits = result[0].data.c
    return np.stack([bits.bitcount().sum(axis=-1), np.full(bits.shape, bits.num_shots)]).astype(np.int64)


def work(number: int, sets: int = 2, pilot: bool = False) -> Work:
    """A circuit of one qubit at angles of its own."""
    values = np.linspace(0.1, 3.0, sets)[:, None] + 0.01 * number
    return Work(f"{number:02x}" + "0" * 30, f"work {number}", [(CIRCUIT, values, SHOTS)], SECONDS, ones, pilot)


def works(count: int, first: int = 0, pilot: bool = False) -> list[Work]:
    """Several works, of which the first may be a pilot."""
    return [work(number, pilot=pilot and number == first) for number in range(first, first + count)]


def submission(folder: Path, service: TwinService, clock=None, **options) -> Submission:
    """A submission as a process that has just started has it."""
    options = {"unknown_seconds": 30.0, "longest_pause": 10.0} | options
    return Submission(Ledger(folder / "ledger.sqlite"), service, BACKEND, clock=clock or Clock(), **options)


def reveal(service: TwinService) -> None:
    """Let the service's listings show all of its jobs."""
    with service._store.transaction() as db:
        db.execute("UPDATE jobs SET visible = 0")


def key_of(tags) -> str:
    """The start of the key in a job's own tag."""
    return tags[-1].split("-")[1]


def states(submission):
    return [row["state"] for row in submission.status()]


def truth(service, work):
    """What the service gives for the completed job of a work."""
    for paid in service.paid():
        if paid.state == "Completed" and key_of(paid.tags) == work.key[:24]:
            return work.reduce(service.job(paid.job_id).result())
    raise AssertionError(f"{work.label} has no completed job")


def check_results(service, results, expected):
    assert set(results) == {one.key for one in expected}
    for one in expected:
        np.testing.assert_array_equal(results[one.key], truth(service, one))


def second_job(service, tag, angle=0.5):
    """A job that the library's own retry might have made."""
    sampler = Sampler(mode=service.backend(BACKEND))
    sampler.options.environment.job_tags = [tag.rpartition("-")[0], tag]
    return sampler.run([(CIRCUIT, [[angle], [angle]], SHOTS)])


def adoptable(start, service):
    """A tag whose fate is unknown."""
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit(works(1))
    return start().status()[0]["tag"]
