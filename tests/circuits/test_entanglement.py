"""Operator entanglement against closed forms and qiskit.quantum_info, and by identities."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit.library import CXGate, CZGate, HGate, SGate, SwapGate, iSwapGate
from qiskit.quantum_info import (
    Operator,
    Statevector,
    entropy,
    partial_trace,
    random_unitary,
    schmidt_decomposition,
)

from cayley_adapters.circuits.entanglement import (
    MEASURES,
    bipartition_name,
    bipartitions,
    block_measures,
    distance_from_identity,
    effective_bond_dimension,
    entangling_power,
    linear_entropy,
    operator_entropy,
    random_directions,
    schmidt_spectrum,
)
from cayley_adapters.core.errors import CayleyError

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 5)


def rotation(d, seed):
    """A random orthogonal block."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def product_gate(side, n, a, b):
    """A on the qubits of a side and B on the others, by Qiskit's composition."""
    whole = Operator(np.eye(2**n))
    whole = whole.compose(Operator(a), qargs=list(side))
    return whole.compose(Operator(b), qargs=[qubit for qubit in range(n) if qubit not in side]).data


def canonical(c1, c2, c3):
    """exp(i/2 (c1 XX + c2 YY + c3 ZZ))."""
    pauli = [np.array(m) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]
    u = np.eye(4, dtype=complex)
    for c, sigma in zip((c1, c2, c3), pauli, strict=True):
        u = u @ (np.cos(c / 2) * np.eye(4) + 1j * np.sin(c / 2) * np.kron(sigma, sigma))
    return u


C, S = np.cos(np.pi / 8) ** 2 / 2, np.sin(np.pi / 8) ** 2 / 2


def two_qubit(gate):
    """Spectrum, entropy, effective bond dimension and entangling power of a two-qubit gate."""
    q = Operator(gate).data[None]
    p = schmidt_spectrum(q, (0,))
    return p[0], operator_entropy(p)[0], effective_bond_dimension(p)[0], entangling_power(q, (0,))[0]


@pytest.mark.parametrize(
    ("gate", "spectrum", "power"),
    [
        (np.eye(4), [1, 0, 0, 0], 0),
        (np.kron(rotation(2, 0), rotation(2, 1)), [1, 0, 0, 0], 0),
        (CXGate(), [1 / 2, 1 / 2, 0, 0], 2 / 9),
        (CZGate(), [1 / 2, 1 / 2, 0, 0], 2 / 9),
        (SwapGate(), [1 / 4] * 4, 0),
        (iSwapGate(), [1 / 4] * 4, 2 / 9),
        (SwapGate().power(0.5), [5 / 8, 1 / 8, 1 / 8, 1 / 8], 1 / 6),
        # The B gate: of those with the largest entangling power, the one between CNOT and iSWAP.
        (canonical(np.pi / 2, np.pi / 4, 0), [C, C, S, S], 2 / 9),
    ],
    ids=["identity", "product", "CNOT", "CZ", "SWAP", "iSWAP", "sqrt-SWAP", "B"],
)  # fmt: skip
def test_closed_forms(gate, spectrum, power):
    found, bits, bond, found_power = two_qubit(gate)
    np.testing.assert_allclose(found, spectrum, atol=1e-12)
    expected = -sum(p * np.log2(p) for p in spectrum if p)
    assert bits == pytest.approx(expected, abs=1e-12)
    assert bond == pytest.approx(2**expected, abs=1e-12)
    assert found_power == pytest.approx(power, abs=1e-12)


def test_cnot_and_swap_in_bits():
    assert two_qubit(CXGate())[1:3] == pytest.approx((1, 2))
    assert two_qubit(SwapGate())[1:3] == pytest.approx((2, 4))


@given(st.tuples(*[st.floats(0, np.pi)] * 3))
@settings(deadline=None)
def test_entangling_power_in_weyl_coordinates(c):
    """Rezakhani, Phys. Rev. A 70, 052313 (2004): e_p = (3 − Σ cos 2c_i cos 2c_j)/18 over the three pairs."""
    x, y, z = np.cos(2 * np.array(c))
    assert entangling_power(canonical(*c)[None], (0,))[0] == pytest.approx((3 - x * y - y * z - z * x) / 18, abs=1e-12)


def choi_state(u):
    """|U⟩⟩/√d on 2n qubits, output on the lower n."""
    return Statevector(u.reshape(-1, order="F") / np.sqrt(len(u)))


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("kind", ["unitary", "orthogonal"])
def test_against_qiskit(n, kind):
    u = random_unitary(2**n, seed=n).data if kind == "unitary" else rotation(2**n, n)
    state = choi_state(u)
    assert len(bipartitions(n)) == 2 ** (n - 1) - 1
    for side in bipartitions(n):
        both = [*side, *(qubit + n for qubit in side)]
        p = schmidt_spectrum(u[None], side)[0]
        terms = schmidt_decomposition(state, both)
        np.testing.assert_allclose(p, np.sort([term[0] ** 2 for term in terms])[::-1], atol=1e-12)
        reduced = partial_trace(state, [qubit for qubit in range(2 * n) if qubit not in both])
        assert operator_entropy(p) == pytest.approx(entropy(reduced, base=2), abs=1e-9)
        assert linear_entropy(p) == pytest.approx(1 - reduced.purity().real, abs=1e-12)


