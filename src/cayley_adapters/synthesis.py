"""Angles of the circuits that apply a block: closed forms for SO(2) and SO(4), least squares for SO(8).

A block q in SO(2^n) becomes RY rotations and CZ gates on the line 0-1-...-(n-1), see
:func:`cayley_adapters.circuits.skeleton`: a layer of RY on all qubits, then CZ gates, each followed by RY on its two
qubits. The signs are right as well: the product of the gates is q itself, not -q.

n = 1: one RY. n = 2: 2 CZ and 6 angles; in the quaternion form of :mod:`cayley_adapters.preparation` the block is
v -> p v conj(q) with unit quaternions p = exp(i b2/2) exp(k a1/2) exp(i b0/2) and
q = exp(i a2/2) exp(-k b1/2) exp(i a0/2), whose Euler angles are the RY angles a of qubit 0 and b of qubit 1.

n = 3: 14 CZ on (0, 1) and (1, 2) in turn and 31 angles for the 28 dimensions of SO(8), found by Levenberg-Marquardt
(Nocedal and Wright, Numerical Optimization, 2006, section 10.3) on the group. With U the circuit and F_j its part up
to gate j, dU/dangle_j = U S_j with S_j = F_j^T (J_j/2) F_j skew, so a step solves sum_j S_j step_j = skew(U^T q) on
the 28 entries above the diagonal, damped, in its dual form (28 unknowns instead of 31). All blocks start from the same
fixed sequence of random angles, one after the other until one leads to the solution; the result for a block depends
on that block alone.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from cayley_adapters.circuits import block_slots, qubits_of, skeleton
from cayley_adapters.descent import STARTS, TOLERANCE, random_starts, solve
from cayley_adapters.errors import CayleyError

__all__ = ["block_angles", "block_residual", "block_unitary", "rotations"]

NEAR, FAR, FACTOR = 0.01, 0.3, 4.0
"""Blocks with max|K| below NEAR are reached along multiples of K, FACTOR apart, the first of which exceeds FAR."""


def block_angles(q: ArrayLike) -> np.ndarray:
    """Return the RY angles of the circuits that apply blocks.

    Args:
        q: Blocks, (B, d, d) with d = 2, 4 or 8, orthogonal with determinant +1, float64. Blocks of lower precision
            stand for the nearest orthogonal matrices.

    Returns:
        Angles in radians, (B, 1), (B, 6) or (B, 31) for d = 2, 4, 8, in the order of the block slots of
        :func:`cayley_adapters.circuits.skeleton`. The circuit's matrix equals q to 1e-10 in every entry.

    Raises:
        CayleyError: If a matrix is no rotation, or if no angles were found for it.
    """
    q = rotations(q)
    n = qubits_of(q.shape[-1])
    if n == 1:
        return 2 * np.arctan2(q[:, 1, :1], q[:, 0, :1])
    if n == 2:
        return _angles_so4(q)
    angles = _angles_so8(q)[0]
    unsolved = np.flatnonzero(~(block_residual(angles, q) <= TOLERANCE))
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
        q = u @ v
    return q


def block_residual(angles: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the largest deviation |U - q| of an entry, (B,), of circuits with these angles (B, m) from blocks q."""
    return np.abs(block_unitary(angles) - q).max(axis=(1, 2), initial=0.0)


def block_unitary(angles: np.ndarray) -> np.ndarray:
    """Multiply out the gates of blocks.

    Args:
        angles: (B, m) angles in radians, m = 1, 6 or 31.

    Returns:
        The real orthogonal matrices of the circuits, (B, d, d).
    """
    n = next(n for n in (1, 2, 3) if block_slots(n) == angles.shape[1])
    index = np.arange(2**n)
    u = np.broadcast_to(np.eye(2**n), (len(angles), 2**n, 2**n)).copy()
    for kind, qubit in zip(*_gates(n), strict=True):
        if kind < 0:
            u[:, (index >> qubit) & (index >> (qubit + 1)) & 1 == 1] *= -1
            continue
        half = angles[:, kind, None, None] / 2
        low = index[(index >> qubit) & 1 == 0]
        zero, one = u[:, low], u[:, low + (1 << qubit)]
        u[:, low] = np.cos(half) * zero - np.sin(half) * one
        u[:, low + (1 << qubit)] = np.sin(half) * zero + np.cos(half) * one
    return u


@cache
def _gates(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the block's gates as slots (-1 for a CZ) and (lower) qubits."""
    gates = skeleton(n)
    gates = gates[next(i for i, gate in enumerate(gates) if gate.block_slot is not None) :]
    slots = [-1 if g.block_slot is None else g.block_slot for g in gates]
    return np.array(slots), np.array([g.qubits[0] for g in gates])


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


def _angles_so4(q: np.ndarray) -> np.ndarray:
    """Return the six angles (B, 6) of rotations q (B, 4, 4) from v -> p v conj(q)."""
    product = _quaternion_products()
    conjugate = np.array([1.0, -1, -1, -1])
    # p_a q_b e_a e_m conj(e_b): the tensor is orthogonal up to the factor 4.
    tensor = np.einsum("amc,cbl,b->lmab", product, product, conjugate)
    turned = _TO_QUATERNION @ q @ _TO_QUATERNION.T
    outer = np.einsum("zlm,lmab->zab", turned, tensor) / 4
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


def _angles_so8(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles (B, 31) of rotations q (B, 8, 8), and the starts and steps that each took (B, 2).

    Every circuit of the identity is singular (its S_j span at most 25 of the 28 dimensions), which traps the descent
    to a block near it. Such a block q = cayley(K) is reached along the ray cayley(t K) instead, t from far to 1.
    """
    angles, used = np.zeros((len(q), block_slots(3))), np.zeros((len(q), 2), dtype=np.int64)
    eye = np.eye(8)
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
        solve(paths, random_starts(), *_gates(3), found, cost)
        angles[blocks], used[blocks] = found, cost
    return angles, used
