"""Operator entanglement of blocks: Schmidt spectra over every bipartition, entangling power, distance from identity.

A block Q on n qubits, seen across a bipartition A|B, is a sum of products of operators,

    Q = Σ_i λ_i A_i ⊗ B_i,    Tr A_i†A_j = Tr B_i†B_j = δ_ij,    Σ_i λ_i² = Tr Q†Q = d,

its operator Schmidt decomposition (Nielsen et al., Phys. Rev. A 67, 052301, 2003). p_i = λ_i²/d is a probability
distribution. A product of a block of A and one of B has a single p = 1; the more even p is, the less the block is one.
Element k = Σ_j k_j 2^j of a slice has bit k_j on qubit j, qubit 0 least significant, as in all of the library.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from cayley_adapters.core.errors import CayleyError

__all__ = [
    "MEASURES",
    "bipartition_name",
    "bipartitions",
    "block_measures",
    "distance_from_identity",
    "effective_bond_dimension",
    "entangling_power",
    "linear_entropy",
    "operator_entropy",
    "random_directions",
    "schmidt_spectrum",
]

MEASURES = ("entropy", "effective_bond_dimension", "linear_entropy", "entangling_power", "distance")


def bipartitions(n: int) -> list[tuple[int, ...]]:
    """The 2^(n−1) − 1 ways to cut n qubits in two, each given by the qubits of its smaller side A, in rising order.

    Of two equal halves, the one with qubit 0 is A. One qubit cannot be cut.

    Example:
        >>> bipartitions(3), bipartitions(4)[4:]
        ([(0,), (1,), (2,)], [(0, 1), (0, 2), (0, 3)])
    """
    sides = [side for size in range(1, n // 2 + 1) for side in combinations(range(n), size)]
    return [side for side in sides if 2 * len(side) < n or 0 in side]


def bipartition_name(side: tuple[int, ...]) -> str:
    """``q0 q2`` for the side of qubits 0 and 2."""
    return " ".join(f"q{qubit}" for qubit in side)


def schmidt_spectrum(q: np.ndarray, side: tuple[int, ...]) -> np.ndarray:
    """Normalised squared operator Schmidt coefficients p_i = λ_i²/d across a bipartition.

    λ are the singular values of Q with its indices rearranged, rows (a, a′) and columns (b, b′).

    Args:
        q: ``(B, d, d)`` orthogonal or unitary, d = 2^n.
        side: the qubits of A, neither none nor all of the n.

    Returns:
        ``(B, 4^min(|A|, n − |A|))``, falling; its sum is 1.

    Raises:
        CayleyError: d is no power of two, or A is no side of a bipartition.
    """
    n, other = _sides(q, side)
    rows, columns = 4 ** len(side), 4 ** len(other)
    realigned = _rearranged(q, (side, 0), (side, n), (other, 0), (other, n)).reshape(len(q), rows, columns)
    return np.linalg.svd(realigned, compute_uv=False) ** 2 / 2**n


def operator_entropy(spectrum: np.ndarray) -> np.ndarray:
    """Operator entanglement entropy −Σ p log₂ p in bits (Zanardi, Phys. Rev. A 63, 040304, 2001).

    It is 0 for products, 1 for CNOT, and at most 2·min(|A|, n − |A|), which SWAP reaches.

    Args:
        spectrum: ``(…, r)``, from :func:`schmidt_spectrum`.
    """
    logarithms = np.log2(spectrum, out=np.zeros_like(spectrum), where=spectrum > 0)
    return np.maximum(-(spectrum * logarithms).sum(axis=-1), 0.0)  # rounding puts p = 1 slightly above 1


def effective_bond_dimension(spectrum: np.ndarray) -> np.ndarray:
    """2^entropy: the number of equal Schmidt terms with the same entropy, 1 to 4^min(|A|, n − |A|).

    This is the exponential of the entropy, not the participation number 1/Σp², which :func:`linear_entropy` gives.
    """
    return 2 ** operator_entropy(spectrum)


def linear_entropy(spectrum: np.ndarray) -> np.ndarray:
    """Operator linear entropy 1 − Σ p², 0 to 1 − 4^−min(|A|, n − |A|) (Zanardi, Phys. Rev. A 63, 040304, 2001)."""
    return np.maximum(1 - (spectrum**2).sum(axis=-1), 0.0)


def entangling_power(q: np.ndarray, side: tuple[int, ...]) -> np.ndarray:
    """Entangling power: the mean linear entropy 1 − Tr ρ_A² of Q|a⟩|b⟩ over Haar-random complex |a⟩ and |b⟩.

    Zanardi, Zalka, Faoro (Phys. Rev. A 62, 030301, 2000): two copies of |a⟩ are (1 + S_A)/(d_A(d_A + 1)) on average,
    with S_A their exchange, and two of |b⟩ likewise. Of the four traces that follow two are constants and two are
    purities: P = Σp² of the operator Schmidt spectrum, and P′, that of the block followed by an exchange of sides,
    which the rearranged indices (a, b′), (b, a′) give for sides of different size as well:

        e_p = 1 − (d_A + d_B + d (P + P′)) / ((d_A + 1)(d_B + 1)).

    For two qubits it is 2/9 for CNOT, the largest value, and 0 for SWAP, which entangles nothing although its entropy
    is the largest. Random unitaries have 1 − (d_A + d_B)/(d + 1) on average. The average over *real* product states, to
    which a network's slices belong, is another one.

    Args:
        q: ``(B, d, d)`` orthogonal or unitary, d = 2^n.
        side: the qubits of A.

    Returns:
        ``(B,)``, 0 to 1 − 2^−min(|A|, n − |A|).

    Raises:
        CayleyError: as :func:`schmidt_spectrum`.
    """
    n, other = _sides(q, side)
    d, d_a, d_b = 2**n, 2 ** len(side), 2 ** len(other)
    straight = _rearranged(q, (side, 0), (side, n), (other, 0), (other, n)).reshape(len(q), d_a**2, d_b**2)
    crossed = _rearranged(q, (side, 0), (other, n), (other, 0), (side, n)).reshape(len(q), d, d)
    mean_purity = (d_a + d_b + d * (_purity(straight) + _purity(crossed))) / ((d_a + 1) * (d_b + 1))
    return np.maximum(1 - mean_purity, 0.0)


def distance_from_identity(q: np.ndarray) -> np.ndarray:
    """‖Q − I‖_F/√d: the root mean square of ‖Qx − x‖ over random slices x of length 1, 0 to 2.

    The sign of Q counts, −I is at distance 2: a layer's output is not a quantum state, of which the sign is free.

    Args:
        q: ``(B, d, d)``.
    """
    d = q.shape[-1]
    return np.sqrt((np.abs(q - np.eye(d)) ** 2).sum(axis=(-2, -1)) / d)


def random_directions(theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Free parameters of every block's norm in a random direction: what a block is compared with.

    ‖theta‖ = ‖K‖_F/√2 is kept, and so, to first order, the distance from identity. A block's free parameters are
    Gaussian before they are scaled, so that K prefers no basis: its law is that of V K Vᵀ for every orthogonal V.

    Args:
        theta: ``(B, …)``, a block's free parameters in all further axes.
        rng: the source of the directions.

    Returns:
        The same shape.
    """
    drawn = rng.standard_normal(theta.shape)
    axes = tuple(range(1, theta.ndim))
    norms = (np.sqrt((values**2).sum(axis=axes, keepdims=True)) for values in (theta, drawn))
    return drawn * np.divide(*norms)


