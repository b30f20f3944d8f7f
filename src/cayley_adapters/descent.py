"""Levenberg-Marquardt on SO(8), compiled: the angles of many three-qubit blocks at a time.

:mod:`cayley_adapters.synthesis` explains the method. A circuit is given by the slots of its gates (-1 for a CZ on a
qubit and the next) and their qubits.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numba import njit, prange

from cayley_adapters.circuits import block_slots

__all__ = ["STARTS", "TOLERANCE", "random_starts", "solve"]

TOLERANCE = 1e-10
"""Largest deviation of an entry of the circuit's matrix from the block."""

STARTS, STEPS, PATIENCE = 400, 300, 15
"""Random starts for a block, steps from each, and steps in which the squared distance must halve."""


@cache
def random_starts() -> np.ndarray:
    """Return the random angles, (STARTS, 31), that the solver starts from."""
    return np.random.default_rng(0).uniform(-math.pi, math.pi, (STARTS, block_slots(3)))


@njit(cache=True)
def _sweep(angles, slots, qubits, u, skew):
    """Multiply out the gates into u (8, 8), and write S_j of every angle into the columns of skew (28, 31)."""
    u[:] = 0.0
    for a in range(8):
        u[a, a] = 1.0
    for gate in range(slots.size):
        slot, bit = slots[gate], 1 << qubits[gate]
        if slot < 0:
            for r in range(8):
                if r & bit and r & (2 * bit):
                    for a in range(8):
                        u[r, a] = -u[r, a]
            continue
        c, s = math.cos(0.5 * angles[slot]), math.sin(0.5 * angles[slot])
        skew[slot] = 0.0
        for r in range(8):
            if r & bit:
                continue
            zero, one = u[r], u[r | bit]
            for a in range(8):
                old = zero[a]
                zero[a] = c * old - s * one[a]
                one[a] = s * old + c * one[a]
            entry = 0
            for a in range(7):
                for b in range(a + 1, 8):
                    skew[slot, entry] += 0.5 * (one[a] * zero[b] - zero[a] * one[b])
                    entry += 1


@njit(cache=True)
def _cholesky_solve(matrix, y):
    """Solve matrix y' = y in place for a positive definite matrix, of which the lower triangle is used."""
    size = y.size
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(size):
        for k in range(i):
            y[i] -= matrix[i, k] * y[k]
        y[i] /= matrix[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            y[i] -= matrix[k, i] * y[k]
        y[i] /= matrix[i, i]


@njit(cache=True)
def _distance(u, q):
    """Return the squared Frobenius distance of two matrices (8, 8)."""
    total = 0.0
    for r in range(8):
        for a in range(8):
            total += (u[r, a] - q[r, a]) ** 2
    return total


@njit(cache=True)
def _step(u, q, skew, damping, matrix, y, angles, trial):
    """Write trial = angles + the damped step towards q."""
    matrix[:] = 0.0
    for slot in range(skew.shape[0]):
        row = skew[slot]
        for a in range(row.size):
            for b in range(a + 1):
                matrix[a, b] += row[a] * row[b]
    entry = 0
    for a in range(8):
        for b in range(a + 1, 8):
            total = 0.0
            for r in range(8):
                total += u[r, a] * q[r, b] - u[r, b] * q[r, a]
            y[entry] = 0.5 * total
            matrix[entry, entry] += damping
            entry += 1
    _cholesky_solve(matrix, y)
    for slot in range(skew.shape[0]):
        total = angles[slot]
        for a in range(y.size):
            total += skew[slot, a] * y[a]
        trial[slot] = total


@njit(cache=True)
def _descend(q, slots, qubits, angles):
    """Improve the angles (31) of one block q (8, 8) in place; return the squared distance and the steps taken."""
    u, skew = np.empty((8, 8)), np.empty((angles.size, 28))
    new_u, new_skew = np.empty((8, 8)), np.empty((angles.size, 28))
    matrix, y, trial = np.empty((28, 28)), np.empty(28), np.empty(angles.size)
    _sweep(angles, slots, qubits, u, skew)
    distance = _distance(u, q)
    damping, mark = 1.0, distance
    for step in range(1, STEPS + 1):
        _step(u, q, skew, damping, matrix, y, angles, trial)
        _sweep(trial, slots, qubits, new_u, new_skew)
        new = _distance(new_u, q)
        if new < distance:
            u, new_u, skew, new_skew, distance = new_u, u, new_skew, skew, new
            angles[:] = trial
            damping *= 0.2
        else:
            damping *= 4.0
        if distance < 1e-26 or damping > 1e6:
            break
        if step % PATIENCE == 0:
            if distance > 0.5 * mark:
                break
            mark = distance
    return distance, step


@njit(cache=True, parallel=True)
def solve(paths, starts, slots, qubits, angles, used):
    """Solve the ends of paths of blocks.

    Args:
        paths: (B, M, 8, 8) blocks, of which each leads to the next; the last is to be solved.
        starts: (R, 31) angles to start from.
        slots: Slots of the gates, -1 for a CZ.
        qubits: Their qubits.
        angles: (B, 31), written; the rows of unsolved blocks are left as they come.
        used: (B, 2), written: starts and steps taken.
    """
    for block in prange(paths.shape[0]):
        for start in range(starts.shape[0]):
            angles[block] = starts[start]
            used[block, 0] += 1
            square = 0.0
            for m in range(paths.shape[1]):
                square, steps = _descend(paths[block, m], slots, qubits, angles[block])
                used[block, 1] += steps
                if square > 1e-4:
                    break
            if square < TOLERANCE**2:
                break