def test_bipartitions_are_all_and_each_once():
    for n in range(1, 7):
        cuts = {frozenset([frozenset(side), frozenset(range(n)) - set(side)]) for side in bipartitions(n)}
        assert len(cuts) == len(bipartitions(n)) == 2 ** (n - 1) - 1
        assert all(2 * len(side) <= n for side in bipartitions(n))
    assert bipartition_name((0, 2)) == "q0 q2"


@given(sizes, seeds)
@settings(deadline=None, max_examples=40)
def test_rotations_of_either_side_change_nothing(n, seed):
    rng = np.random.default_rng(seed)
    side = bipartitions(n)[rng.integers(2 ** (n - 1) - 1)]
    q = rotation(2**n, seed)
    before, after = (
        product_gate(side, n, *(rotation(2**size, rng.integers(2**32)) for size in (len(side), n - len(side))))
        for _ in range(2)
    )
    both = np.stack([q, after @ q @ before])
    assert np.ptp(schmidt_spectrum(both, side), axis=0).max() < 1e-12
    assert np.ptp(entangling_power(both, side)) < 1e-12


@given(sizes, seeds)
@settings(deadline=None, max_examples=40)
def test_products_of_sides_do_not_entangle(n, seed):
    rng = np.random.default_rng(seed)
    side = bipartitions(n)[rng.integers(2 ** (n - 1) - 1)]
    parts = (rotation(2**size, rng.integers(2**32)) for size in (len(side), n - len(side)))
    q = product_gate(side, n, *parts)[None]
    p = schmidt_spectrum(q, side)
    assert operator_entropy(p)[0] < 1e-12
    assert effective_bond_dimension(p)[0] == pytest.approx(1)
    assert entangling_power(q, side)[0] < 1e-12


@given(sizes, seeds)
@settings(deadline=None, max_examples=40)
def test_spectra_are_distributions_and_know_no_order_of_sides(n, seed):
    q = np.stack([rotation(2**n, seed), random_unitary(2**n, seed=seed % 1000).data])
    for side in bipartitions(n):
        other = tuple(qubit for qubit in range(n) if qubit not in side)
        p = schmidt_spectrum(q, side)
        assert p.shape == (2, 4 ** len(side))
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_allclose(p, schmidt_spectrum(q, other), atol=1e-12)
        power = entangling_power(q, side)
        np.testing.assert_allclose(power, entangling_power(q, other), atol=1e-12)
        assert (power >= 0).all()
        assert (power <= 1 - 2.0 ** -len(side)).all()
        assert (operator_entropy(p) <= 2 * len(side) + 1e-12).all()


def stabiliser_states():
    """The 60 stabiliser states of two qubits, a 2-design: what H, S and CNOT make of |00⟩."""
    one = np.eye(2)
    pairs = [pair for gate in (HGate(), SGate()) for pair in ((gate, one), (one, gate))]
    gates = [Operator(CXGate()).data, *(product_gate((0,), 2, *pair) for pair in pairs)]
    found, new = {}, [np.eye(4, dtype=complex)[0]]
    while new:
        state = new.pop()
        key = tuple(np.round(np.outer(state, state.conj()).ravel(), 6) + 0)
        if key not in found:
            found[key] = state
            new += [gate @ state for gate in gates]
    return np.array(list(found.values()))


@pytest.mark.parametrize("side", [(0,), (1,), (2,)])
def test_entangling_power_of_unequal_sides_is_the_mean_over_a_design(side):
    """Tr ρ² is of second degree in either state, so a 2-design's mean is the Haar mean, without an error."""
    ones = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [1, 1j], [1, -1j]]) / np.array([1, 1, *[2**0.5] * 4])[:, None]
    twos = stabiliser_states()
    assert len(twos) == 60
    q = rotation(8, 3)
    found = [state_entropy(q, side, a, b) for a, b in product(ones, twos)]
    assert entangling_power(q[None], side)[0] == pytest.approx(np.mean(found), abs=1e-12)


def state_entropy(q, side, a, b):
    """Linear entropy of Q|a⟩|b⟩, by Qiskit, with the side's qubits in rising order in |a⟩."""
    n = len(q).bit_length() - 1
    other = [qubit for qubit in range(n) if qubit not in side]
    start = Statevector(np.kron(b, a)).evolve(permutation([*side, *other]))
    return 1 - partial_trace(start.evolve(Operator(q)), other).purity().real


