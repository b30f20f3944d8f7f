"""Kernels: Pauli programs are conjugation by their gates, forwards and backwards, and angles prepare the slices."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.ansatz import Ansatz, full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.gates import skeleton
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.preparation import preparation_angles
from cayley_adapters.kernels import pauli
from cayley_adapters.kernels.pauli import CZ, RELAX, RELAX_T, RZ, SX, SX_T, TILE, run
from cayley_adapters.simulation.compiled import compile_blocks, noisy_probabilities, probabilities

PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
RNG = np.random.default_rng(0)
SX_GATE = 0.5 * np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]])


def strings(n: int) -> np.ndarray:
    """Pauli strings in the order of rows, qubit 0 least significant."""
    out = np.ones((1, 1, 1))
    for _ in range(n):
        out = np.stack([np.kron(p, s) for p in PAULI for s in out])
    return out


def on(qubit: int, gate: np.ndarray, n: int) -> np.ndarray:
    size = len(gate).bit_length() - 1
    return np.kron(np.eye(2 ** (n - qubit - size)), np.kron(gate, np.eye(2**qubit)))


def conjugation(gate: np.ndarray, n: int) -> np.ndarray:
    basis = strings(n)
    turned = gate @ basis @ gate.conj().T
    return np.einsum("iab,jba->ij", basis, turned).real / 2**n


def relaxation(a: float, b: float, c: float) -> np.ndarray:
    return np.array([[1, 0, 0, 0], [0, a, 0, 0], [0, 0, a, 0], [c, 0, 0, b]])


def program(code: int, q: int, r: int, figures, angle: float, n: int, width: int = 3) -> np.ndarray:
    """The matrix that an operation of a program is, column by column."""
    columns = []
    for start in range(0, 4**n, width):
        state = np.full((4**n, TILE), 7.0)
        part = np.eye(4**n)[:, start : start + width]
        state[:, : part.shape[1]] = part
        cos, sin = np.full((2, 1, TILE), np.cos(angle)), np.full((2, 1, TILE), np.sin(angle))
        run(np.array([[code, q, r]]), np.array([figures]), cos[0], sin[0], state, part.shape[1])
        assert (state[:, part.shape[1] :] == 7).all()
        columns.append(state[:, : part.shape[1]])
    return np.concatenate(columns, axis=1)


@pytest.mark.parametrize(("n", "q"), [(1, 0), (2, 0), (2, 1), (3, 1)])
def test_one_qubit_operations(n, q):
    a, b, c = 0.8, 0.7, 0.2
    relaxed = np.kron(np.eye(4 ** (n - q - 1)), np.kron(relaxation(a, b, c), np.eye(4**q)))
    sx = relaxed @ conjugation(on(q, SX_GATE, n), n)
    np.testing.assert_allclose(program(SX, q, 0, (a, b, c), 0, n), sx, atol=1e-14)
    np.testing.assert_allclose(program(SX_T, q, 0, (a, b, c), 0, n), sx.T, atol=1e-14)
    np.testing.assert_allclose(program(RELAX, q, 0, (a, b, c), 0, n), relaxed, atol=1e-14)
    np.testing.assert_allclose(program(RELAX_T, q, 0, (a, b, c), 0, n), relaxed.T, atol=1e-14)
    turn = conjugation(on(q, np.diag(np.exp([-0.35j, 0.35j])), n), n)
    np.testing.assert_allclose(program(RZ, q, 0, (0, 0, 0), 0.7, n), turn, atol=1e-14)
    np.testing.assert_allclose(program(RZ, q, 0, (0, 0, 0), -0.7, n), turn.T, atol=1e-14)


@pytest.mark.parametrize(("n", "q"), [(2, 0), (3, 0), (3, 1)])
def test_two_qubit_operation(n, q):
    shrink = np.array([1.0] + [0.6] * 15)
    local = np.kron(np.eye(4 ** (n - q - 2)), np.kron(np.diag(shrink), np.eye(4**q)))
    expected = local @ conjugation(on(q, np.diag([1, 1, 1, -1]), n), n)
    np.testing.assert_allclose(program(CZ, q, q + 1, (0.6, 0, 0), 0, n), expected, atol=1e-14)


FIGURES = {0: (0.8, 0.7, 0.2), 1: (0.9, 0.6, 0.1)}
SEQUENCES = {
    "turn": [(SX, 0, 0), (RZ, 0, 0), (SX, 0, 0)],
    "turn of the upper qubit, later": [(RELAX, 0, 0), (SX, 1, 0), (RZ, 1, 0), (SX, 1, 0), (CZ, 0, 1)],
    "two turns": [(SX, 0, 0), (RZ, 0, 0), (SX, 0, 0), (RZ, 0, 0), (SX, 0, 0), (SX, 0, 0), (RZ, 0, 0), (SX, 0, 0)],
    "turned elsewhere": [(SX, 0, 0), (RZ, 1, 0), (SX, 0, 0)],
    "ended elsewhere": [(SX, 0, 0), (RZ, 0, 0), (SX, 1, 0)],
    "no turn": [(SX, 0, 0), (RELAX, 0, 0), (SX, 0, 0)],
    "ended otherwise": [(SX, 0, 0), (RZ, 0, 0), (RELAX, 0, 0)],
    "not ended": [(RZ, 0, 0), (SX, 0, 0), (RZ, 0, 0)],
    "backwards": [(SX_T, 0, 0), (RZ, 0, 0), (SX_T, 0, 0)],
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES.keys())
@pytest.mark.parametrize("other", [None, (0.5, 0.4, 0.3)])
def test_a_program_is_the_product_of_its_operations(sequence, other):
    """Also where SX, RZ and SX are run in one go; not if their noise differs."""
    figures = np.array([FIGURES[q] for _, q, _ in sequence])
    if other:
        figures[-1] = other
    cos, sin = np.full((1, TILE), np.cos(0.7)), np.full((1, TILE), np.sin(0.7))
    state = np.zeros((16, TILE))
    state[:, :16] = np.eye(16)
    run(np.array(sequence), figures, cos, sin, state, 16)
    expected = np.eye(16)
    for (code, q, r), figure in zip(sequence, figures, strict=True):
        expected = program(code, q, r, figure, 0.7, 2) @ expected
    np.testing.assert_allclose(state[:, :16], expected, atol=1e-14)


def test_operations_have_codes_of_their_own():
    assert sorted((pauli.SX, pauli.SX_T, pauli.RELAX, pauli.RELAX_T, pauli.RZ, pauli.CZ)) == list(range(6))


def prepared(x: np.ndarray) -> np.ndarray:
    """The state that the preparation's gates make of a slice's angles."""
    n = len(x).bit_length() - 1
    units = preparation_angles(x[None])[0]
    np.testing.assert_allclose(np.abs(units), 1, atol=1e-9)
    ansatz = Ansatz(n, ())
    state = np.eye(2**n)[0]
    for gate in skeleton(ansatz):
        if gate.name == "cz":
            matrix = np.diag([1.0, 1, 1, -1])
        else:
            t = np.pi / 2 if gate.name == "plus" else gate.angle(np.angle(units), np.zeros(n))
            matrix = np.array([[np.cos(t / 2), -np.sin(t / 2)], [np.sin(t / 2), np.cos(t / 2)]])
        state = on(gate.qubits[0], matrix, n) @ state
    return state


def slices(d: int) -> list[np.ndarray]:
    eye = np.eye(d)
    special = [eye[0], -eye[d - 1], np.ones(d), eye[0] - eye[d - 1], eye[0] + 1e-9 * eye[1], np.arange(d) * 1e-300]
    product = np.ones(1)
    for _ in range(d.bit_length() - 1):
        product = np.kron(product, RNG.normal(size=2))
    even = RNG.normal(size=d)
    even[1::2] = 0
    odd = RNG.normal(size=d)
    odd[::2] = 0
    low = np.concatenate([RNG.normal(size=d // 2), np.zeros(d - d // 2)])
    integers = [RNG.integers(-1, 2, d).astype(float) for _ in range(6)]
    return [*RNG.normal(size=(6, d)), *special, product, even, odd, low, *(x for x in integers if x.any())]


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_preparation_angles_prepare_the_slice(d):
    for x in slices(d):
        unit = x / np.abs(x).max()
        unit /= np.linalg.norm(unit)
        assert abs(prepared(x) @ unit) == pytest.approx(1, abs=1e-12), x
    np.testing.assert_allclose(np.abs(prepared(np.zeros(d))), np.eye(d)[0], atol=1e-15)
    x = RNG.normal(size=(TILE + 3, d)) if d == 2 else RNG.normal(size=(5, d))
    together = preparation_angles(x)
    for i in (0, len(x) - 1):
        np.testing.assert_allclose(together[i], preparation_angles(x[i : i + 1])[0], atol=1e-15)
    for scale in (3.5, 1e-200):
        np.testing.assert_allclose(preparation_angles(scale * x), together, atol=1e-9)


def noise() -> DeviceNoise:
    qubits = {q: Qubit(1e-5, 1e-5, 0.01 * (q + 1), 3e-8, 0.02 * (q + 1), 0.03) for q in range(3)}
    pairs = {(a, b): Coupler(0.02 * (a + 1), 7e-8) for a in range(3) for b in (a - 1, a + 1)}
    return DeviceNoise(Calibration("row", qubits, pairs), 1.0, ((0, 1, 2),))


def density(gates, line, slice_angles, block_angles) -> np.ndarray:
    """Run native gates with their channels on a density matrix, in the plainest way, and read its diagonal out."""
    from cayley_adapters.circuits.noise.device import cz_channel, sx_channel

    n = len(line.qubits)
    basis = strings(n)
    vector = np.einsum("iab,ba->i", basis, np.diag(np.eye(2**n)[0])).real

    def channel(qubits, noise):
        out = np.eye(1)
        for a, b in zip(noise.transverse, noise.longitudinal, strict=True):
            out = np.kron(relaxation(a, b, 1 - b), out)
        out = out @ np.diag([1.0] + [noise.keep] * (len(out) - 1))
        return np.kron(np.eye(4 ** (n - qubits[0] - len(qubits))), np.kron(out, np.eye(4 ** qubits[0])))

    for gate in gates:
        q = gate.qubits[0]
        if gate.name == "rz":
            t = gate.angle(slice_angles, block_angles)
            vector = conjugation(on(q, np.diag(np.exp([-0.5j * t, 0.5j * t])), n), n) @ vector
        elif gate.name == "sx":
            vector = channel(gate.qubits, sx_channel(line, q)) @ conjugation(on(q, SX_GATE, n), n) @ vector
        else:
            vector = (
                channel(gate.qubits, cz_channel(line, q)) @ conjugation(on(q, np.diag([1, 1, 1, -1]), n), n) @ vector
            )
    rho = np.einsum("i,iab->ab", vector, basis) / 2**n
    return line.confusion() @ np.diag(rho).real


@pytest.mark.parametrize("n", [1, 2])
def test_simulated_probabilities_are_those_of_density_matrices(n):
    """Five blocks and three tokens, so that tiles and groups are filled in part."""
    from cayley_adapters.circuits.gates import native_gates

    ansatz, blocks = full(n), 5
    angles = RNG.uniform(-3, 3, (blocks, ansatz.angles))
    circuits = BlockCircuits(ansatz, angles, np.full(blocks, len(ansatz.couplers)))
    x = RNG.normal(size=(3, blocks, 2**n))
    x[1, 2] = 0
    found = noisy_probabilities(circuits, x, noise())
    line = noise().line(n)
    for t in range(3):
        for b in (0, 2, 4):
            slice_angles = np.angle(preparation_angles(x[t, b : b + 1])[0])
            expected = density(native_gates(ansatz), line, slice_angles, angles[b])
            np.testing.assert_allclose(found[t, b], expected, atol=1e-12)
    single = noisy_probabilities(circuits, x.astype(np.float32), noise())
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, found, atol=1e-5)


def test_more_slices_and_blocks_than_fit_a_tile():
    """A block's effects and a slice's probabilities do not depend on its place in a batch."""
    blocks = TILE // 2 + 3
    circuits = BlockCircuits(full(1), RNG.uniform(-3, 3, (blocks, 1)), np.zeros(blocks, dtype=int))
    compiled = compile_blocks(circuits, noise())
    last = compile_blocks(circuits[blocks - 1 :], noise())
    np.testing.assert_allclose(compiled.effects[-1], last.effects[0], atol=1e-14)
    x = RNG.normal(size=(2, blocks, 2))
    np.testing.assert_allclose(probabilities(compiled, x)[:, -1:], probabilities(last, x[:, -1:]), atol=1e-14)
    long = RNG.normal(size=(TILE + 2, 1, 2))
    np.testing.assert_allclose(probabilities(last, long)[-1:], probabilities(last, long[-1:]), atol=1e-14)
    long[TILE, 0, 1] = np.nan
    assert np.isnan(probabilities(last, long)).sum() == 2


def test_four_qubits_have_turns_by_right_angles_in_their_preparation():
    circuits = BlockCircuits(Ansatz(4, ()), np.array([[0.3, -1.0, 2.0, 0.7]]), np.array([0]))
    x = RNG.normal(size=(2, 1, 16))
    expected = np.square(x[:, 0] @ circuits.unitaries()[0].T) / np.square(x[:, 0]).sum(-1, keepdims=True)
    np.testing.assert_allclose(noisy_probabilities(circuits, x)[:, 0], expected, atol=1e-12)
