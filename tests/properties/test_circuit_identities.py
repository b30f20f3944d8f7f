"""Circuits: bit order, native gates equal to the plain ones, and matrices equal to the blocks up to a phase."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits import synthesis
from cayley_adapters.circuits.ansatz import Ansatz, bricks, brickwork, full, qubits_of
from cayley_adapters.circuits.blocks import BlockCircuits, block_gates, block_unitary
from cayley_adapters.circuits.gates import Gate, circuit_summary, native_gates, skeleton
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.qiskit import block_circuit
from cayley_adapters.circuits.synthesis import (
    block_angles,
    brickwork_circuits,
    quaternion_tensor,
    rotations,
    synthesise,
    synthesise_for,
)
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.kernels.descent import approximate, solve

RNG = np.random.default_rng(0)
TURN = np.array([[0.0, -1], [1, 0]])


def haar(count: int, d: int, seed: int = 0) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, d, d)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return q


def on(qubit: int, gate: np.ndarray, n: int) -> np.ndarray:
    """A gate's matrix on all n qubits, qubit 0 least significant."""
    size = len(gate).bit_length() - 1
    return np.kron(np.eye(2 ** (n - qubit - size)), np.kron(gate, np.eye(2**qubit)))


def matrix(gates, n: int, slice_angles=(), block_angles=()) -> np.ndarray:
    """Multiply out a list of gates from their textbook matrices."""
    whole = np.eye(2**n, dtype=complex)
    sx = 0.5 * np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]])
    for gate in gates:
        angle = np.pi / 2 if gate.name == "plus" else gate.angle(slice_angles, block_angles)
        one = {
            "cz": np.diag([1, 1, 1, -1]),
            "sx": sx,
            "rz": np.diag(np.exp([-0.5j * angle, 0.5j * angle])),
        }.get(gate.name, np.cos(angle / 2) * np.eye(2) + np.sin(angle / 2) * TURN)
        whole = on(gate.qubits[0], one, n) @ whole
    return whole


def same_up_to_phase(a: np.ndarray, b: np.ndarray) -> bool:
    return abs(abs(np.vdot(a, b)) / len(a) - 1) < 1e-10


@pytest.mark.parametrize("ansatz", [full(1), full(2), Ansatz(3, (0, 1, 0)), brickwork(3, 2), Ansatz(2, ())])
def test_a_circuit_is_the_product_of_its_gates(ansatz):
    angles = RNG.uniform(-3, 3, (2, ansatz.angles))
    n = ansatz.qubits
    slots, qubits = block_gates(ansatz)
    gates = [
        Gate("cz", (q, q + 1)) if slot < 0 else Gate("ry", (q,), None, slot)
        for slot, q in zip(slots, qubits, strict=True)
    ]
    for found, row in zip(block_unitary(ansatz, angles), angles, strict=True):
        np.testing.assert_allclose(found, matrix(gates, n, (), row).real, atol=1e-13)


@pytest.mark.parametrize("ansatz", [full(1), full(2), full(3), brickwork(3, 1), brickwork(4, 1), full(4), full(5)])
def test_native_gates_are_the_skeleton_up_to_a_phase(ansatz):
    """For any angles, on |0…0⟩; RY(t) = SX RZ(t + π) SX RZ(π) and the sums of angles included."""
    slots = {gate.slice_slot for gate in skeleton(ansatz)} - {None}
    assert slots == set(range(len(slots)))
    assert {gate.block_slot for gate in skeleton(ansatz)} - {None} == set(range(ansatz.angles))
    angles = RNG.uniform(-3, 3, len(slots)), RNG.uniform(-3, 3, ansatz.angles)
    if ansatz.qubits > 3:
        from qiskit import QuantumCircuit
        from qiskit.quantum_info import Statevector

        states = []
        for gates in (skeleton(ansatz), native_gates(ansatz)):
            circuit = QuantumCircuit(ansatz.qubits)
            for gate in gates:
                values = (
                    () if gate.name in ("cz", "sx") else (np.pi / 2 if gate.name == "plus" else gate.angle(*angles),)
                )
                getattr(circuit, "ry" if gate.name == "plus" else gate.name)(*values, *gate.qubits)
            states.append(Statevector(circuit).data)
    else:
        states = [matrix(gates, ansatz.qubits, *angles)[:, 0] for gates in (skeleton(ansatz), native_gates(ansatz))]
    assert abs(np.vdot(*states)) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("d", [2, 4, 8])