def permutation(order):
    """The operator that takes qubit i to qubit ``order[i]``."""
    n = len(order)
    matrix = np.zeros((2**n, 2**n))
    for k in range(2**n):
        matrix[sum(((k >> i) & 1) << target for i, target in enumerate(order)), k] = 1
    return Operator(matrix)


@pytest.mark.parametrize(("n", "side"), [(3, (1,)), (4, (0, 2)), (4, (3,)), (5, (1, 4))])
def test_entangling_power_by_monte_carlo(n, side):
    rng, count = np.random.default_rng(n), 20_000
    d_a, d_b = 2 ** len(side), 2 ** (n - len(side))
    q = random_unitary(2**n, seed=n).data

    def haar(d):
        states = rng.normal(size=(count, d)) + 1j * rng.normal(size=(count, d))
        return states / np.linalg.norm(states, axis=1, keepdims=True)

    # Qubits are moved so that the side is the lowest; then an amplitude's index is that of B times d_A plus that of A.
    moved = permutation([*side, *(qubit for qubit in range(n) if qubit not in side)]).data
    straight = moved.T @ q @ moved
    states = np.einsum("nb,na->nba", haar(d_b), haar(d_a)).reshape(count, -1) @ straight.T
    amplitudes = states.reshape(count, d_b, d_a)
    reduced = np.einsum("nba,nbc->nac", amplitudes, amplitudes.conj())
    values = 1 - (np.abs(reduced) ** 2).sum(axis=(1, 2))
    error = values.std() / count**0.5
    assert abs(entangling_power(q[None], side)[0] - values.mean()) < 4 * error
    assert error < 2e-3


def test_random_unitaries_have_the_known_mean_entangling_power():
    """1 − (d_A + d_B)/(d + 1), for sides of unequal size too (Lubkin, J. Math. Phys. 19, 1028, 1978)."""
    q = np.stack([random_unitary(8, seed=seed).data for seed in range(400)])
    values = entangling_power(q, (1,))
    assert abs(values.mean() - (1 - 6 / 9)) < 4 * values.std() / 20


def test_distance_is_the_rms_change_of_a_random_slice():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200_000, 8))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    q = rotation(8, 5)
    changes = ((x @ q.T - x) ** 2).sum(axis=1)
    assert distance_from_identity(q[None])[0] ** 2 == pytest.approx(changes.mean(), rel=0.01)
    assert distance_from_identity(np.stack([np.eye(4), -np.eye(4)])).tolist() == [0, 2]
    angle = 0.3
    turn = np.array([[[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]])
    assert distance_from_identity(turn)[0] == pytest.approx(2 * np.sin(angle / 2))


@pytest.mark.parametrize("shape", [(50, 6), (40, 3, 6)])
def test_random_directions_keep_each_norm(shape):
    rng = np.random.default_rng(0)
    theta = rng.normal(size=shape)
    theta[0] = 0
    drawn = random_directions(theta, rng)
    axes = tuple(range(1, len(shape)))
    np.testing.assert_allclose((drawn**2).sum(axis=axes), (theta**2).sum(axis=axes))
    assert (drawn[0] == 0).all()
    cosines = (drawn * theta).sum(axis=axes)[1:] / (theta**2).sum(axis=axes)[1:]
    assert abs(cosines.mean()) < 0.3
    assert cosines.std() > 0.1


def test_measures_of_blocks_and_their_mean_over_bipartitions():
    q = np.stack([np.eye(8), rotation(8, 0), product_gate((1,), 3, rotation(2, 1), rotation(4, 2))])
    found = block_measures(q)
    assert list(found) == ["q0", "q1", "q2", "all"]
    assert list(found["all"]) == list(MEASURES)
    for measure in MEASURES[:-1]:
        mean = np.mean([found[name][measure] for name in ("q0", "q1", "q2")], axis=0)
        np.testing.assert_allclose(found["all"][measure], mean)
    assert found["q1"]["entropy"][2] < 1e-12 < 0.1 < found["q0"]["entropy"][2]
    for name in ("q0", "q1", "q2"):
        zeros = [found[name][measure][0] for measure in ("entropy", "linear_entropy", "entangling_power")]
        np.testing.assert_allclose(zeros, 0, atol=1e-14)
        assert found[name]["effective_bond_dimension"][0] == pytest.approx(1, abs=1e-14)
    assert list(block_measures(np.eye(2)[None])) == ["all"]
    assert list(block_measures(np.eye(2)[None])["all"]) == ["distance"]


def test_mistakes():
    with pytest.raises(CayleyError, match=r"not \(2, 3, 3\)"):
        block_measures(np.zeros((2, 3, 3)))
    for side in ((), (0, 1), (2,), (0, 0)):
        with pytest.raises(CayleyError, match="no side of a bipartition of 2 qubits"):
            schmidt_spectrum(np.eye(4)[None], side)