def block_measures(q: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Every measure of every block across every bipartition.

    Args:
        q: ``(B, d, d)`` orthogonal or unitary, d = 2^n.

    Returns:
        The bipartition's name → measure → ``(B,)``. ``all`` is each block's mean over its bipartitions, and has
        ``distance`` too, which belongs to no bipartition; blocks of one qubit have nothing else.

    Raises:
        CayleyError: d is no power of two.
    """
    found = {}
    for side in bipartitions(_qubits(q)):
        spectrum = schmidt_spectrum(q, side)
        found[bipartition_name(side)] = {
            "entropy": operator_entropy(spectrum),
            "effective_bond_dimension": effective_bond_dimension(spectrum),
            "linear_entropy": linear_entropy(spectrum),
            "entangling_power": entangling_power(q, side),
        }
    names = MEASURES[:-1] if found else ()
    means = {name: np.mean([values[name] for values in found.values()], axis=0) for name in names}
    return {**found, "all": means | {"distance": distance_from_identity(q)}}


def _qubits(q: np.ndarray) -> int:
    d = q.shape[-1]
    if q.ndim != 3 or q.shape[1] != d or d < 2 or d & (d - 1):
        raise CayleyError(f"blocks have shape (B, d, d) with d a power of two, 2 or more; not {q.shape}")
    return d.bit_length() - 1


def _sides(q: np.ndarray, side: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The number of qubits, and those of the other side."""
    n = _qubits(q)
    other = tuple(qubit for qubit in range(n) if qubit not in side)
    if not side or not other or len(side) + len(other) != n:
        raise CayleyError(f"{side} is no side of a bipartition of {n} qubits; give some, not all, of 0 … {n - 1}")
    return n, other


def _rearranged(q: np.ndarray, *order: tuple[tuple[int, ...], int]) -> np.ndarray:
    """The blocks with one axis a bit, in this order: of qubits, each time, of the output (0) or the input (n)."""
    n = _qubits(q)
    axes = [1 + shift + n - 1 - qubit for qubits, shift in order for qubit in qubits]
    return q.reshape(len(q), *(2,) * (2 * n)).transpose(0, *axes)


def _purity(matrices: np.ndarray) -> np.ndarray:
    """Σ p² of the squared singular values p, scaled to sum 1: Tr (M M†)² / (Tr M M†)²."""
    gram = matrices @ matrices.conj().swapaxes(-1, -2)
    return (np.abs(gram) ** 2).sum(axis=(-2, -1)) / np.trace(gram, axis1=-2, axis2=-1).real ** 2
