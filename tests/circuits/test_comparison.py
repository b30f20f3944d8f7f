"""Qiskit's own circuits of the same blocks are right, and counted alike."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.qiskit import block_circuit, circuit_figures, qiskit_circuit


@pytest.mark.parametrize(("n", "ours", "at_least"), [(1, 0, 0), (2, 3, 3), (3, 17, 20)])
def test_qiskit_needs_more_two_qubit_gates(n, ours, at_least):
    from qiskit.quantum_info import Statevector

    rng = np.random.default_rng(n)
    q, x = np.linalg.qr(rng.normal(size=(2**n, 2**n)))[0], rng.normal(size=2**n)
    q[0] *= np.sign(np.linalg.det(q))
    noise = DeviceNoise.from_backend("FakeFez")
    circuit = qiskit_circuit(q, x)
    theirs = circuit_figures(circuit, noise.line(n))
    mine = circuit_figures(block_circuit(q, x, noise), noise.line(n))
    assert mine["cz"] == ours
    assert theirs["cz"] >= at_least
    if n == 3:
        assert mine["gate_fidelity"] > theirs["gate_fidelity"] > 0.5
    # Qiskit may leave the qubits permuted, and measures them accordingly.
    measured = [circuit.find_bit(i.qubits[0]).index for i in circuit if i.operation.name == "measure"]
    circuit.remove_final_measurements()
    p = Statevector(circuit).probabilities(measured)
    np.testing.assert_allclose(p, np.square(q @ x / np.linalg.norm(x)), atol=1e-8)