def test_circuits_apply_the_block_to_every_basis_state(d):
    """Column k of the block, in the bit order k = Σ_j k_j 2^j, and all columns with one phase."""
    from qiskit.quantum_info import Operator, Statevector

    q = haar(1, d)[0]
    np.testing.assert_allclose(synthesise(q[None]).unitaries()[0], q, atol=1e-10)
    for k in range(d):
        circuit = block_circuit(q, np.eye(d)[k])
        measured = {
            circuit.find_bit(item.qubits[0]).index: circuit.find_bit(item.clbits[0]).index
            for item in circuit
            if item.operation.name == "measure"
        }
        assert measured == {j: j for j in range(d.bit_length() - 1)}
        circuit.remove_final_measurements()
        state = Statevector(circuit).data
        np.testing.assert_allclose(np.abs(state), np.abs(q[:, k]), atol=1e-10)
        assert abs(np.vdot(state, q[:, k])) == pytest.approx(1, abs=1e-10)
    blocks = block_circuit(synthesise(q[None]), np.ones(d))
    prepared = block_circuit(np.eye(d), np.ones(d))
    for circuit in (blocks, prepared):
        circuit.remove_final_measurements()
    assert Operator(blocks).is_unitary()
    assert abs(np.vdot(Statevector(prepared).data, np.ones(d))) / np.sqrt(d) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("d", [2, 4, 8, 16, 32])
def test_the_identity_prepares_the_slice(d):
    from qiskit.quantum_info import Statevector

    for x in (RNG.normal(size=d), np.eye(d)[d - 1], -np.eye(d)[0], 1e-200 * np.arange(d)):
        circuit = block_circuit(
            BlockCircuits(Ansatz(d.bit_length() - 1, ()), np.zeros((1, d.bit_length() - 1)), np.array([0])), x
        )
        circuit.remove_final_measurements()
        assert abs(np.vdot(Statevector(circuit).data, x / np.abs(x).max())) == pytest.approx(
            np.linalg.norm(x / np.abs(x).max()), rel=1e-10
        )


