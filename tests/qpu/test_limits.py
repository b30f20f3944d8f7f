"""What a job asks for is counted as IBM's guide counts it, and too much of it is refused while it is planned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from submitting import ones, work

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.limits import LIMITS, check_limits, demands


def job(sets=3, shots=100):
    angles = ParameterVector("a", 2)
    circuit = QuantumCircuit(3, 2)
    circuit.rz(angles[0], 0)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.barrier()
    circuit.cz(1, 2)
    circuit.rz(angles[1], 1)
    circuit.measure([0, 1], [0, 1])
    return replace(work(0), pubs=[(circuit, np.zeros((sets, 2)), shots)], reduce=ones)


def test_a_job_is_counted_as_the_guide_counts_it():
    # Of the guide's table: init 50, rz 1, sx 2, cz 5, measure 10. Qubit 1 has two CZ, an RZ and a measurement.
    assert demands(job()) == {
        "executions": 300,
        "instructions": 3 * (50 + 2 * 5 + 1 + 10),
        "cz": 2,
        "rz": 2,
        "sx": 1,
        "bytes": 3 * 2 * 8,
    }


def test_random_versions_and_pulses_are_circuits_and_instructions_of_their_own():
    assert demands(job(), versions=32)["instructions"] == 32 * 3 * 71
    assert demands(job(), pulses=4)["instructions"] == 3 * (71 + 4 * 4 * 2)  # four gates of qubit 1, four X before each


@pytest.mark.parametrize("name", LIMITS)
def test_too_much_is_refused_with_what_to_lower_and_where_it_is_written(name, monkeypatch):
    limit = LIMITS[name]
    asked = demands(job())[name]
    monkeypatch.setattr("cayley_adapters.qpu.limits.LIMITS", dict(LIMITS) | {name: replace(limit, most=asked)})
    check_limits(job())
    monkeypatch.setattr("cayley_adapters.qpu.limits.LIMITS", dict(LIMITS) | {name: replace(limit, most=asked - 1)})
    with pytest.raises(
        CayleyError, match=rf"'work 0' has {asked} .*https://quantum.cloud.ibm.com.*lower {limit.lower}"
    ):
        check_limits(job())
