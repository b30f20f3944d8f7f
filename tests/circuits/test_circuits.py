"""Circuits do what the matrices do, with one skeleton for all slices and blocks."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.ansatz import bricks, brickwork, full
from cayley_adapters.circuits.gates import circuit_summary, native_gates, skeleton
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.qiskit import block_circuit
from cayley_adapters.circuits.synthesis import brickwork_circuits, synthesise
from cayley_adapters.core.errors import CayleyError

NOISE = DeviceNoise.depolarizing(1e-3, 1e-2, 0.01)


def rotation(rng: np.random.Generator, d: int) -> np.ndarray:
    q = np.linalg.qr(rng.normal(size=(d, d)))[0]
    q[0] *= np.sign(np.linalg.det(q))
    return q


@pytest.mark.parametrize("noise", [None, NOISE], ids=["ry and cz", "native"])
@pytest.mark.parametrize("d", [2, 4, 8, 16, 32])
def test_circuit_prepares_and_rotates(d, noise):
    from qiskit.quantum_info import Statevector

    rng = np.random.default_rng(d)
    q = rotation(rng, d)
    for x in [*rng.normal(size=(3, d)), np.eye(d)[1], -np.ones(d), np.zeros(d)]:
        circuit = block_circuit(q, x, noise)
        assert circuit.num_qubits == circuit.num_clbits == d.bit_length() - 1
        circuit.remove_final_measurements()
        unit = x / np.linalg.norm(x) if x.any() else np.eye(d)[0]
        assert abs(np.vdot(Statevector(circuit).data, q @ unit)) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_one_native_skeleton(d):
    rng = np.random.default_rng(1)
    eye = np.eye(d)
    cases = [(rotation(rng, d), rng.normal(size=d)), (eye, eye[0]), (eye, np.zeros(d)), (rotation(rng, d), eye[1])]
    shapes = set()
    for q, x in cases:
        circuit = block_circuit(q, x, NOISE)
        shapes.add(tuple((gate.operation.name, *(circuit.find_bit(b).index for b in gate.qubits)) for gate in circuit))
    assert len(shapes) == 1
    assert {name for name, *_ in shapes.pop()} <= {"rz", "sx", "cz", "measure"}


@pytest.mark.parametrize(("n", "cz", "sx"), [(1, 0, 2), (2, 3, 15), (3, 17, 72), (4, 68, 277)])
def test_summary_counts_what_qiskit_counts(n, cz, sx):
    summary = circuit_summary(full(n))
    circuit = block_circuit(np.eye(2**n), np.ones(2**n), NOISE)
    counts = circuit.count_ops()
    assert (summary.cz, summary.sx) == (cz, sx)
    assert (counts.get("cz", 0), counts["sx"], counts["rz"]) == (summary.cz, summary.sx, summary.rz)
    assert summary.depth == circuit.depth()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_slice_and_block_meet_only_in_sums_of_two_angles(n):
    gates = native_gates(full(n))
    merged = [i for i, gate in enumerate(gates) if gate.slice_slot is not None and gate.block_slot is not None]
    assert merged == list(range(merged[0], merged[0] + n))
    assert all(gate.block_slot is None for gate in gates[: merged[0]])
    assert all(gate.slice_slot is None for gate in gates[merged[-1] + 1 :])
    assert all(gate.qubits[1] == gate.qubits[0] + 1 for gate in skeleton(full(n)) if gate.name == "cz")


def test_refused_dimensions():
    with pytest.raises(CayleyError, match="2, 4, 8, 16 and 32 can"):
        block_circuit(np.eye(64), np.ones(64))
    with pytest.raises(CayleyError, match=r"\(d, d\)"):
        block_circuit(np.eye(4), np.ones(2))
    with pytest.raises(CayleyError, match="one block"):
        block_circuit(synthesise(np.stack([np.eye(4)] * 2)), np.ones(4))


@pytest.mark.parametrize(("n", "depth", "gates"), [(2, 1, 1), (3, 1, 1), (3, 2, 2), (4, 3, 5)])
def test_brickwork_is_the_product_of_its_gates(n, depth, gates):
    from qiskit.quantum_info import Statevector

    assert len(bricks(n, depth)) == gates
    rng = np.random.default_rng(n)
    parts = np.stack([rotation(rng, 4) for _ in range(gates)])
    whole = np.eye(2**n)
    for part, low in zip(parts, bricks(n, depth), strict=True):
        whole = np.kron(np.eye(2 ** (n - 2 - low)), np.kron(part, np.eye(2**low))) @ whole
    circuits = brickwork_circuits(parts[None], n, depth)
    np.testing.assert_allclose(circuits.unitaries()[0], whole, atol=1e-12)
    x = rng.normal(size=2**n)
    circuit = block_circuit(circuits, x, NOISE)
    assert circuit.count_ops()["cz"] == 2 * gates + circuit_summary(full(n)).cz - len(full(n).couplers)
    circuit.remove_final_measurements()
    assert abs(np.vdot(Statevector(circuit).data, whole @ x)) / np.linalg.norm(x) == pytest.approx(1, abs=1e-10)


def test_refused_brickworks():
    with pytest.raises(CayleyError, match="at least 2 qubits"):
        brickwork(1, 1)
    with pytest.raises(CayleyError, match="has 2 gates"):
        brickwork_circuits(np.eye(4)[None, None], 3, 2)


def test_delays_fill_the_waiting_times():
    """Counted back from the measurement, a qubit with its delays is as late as its neighbour whenever they meet."""
    noise = DeviceNoise.from_backend("FakeFez", idle=True)
    line, after = noise.line(4), np.zeros(4)
    circuit = block_circuit(np.eye(16), np.ones(16), noise)
    for item in reversed([item for item in circuit if item.operation.name != "measure"]):
        qubits, name = [circuit.find_bit(bit).index for bit in item.qubits], item.operation.name
        if name == "cz":
            assert after[qubits[0]] == pytest.approx(after[qubits[1]], abs=1e-15)
            after[qubits] += line.couplers[min(qubits)].cz_duration
        elif name == "delay":
            assert item.operation.duration > 0
            after[qubits] += item.operation.duration
        elif name == "sx":
            after[qubits] += line.qubits[qubits[0]].sx_duration
    assert circuit.count_ops()["delay"] > 0
    assert "delay" not in block_circuit(np.eye(16), np.ones(16), DeviceNoise.from_backend("FakeFez")).count_ops()