@pytest.mark.parametrize(("n", "cz", "prepared"), [(1, 0, 0), (2, 2, 1), (3, 14, 3), (4, 59, 9), (5, 248, 21)])
def test_gates_are_as_many_as_documented(n, cz, prepared):
    ansatz = full(n)
    assert (len(ansatz.couplers), ansatz.angles) == (cz, n + 2 * cz)
    assert qubits_of(2**n) == n
    summary = circuit_summary(ansatz)
    names = [gate.name for gate in skeleton(ansatz)]
    assert summary.cz == names.count("cz") == cz + prepared
    assert summary.sx == 2 * names.count("ry") + names.count("plus")
    assert summary.qubits == n
    if n < 4:
        stub = BlockCircuits(ansatz, np.zeros((1, ansatz.angles)), np.array([cz])), np.eye(2**n)[0]
        circuit = block_circuit(*stub, DeviceNoise.depolarizing(0.0, 0.0))
        assert (circuit.depth(), circuit.count_ops()["rz"]) == (summary.depth, summary.rz)
    shorter = ansatz.first(cz // 2)
    assert shorter == Ansatz(n, ansatz.couplers[: cz // 2])
    neighbours = list(range(0, n - 1, 2)) + list(range(1, n - 1, 2))
    assert all(low == neighbours[i % len(neighbours)] for i, low in enumerate(ansatz.couplers))


def test_bricks_alternate():
    assert bricks(4, 3) == (0, 2, 1, 0, 2)
    assert bricks(5, 2) == (0, 2, 1, 3)
    assert bricks(2, 3) == (0, 0)
    assert brickwork(3, 2).couplers == (0, 0, 1, 1)
    for wrong in ((1, 1), (2, 0)):
        with pytest.raises(CayleyError, match="at least 2 qubits"):
            bricks(*wrong)


def test_circuits_of_several_lengths():
    """Groups partition the blocks by their number of CZ gates, and a shorter circuit ignores what follows."""
    ansatz = full(2)
    angles = RNG.normal(size=(4, 6))
    lengths = np.array([2, 0, 1, 0])
    for b, length in enumerate(lengths):
        angles[b, 2 + 2 * length :] = 0
    circuits = BlockCircuits(ansatz, angles, lengths)
    groups = {len(part.couplers): blocks.tolist() for part, blocks in circuits.groups()}
    assert groups == {0: [1, 3], 1: [2], 2: [0]}
    for b, length in enumerate(lengths):
        part = ansatz.first(length)
        expected = block_unitary(part, angles[b : b + 1, : part.angles])[0]
        np.testing.assert_allclose(circuits.unitaries()[b], expected, atol=1e-14)
        assert same_up_to_phase(circuits[b : b + 1].unitaries()[0], expected)
    assert len(circuits) == 4
    stub = circuits.stub(1)
    assert (len(stub), stub.lengths.tolist(), stub.angles.tolist()) == (1, [1], [[0] * 6])
    circuit = block_circuit(circuits[2:3], np.ones(4))
    assert circuit.count_ops()["cz"] == 2


def test_a_gate_adds_its_angles_signs_and_offset():
    slices, blocks = np.array([1.0, 2.0]), np.array([10.0, 20.0])
    assert Gate("rz", (0,), 1, 0, -1, 0.5).angle(slices, blocks) == -11.5
    assert Gate("rz", (0,), None, 1, 1, 0.5).angle(slices, blocks) == 20.5
    assert Gate("rz", (0,), 0).angle(slices, blocks) == 1.0
    assert Gate("rz", (0,), offset=0.25).angle(slices, blocks) == 0.25


@pytest.mark.parametrize("d", [2, 4])
def test_closed_forms_reproduce_any_rotation(d):
    """Those with vanishing components, where an Euler angle is a choice, included."""
    planes = np.repeat(np.eye(d)[None], 6, axis=0)
    for i, angle in enumerate((0.0, np.pi / 2, np.pi, -np.pi / 2, 1e-9, np.pi - 1e-9)):
        planes[i, :2, :2] = np.cos(angle) * np.eye(2) + np.sin(angle) * TURN
    swaps = np.eye(d)[[np.roll(np.arange(d), k) for k in range(d)]]
    swaps[np.linalg.det(swaps) < 0, 0] *= -1
    q = np.concatenate([haar(30, d), planes, planes[::-1] @ haar(1, d), swaps, -swaps])
    np.testing.assert_allclose(synthesise(q).unitaries(), q, atol=1e-12)
    assert np.abs(block_angles(q)).max() <= 4 * np.pi


def test_the_quaternion_tensor_is_a_homomorphism():
    """q: v → p v conj(r): products of rotations are products of quaternions, and the tensor is an isometry."""
    tensor = quaternion_tensor().reshape(16, 16)
    np.testing.assert_allclose(tensor @ tensor.T, np.eye(16) / 4, atol=1e-15)
    outer = np.einsum("zij,ijab->zab", haar(5, 4), quaternion_tensor())
    values = np.linalg.svd(outer, compute_uv=False)
    np.testing.assert_allclose(values, np.tile([1.0, 0, 0, 0], (5, 1)), atol=1e-12)


@pytest.mark.parametrize(("n", "depth"), [(2, 1), (2, 3), (3, 2), (4, 3)])
def test_brickwork_circuits_merge_without_changing_the_product(n, depth):
    pairs = bricks(n, depth)
    gates = haar(2 * len(pairs), 4).reshape(2, len(pairs), 4, 4)
    circuits = brickwork_circuits(gates, n, depth)
    for b in range(2):
        whole = np.eye(2**n)
        for gate, low in zip(gates[b], pairs, strict=True):
            whole = on(low, gate, n) @ whole
        np.testing.assert_allclose(circuits.unitaries()[b], whole, atol=1e-12)
    assert circuits.lengths.tolist() == [2 * len(pairs)] * 2
    for wrong in (gates[0], gates[:, :, :, :3], np.concatenate([gates, gates], axis=1)):
        with pytest.raises(CayleyError, match=f"has {len(pairs)} gates"):
            brickwork_circuits(wrong, n, depth)


def test_what_counts_as_a_rotation():
    """1e-10 in float64, 1e-4 below, where the nearest orthogonal matrix is taken."""
    q = haar(3, 4)
    assert np.array_equal(rotations(q), q)
    rough = (q * (1 + 2e-5)).astype(np.float32)
    near = rotations(rough)
    assert near.dtype == np.float64
    np.testing.assert_allclose(near, q, atol=1e-6)
    np.testing.assert_allclose(near.transpose(0, 2, 1) @ near, np.tile(np.eye(4), (3, 1, 1)), atol=1e-14)
    assert rotations(q * (1 + 4e-11)) is not None
    for wrong in (q * (1 + 1e-9), (q * (1 + 1e-3)).astype(np.float32)):
        with pytest.raises(CayleyError, match="block 0 is not orthogonal"):
            rotations(wrong)
    q[1, 2] *= 1.1
    with pytest.raises(CayleyError, match="block 1 is not orthogonal"):
        rotations(q)
    for shape in ((4, 4), (1, 4, 3), (1, 1, 4, 4)):
        with pytest.raises(CayleyError, match="array"):
            rotations(np.ones(shape))


def test_refused_circuits():
    two = synthesise(haar(2, 4))
    for q, x in ((two, np.ones(4)), (two[:1], np.ones(2)), (np.eye(4), np.ones(2)), (np.eye(4), np.ones((1, 4)))):
        with pytest.raises(CayleyError, match="a circuit needs"):
            block_circuit(q, x)


def test_native_circuits_of_a_device_have_no_angle_but_rz():
    noise = DeviceNoise.depolarizing(1e-3, 1e-2)
    circuit = block_circuit(haar(1, 4)[0], np.arange(4.0), noise)
    assert set(circuit.count_ops()) == {"rz", "sx", "cz", "measure"}


def skew(scale: float, d: int) -> np.ndarray:
    upper = np.triu(RNG.normal(size=(d, d)), 1)
    return scale * (upper - upper.T) / np.abs(upper).max()


def test_blocks_near_the_identity_are_reached_along_a_ray(monkeypatch):
    """Multiples of their K by powers of 4, the first of which is far enough for the descent: 0.3."""
    seen = []
    monkeypatch.setattr(synthesis, "solve", lambda paths, *rest: seen.extend(paths) or solve(paths, *rest))
    ks, eye = [skew(scale, 8) for scale in (1e-7, 2e-3, 5e-3, 0.5)], np.eye(8)
    q = np.array([np.linalg.solve(eye + k / 2, eye - k / 2) for k in ks])
    angles, used = synthesis._search(q)
    np.testing.assert_allclose(block_unitary(full(3), angles), q, atol=1e-10)
    assert used.shape == (4, 2)
    assert (used > 0).all()  # starts and steps
    assert len(seen) == 4
    for path in seen:
        k = ks[int(np.abs(path[-1] - q).max(axis=(1, 2)).argmin())]
        along = 2 * np.linalg.solve(eye + path, eye - path)
        sizes = 4.0 ** np.arange(len(path))[::-1, None, None] * np.abs(k).max()
        np.testing.assert_allclose(along / sizes, [k / np.abs(k).max()] * len(path), atol=1e-6)
        if np.abs(k).max() == 0.5:
            assert len(path) == 1
        else:
            assert 0.3 <= np.abs(along[0]).max() < 4 * 0.3


def test_gate_errors_cost_what_they_do_to_random_slices(monkeypatch):
    """A share 1 − f of uniform background in p, squared, summed and times d(d + 2), on average over slices."""
    seen = []

    def spy(q, starts, slots, qubits, costs, angles, lengths):
        seen.append(costs)
        approximate(q, starts, slots, qubits, costs, angles, lengths)

    monkeypatch.setattr(synthesis, "approximate", spy)
    line = DeviceNoise.depolarizing(1e-3, 1e-2).line(2)
    synthesise_for(haar(1, 4), line)
    x = np.random.default_rng(0).normal(size=(40000, 4))
    p = np.square(x) / np.square(x).sum(-1, keepdims=True)
    for length, cost in enumerate(seen[0]):
        lost = 1 - line.survival(full(2).first(length))
        assert cost == pytest.approx(24 * np.square(lost * (p - 1 / 4)).sum(-1).mean(), rel=0.02)


def test_delays_let_the_qubits_of_a_cz_meet():
    """Counted backwards from the measurement, which is at the same time for all."""
    qubit, coupler = Qubit(1e-4, 1e-4, 1e-3, 3e-8, 0.0, 0.0), Coupler(1e-2, 7e-8)
    calibration = Calibration("row", dict.fromkeys(range(3), qubit), {(0, 1): coupler, (1, 2): coupler})
    noise = DeviceNoise(calibration, layout=((0, 1, 2),), idle=True)
    circuit = block_circuit(BlockCircuits(full(3), np.zeros((1, 31)), np.array([14])), np.ones(8), noise)
    since, lengths = np.zeros(3), {"sx": 3e-8, "cz": 7e-8, "rz": 0.0, "measure": 0.0}
    assert circuit.count_ops()["delay"] > 0
    for item in reversed(circuit.data):
        qubits = [circuit.find_bit(at).index for at in item.qubits]
        np.testing.assert_allclose(since[qubits], since[qubits[0]], rtol=1e-12)
        name = item.operation.name
        since[qubits] += item.operation.duration if name == "delay" else lengths[name]
