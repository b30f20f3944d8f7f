"""A packed circuit does to every item what its block's matrix does, and is transpiled once."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.primitives import BitArray

from cayley_adapters.circuits.ansatz import Ansatz, brickwork, full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.gates import native_gates
from cayley_adapters.circuits.noise.backends import snapshot
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu import template as module
from cayley_adapters.qpu.template import PackedTemplate, packed_template

PAIRS = ((1, 0), (2, 3), (6, 5))
LINES = {1: ((4,), (0,), (2,)), 2: PAIRS, 3: ((0, 1, 2), (6, 5, 4))}


@functools.cache
def small_device():
    from qiskit.providers.fake_provider import GenericBackendV2

    chain = [[q, q + 1] for q in range(6)]
    return GenericBackendV2(7, basis_gates=["rz", "sx", "cz"], coupling_map=chain + [c[::-1] for c in chain], seed=1)


@functools.cache
def blocks_of(n: int, count: int = 5) -> BlockCircuits:
    q = np.linalg.qr(np.random.default_rng(n).normal(size=(count, 2**n, 2**n)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return synthesise(q)


def probabilities(circuit: QuantumCircuit, qubits: tuple[int, ...]) -> np.ndarray:
    from qiskit.quantum_info import Statevector

    return Statevector(circuit.remove_final_measurements(inplace=False)).probabilities(qubits)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 2, 3]), st.integers(1, 7), st.integers(0, 99))
def test_item_i_runs_in_set_and_line(n, items, seed):
    rng, blocks, lines = np.random.default_rng(seed), blocks_of(n), LINES[n]
    template = packed_template(full(n), lines, small_device())
    slices, which = rng.normal(size=(items, 2**n)), rng.integers(len(blocks), size=items)
    slices[rng.random(items) < 0.2] = 0
    values = template.values(slices, blocks, which)
    assert values.shape == (-(-items // len(lines)), template.circuit.num_parameters)
    assert np.abs(values).max() <= np.pi
    unitaries = blocks.unitaries()
    for i in range(len(values) * len(lines)):
        bound = template.circuit.assign_parameters(values[i // len(lines)])
        expected = np.eye(2**n)[0]  # a line without an item reads 0
        if i < items:
            unit = slices[i] / np.linalg.norm(slices[i]) if slices[i].any() else expected
            expected = (unitaries[which[i]] @ unit) ** 2
        np.testing.assert_allclose(probabilities(bound, lines[i % len(lines)]), expected, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 10), st.integers(0, 99))
def test_values_of_an_item_do_not_depend_on_the_others(items, seed):
    rng, blocks = np.random.default_rng(seed), blocks_of(2)
    template = packed_template(full(2), PAIRS, small_device())
    slices, which = rng.normal(size=(items, 4)), rng.integers(len(blocks), size=items)
    together = template.values(slices, blocks, which).reshape(-1, template.circuit.num_parameters // 3)
    for i in range(items):
        alone = template.values(7 * slices[i : i + 1], blocks, which[i : i + 1])
        np.testing.assert_allclose(np.exp(1j * alone.reshape(3, -1)[0]), np.exp(1j * together[i]), atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_counts_are_those_of_the_bits(data):
    n, lines = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 9))
    items, shots = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 40))
    sets = -(-items // lines)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    bits = rng.random((sets, shots, lines * n)) < rng.random(lines * n)
    places = np.arange(lines * n).reshape(lines, n)
    template = PackedTemplate(full(n), tuple(map(tuple, places.tolist())), QuantumCircuit())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", data.draw(st.sampled_from([1, 100, 1 << 23])))
        counts = template.counts(BitArray.from_bool_array(bits, order="little"), items)
    outcomes = bits.reshape(sets, shots, lines, n) @ (1 << np.arange(n))
    expected = [np.bincount(outcomes[i // lines, :, i % lines], minlength=2**n) for i in range(items)]
    np.testing.assert_array_equal(counts, expected)
    assert (counts.sum(axis=1) == shots).all()


@pytest.mark.parametrize("ansatz", [full(1), full(2), full(3), brickwork(3, 2)], ids=str)
def test_gates_are_those_that_the_simulator_runs(ansatz):
    lines = ((9,), (3,)) if ansatz.qubits == 1 else tuple(line[: ansatz.qubits] for line in ((2, 1, 0), (5, 6, 7)))
    backend = snapshot("FakeFez")
    circuit = packed_template(ansatz, lines, backend).circuit
    assert (circuit.num_qubits, [(r.name, r.size) for r in circuit.cregs]) == (156, [("meas", 2 * ansatz.qubits)])
    parameters = list(circuit.parameters)
    for i, line in enumerate(lines):
        expected, free = [[] for _ in line], iter(parameters[i * len(parameters) // len(lines) :])
        for gate in native_gates(ansatz):
            fixed = gate.slice_slot is None and gate.block_slot is None
            angle = [] if gate.name != "rz" else [gate.offset if fixed else next(free)]
            for q in gate.qubits:
                expected[q].append((gate.name, {line[j] for j in gate.qubits}, angle))
        for qubit, gates in zip(line, expected, strict=True):
            found = [
                (item.operation.name, {circuit.find_bit(bit).index for bit in item.qubits}, list(item.operation.params))
                for item in circuit.data
                if circuit.qubits[qubit] in item.qubits
            ]
            assert found == [*gates, ("measure", {qubit}, [])]
    measured = {
        circuit.find_bit(item.clbits[0]).index: circuit.find_bit(item.qubits[0]).index
        for item in circuit.data
        if item.operation.name == "measure"
    }
    assert [measured[bit] for bit in range(circuit.num_clbits)] == [q for line in lines for q in line]


def test_circuits_are_accepted_by_the_service():
    from qiskit_ibm_runtime.utils import validate_isa_circuits

    backend = snapshot("FakeMarrakesh")
    validate_isa_circuits([packed_template(full(2), ((1, 0), (4, 5)), backend).circuit], backend.target)


def test_transpilations_do_not_grow_with_tokens_or_blocks(monkeypatch):
    from qiskit.transpiler import StagedPassManager

    calls, run = [], StagedPassManager.run
    monkeypatch.setattr(module, "_templates", {})
    monkeypatch.setattr(StagedPassManager, "run", lambda self, *a, **k: calls.append(1) or run(self, *a, **k))
    rng, widths = np.random.default_rng(0), set()
    for tokens in (1, 2, 100):
        for count in (1, 40):
            blocks = blocks_of(2, count)
            template = packed_template(full(2), PAIRS, small_device())
            slices = rng.normal(size=(tokens * count, 4))
            values = template.values(slices, blocks, np.tile(np.arange(count), tokens))
            assert len(values) == -(-tokens * count // 3)
            widths.add(values.shape[1])
    assert (len(calls), len(widths)) == (1, 1)
    packed_template(full(2), PAIRS[:2], small_device())
    packed_template(full(2), PAIRS[:2], small_device())
    assert len(calls) == 2


def test_refused_packings():
    device, blocks = small_device(), blocks_of(2)
    for lines, message in (
        (((0, 1), (1, 2)), "disjoint lines of 2 qubits"),
        (((0, 1, 2),), "disjoint lines of 2 qubits"),
        ((), "disjoint lines of 2 qubits"),
        (((0, 2),), r"no native cz on qubits \[0, 2\]"),
        (((6, 7),), r"no native sx on qubits \[7\]"),
    ):
        with pytest.raises(CayleyError, match=message):
            packed_template(full(2), lines, device)
    template = packed_template(full(2), PAIRS, device)
    with pytest.raises(CayleyError, match=r"slices \(N, 4\)"):
        template.values(np.ones((2, 8)), blocks, np.zeros(2, dtype=int))
    with pytest.raises(CayleyError, match=r"slices \(N, 4\)"):
        template.values(np.ones((2, 4)), blocks, np.zeros(3, dtype=int))
    short = BlockCircuits(full(2), np.zeros((1, full(2).angles)), np.array([1]))
    with pytest.raises(CayleyError, match="blocks with 1 CZ gates do not fit"):
        template.values(np.ones((1, 4)), short, np.zeros(1, dtype=int))
    first = packed_template(Ansatz(2, (0,)), PAIRS, device).values(np.ones((1, 4)), short, np.zeros(1, dtype=int))
    assert first.shape == (1, 3 * 5)
    with pytest.raises(CayleyError, match=r"7 items on 3 lines of 2 qubits give 3 sets of 6 bits, not \(2,\) of 6"):
        template.counts(BitArray.from_bool_array(np.zeros((2, 5, 6), dtype=bool)), 7)
