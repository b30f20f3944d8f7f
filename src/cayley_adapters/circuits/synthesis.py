"""Angles of the circuits that apply a block: closed forms for SO(2) and SO(4), least squares above.

A block q in SO(2^n) becomes RY rotations and CZ gates on the line 0-1-...-(n-1), see
:mod:`cayley_adapters.circuits.ansatz`: a layer of RY on all qubits, then CZ gates, each followed by RY on its two
qubits. The signs are right as well: the product of the gates is q itself, not -q.

n = 1: one RY. n = 2: 2 CZ and 6 angles; in the quaternion form of :mod:`cayley_adapters.circuits.preparation` the block
is v -> p v conj(q) with unit quaternions p = exp(i b2/2) exp(k a1/2) exp(i b0/2) and
q = exp(i a2/2) exp(-k b1/2) exp(i a0/2), whose Euler angles are the RY angles a of qubit 0 and b of qubit 1.

n >= 3: CZ gates in a brick pattern, 14 for the 28 dimensions of SO(8), 59 for the 120 of SO(16) and 248 for the 496 of
SO(32), with angles found by Levenberg-Marquardt (Nocedal and Wright, Numerical Optimization, 2006, section 10.3) on the
group. With U the circuit and F_j its part up to gate j, dU/dangle_j = U S_j with S_j = F_j^T (J_j/2) F_j skew, so a
step solves sum_j S_j step_j = skew(U^T q) on the entries above the diagonal, damped, in its dual form (d(d - 1)/2
unknowns). All blocks start from the same fixed sequence of random angles, one after the other until one leads to the
solution; the result for a block depends on that block alone. Blocks for which no start does are reported.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz, bricks, brickwork, full, qubits_of
from cayley_adapters.circuits.blocks import BlockCircuits, block_gates, block_unitary
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.kernels.descent import STARTS, TOLERANCE, approximate, solve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cayley_adapters.circuits.noise.calibration import Line

__all__ = [
    "block_angles",
    "brickwork_circuits",
    "lengthened",
    "quaternion_tensor",
    "rotations",
    "synthesise",
    "synthesise_for",
]

NEAR, FAR, FACTOR = 0.01, 0.3, 4.0
"""Blocks with max|K| below NEAR are reached along multiples of K, FACTOR apart, the first of which exceeds FAR."""


def synthesise(q: ArrayLike) -> BlockCircuits:
    """Find the circuits of blocks.

    Args:
        q: Blocks, (B, d, d) with d = 2, 4, 8, 16 or 32, orthogonal with determinant +1, float64. Blocks of lower
            precision stand for the nearest orthogonal matrices.

    Returns:
        Circuits whose matrices equal q to 1e-10 in every entry.

    Raises:
        CayleyError: If a matrix is no rotation, or if no angles were found for it.

    Example:
        >>> import numpy as np
        >>> angle = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
        >>> synthesise(angle[None]).angles.round(6)
        array([[0.6]])
    """
    q = rotations(q)
    ansatz = full(qubits_of(q.shape[-1]))
    return BlockCircuits(ansatz, block_angles(q), np.full(len(q), len(ansatz.couplers)))


def synthesise_for(q: ArrayLike, line: Line, starts: int = 2) -> BlockCircuits:
    """Find circuits that stop where a further CZ gate would cost more than it gains.

    What is minimised is the expected squared error of the measured probabilities, sum_k (p'_k - p_k)^2, times d(d + 2),
    over random slices: 4 |U - q|^2 for a circuit with the matrix U near the block (the rows' M_k = u_k u_k^T - q_k
    q_k^T have tr M = 0 and tr M^2 = 2 - 2 (u_k q_k)^2), and (1 - f)^2 (2d - 2) for gate errors that shrink p - 1/d by f
    (:meth:`cayley_adapters.circuits.noise.calibration.Line.survival`). Gate fidelity would be the wrong measure: a
    rotation that is left out costs its angle, but only the square of the angle in fidelity. Circuits of different
    lengths have different skeletons, at most one more than the full ansatz has CZ gates.

    Args:
        q: Blocks, (B, d, d), as for :func:`synthesise`.
        line: Calibrated figures of the qubits, at the noise scale for which the circuits are to be good.
        starts: Random starts of the search for each length, beside the angles of the length before.

    Returns:
        The circuits; where no approximation is worth it, the exact ones.

    Raises:
        CayleyError: As for :func:`synthesise`.
    """
    q = rotations(q)
    exact = synthesise(q)
    ansatz, layers = exact.ansatz, len(exact.ansatz.couplers)
    shrunk = np.array([1 - line.survival(ansatz.first(length)) for length in range(layers + 1)])
    costs = shrunk**2 * (2 * q.shape[-1] - 2)
    angles, lengths = np.zeros_like(exact.angles), np.full(len(q), layers)
    approximate(q, random_starts(ansatz.angles)[:starts], *block_gates(ansatz), costs, angles, lengths)
    full_length = lengths == layers
    angles[full_length] = exact.angles[full_length]
    return BlockCircuits(ansatz, angles, lengths)


def lengthened(circuits: BlockCircuits, count: int) -> BlockCircuits:
    """Make circuits longer without changing what they apply, as a synthesis that needs more gates would.

    Pairs of CZ gates that undo each other, on one coupler after the other, are put at the end, with the rotations
    that follow every CZ gate at angle 0.

    Args:
        circuits: Blocks of two qubits or more, all of one length.
        count: CZ gates of a block that are wanted; one more if the number of those that are added would be odd.

    Returns:
        The circuits, or the same ones where they have as many gates already.
    """
    ansatz = circuits.ansatz
    pairs = -(-(count - len(ansatz.couplers)) // 2)
    added = tuple(low for pair in range(pairs) for low in (pair % (ansatz.qubits - 1),) * 2)
    longer = Ansatz(ansatz.qubits, ansatz.couplers + added)
    angles = np.concatenate([circuits.angles, np.zeros((len(circuits), 2 * len(added)))], axis=1)
    return BlockCircuits(longer, angles, circuits.lengths + len(added))


def brickwork_circuits(gates: ArrayLike, n: int, depth: int) -> BlockCircuits:
    """Turn products of two-qubit rotations into circuits, 2 CZ a rotation and no search.

    Args:
        gates: Rotations of neighbouring qubits, (B, g, 4, 4), in the order of
            :func:`cayley_adapters.circuits.ansatz.bricks`.
        n: Number of qubits.
        depth: Layers of the brickwork.

    Returns:
        The circuits; RY gates that meet on a qubit are one gate.

    Raises:
        CayleyError: If the number of rotations is not that of the brickwork, or one is no rotation.

    Example:
        >>> import numpy as np
        >>> circuits = brickwork_circuits(np.tile(np.eye(4), (1, 2, 1, 1)), n=3, depth=2)
        >>> int(circuits.lengths[0]), np.allclose(circuits.unitaries(), np.eye(8))
        (4, True)
    """
    gates, pairs, ansatz = np.asarray(gates), bricks(n, depth), brickwork(n, depth)
    if gates.ndim != 4 or gates.shape[1:] != (len(pairs), 4, 4):
        raise CayleyError(f"a brickwork of depth {depth} on {n} qubits has {len(pairs)} gates; given: {gates.shape}")
    parts = _angles_so4(rotations(gates.reshape(-1, 4, 4))).reshape(*gates.shape[:2], 6)
    angles = np.zeros((len(gates), ansatz.angles))
    last = list(range(n))  # the slot of each qubit's latest RY
    for g, low in enumerate(pairs):
        slot = n + 4 * g
        angles[:, last[low]] += parts[:, g, 0]
        angles[:, last[low + 1]] += parts[:, g, 1]
        angles[:, slot : slot + 4] = parts[:, g, 2:]
        last[low], last[low + 1] = slot + 2, slot + 3
    return BlockCircuits(ansatz, angles, np.full(len(gates), len(ansatz.couplers)))


def block_angles(q: ArrayLike) -> np.ndarray:
    """Return the RY angles of the circuits that apply blocks, as :func:`synthesise` does.

    Returns:
        Angles in radians, (B, n + 2 CZ): 1, 6, 31, 122 or 501 for d = 2, 4, 8, 16, 32.
    """
    q = rotations(q)
    n = qubits_of(q.shape[-1])
    if n == 1:
        return 2 * np.arctan2(q[:, 1, :1], q[:, 0, :1])
    if n == 2:
        return _angles_so4(q)
    angles = _search(q)[0]
    unsolved = np.flatnonzero(~(np.abs(block_unitary(full(n), angles) - q).max(axis=(1, 2)) <= TOLERANCE))
    if unsolved.size:
        raise CayleyError(
            f"no circuit found for {unsolved.size} of {len(q)} blocks (indices {unsolved[:8].tolist()}) after "
            f"{STARTS} starts each; use block dimension 2 or 4, or leave these blocks out"
        )
    return angles


def rotations(q: ArrayLike) -> np.ndarray:
    """Check that blocks are rotations and return them in float64.

    Args:
        q: Blocks, (B, d, d).

    Returns:
        The blocks, (B, d, d) float64; those given in lower precision replaced with the nearest orthogonal matrices
        (polar decomposition).

    Raises:
        CayleyError: If the shape is wrong, or a matrix is not orthogonal (to 1e-10 in float64, 1e-4 below) or has
            determinant -1.
    """
    q = np.asarray(q)
    if q.ndim != 3 or q.shape[1] != q.shape[2]:
        raise CayleyError(f"blocks come as an array (B, d, d), not {q.shape}")
    qubits_of(q.shape[1])
    exact = q.dtype == np.float64
    q = q.astype(np.float64)
    error = np.abs(q.transpose(0, 2, 1) @ q - np.eye(q.shape[1])).max(axis=(1, 2))
    bound = TOLERANCE if exact else 1e-4
    for b in np.flatnonzero(~(error <= bound))[:1]:
        raise CayleyError(
            f"block {b} is not orthogonal: |q^T q - 1| reaches {error[b]:.1e}, allowed is {bound:.0e}; "
            "compute blocks in float64 from their theta"
        )
    for b in np.flatnonzero(np.linalg.det(q) < 0)[:1]:
        raise CayleyError(f"block {b} has determinant -1; circuits of RY and CZ apply rotations, determinant +1")
    if not exact:
        u, _, v = np.linalg.svd(q)
        q = np.asarray(u @ v)
    return q


@cache
def random_starts(angles: int) -> np.ndarray:
    """Return the random angles, (STARTS, angles), that the search starts from."""
    return np.random.default_rng(0).uniform(-math.pi, math.pi, (STARTS, angles))


# Rows: 1, i, j, k components of the quaternion of the basis states 0 to 3.
_TO_QUATERNION = np.array([[1, 0, 0, 1], [0, -1, 1, 0], [1, 0, 0, -1], [0, 1, 1, 0]]) / math.sqrt(2)


def _quaternion_products() -> np.ndarray:
    """Return M[a, b, c], the component c of e_a e_b."""
    table = np.zeros((4, 4, 4))
    for a, b, c, sign in [(1, 2, 3, 1), (2, 3, 1, 1), (3, 1, 2, 1), (2, 1, 3, -1), (3, 2, 1, -1), (1, 3, 2, -1)]:
        table[a, b, c] = sign
    for a in range(4):
        table[0, a, a] = table[a, 0, a] = 1
    for a in range(1, 4):
        table[a, a, 0] = -1
    return table


@cache
def quaternion_tensor() -> np.ndarray:
    """Return T (4, 4, 4, 4) with sum_ij q_ij T_ijab = p_a r_b for the rotation q: v -> p v conj(r) of quaternions."""
    product = _quaternion_products()
    conjugate = np.array([1.0, -1, -1, -1])
    # p_a r_b e_a e_m conj(e_b): the tensor is orthogonal up to the factor 4.
    tensor = np.einsum("amc,cbl,b->lmab", product, product, conjugate) / 4
    return np.einsum("li,mj,lmab->ijab", _TO_QUATERNION, _TO_QUATERNION, tensor)


def _angles_so4(q: np.ndarray) -> np.ndarray:
    """Return the six angles (B, 6) of rotations q (B, 4, 4) from v -> p v conj(q)."""
    outer = np.einsum("zij,ijab->zab", q, quaternion_tensor())
    row = np.abs(outer).max(axis=2).argmax(axis=1)
    right = np.take_along_axis(outer, row[:, None, None], axis=1)[:, 0]
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    left = np.einsum("zab,zb->za", outer, right)
    b2, a1, b0 = _euler(left)
    a2, b1, a0 = _euler(right)
    return np.stack([a0, b0, a1, -b1, a2, b2], axis=1)


def _euler(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return u, w, v with p = exp(iu/2) exp(kw/2) exp(iv/2) for unit quaternions p (B, 4)."""
    first, second = p[:, 0] + 1j * p[:, 1], p[:, 3] - 1j * p[:, 2]
    one, two = (np.where(np.abs(z) < 1e-14, 0.0, np.angle(z)) for z in (first, second))
    return one + two, 2 * np.arctan2(np.abs(second), np.abs(first)), one - two


def _search(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles (B, m) of rotations q (B, d, d), and the starts and steps that each took (B, 2).

    Every circuit of the identity is singular (the S_j of 14 CZ span at most 25 of the 28 dimensions), which traps the
    descent to a block near it. Such a block q = cayley(K) is reached along the ray cayley(t K), t from far to 1.
    """
    ansatz, eye = full(qubits_of(q.shape[-1])), np.eye(q.shape[-1])
    angles, used = np.zeros((len(q), ansatz.angles)), np.zeros((len(q), 2), dtype=np.int64)
    near = np.abs(q - eye).max(axis=(1, 2)) < NEAR
    k = np.zeros_like(q)
    k[near] = 2 * np.linalg.solve(eye + q[near], eye - q[near])
    size = np.abs(k).max(axis=(1, 2))
    lengths = np.zeros(len(q), dtype=np.int64)
    lengths[size > TOLERANCE / 10] = np.ceil(np.log(FAR / size[size > TOLERANCE / 10]) / math.log(FACTOR))
    for length in np.unique(lengths):
        blocks = np.flatnonzero(lengths == length)
        scales = FACTOR ** np.arange(length, 0, -1)
        ray = scales[:, None, None] * k[blocks, None] / 2
        paths = np.concatenate([np.linalg.solve(eye + ray, eye - ray), q[blocks, None]], axis=1)
        found, cost = angles[blocks], used[blocks]
        solve(paths, random_starts(ansatz.angles), *block_gates(ansatz), found, cost)
        angles[blocks], used[blocks] = found, cost
    return angles, used
