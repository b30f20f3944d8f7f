"""Levenberg-Marquardt on SO(d), compiled: the angles of many blocks at a time.

:mod:`cayley_adapters.synthesis` explains the method. A circuit is given by the slots of its gates (-1 for a CZ on a
qubit and the next) and their qubits.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from cayley_adapters.kernels.compiled import compiled

__all__ = ["STARTS", "TOLERANCE", "solve"]

TOLERANCE = 1e-10
"""Largest deviation of an entry of the circuit's matrix from the block."""

STARTS = 400
"""Random starts for a block."""

STEPS, PATIENCE = 600, 15
"""Steps from each start, and steps in which the squared distance must halve."""


@compiled()
def _sweep(angles, slots, qubits, u, skew):
    """Multiply out the gates into u (d, d), and write S_j of every angle into the rows of skew (m, d(d - 1)/2)."""
    d = u.shape[0]
    u[:] = 0.0
    for a in range(d):
        u[a, a] = 1.0
    for gate in range(slots.size):
        slot, bit = slots[gate], 1 << qubits[gate]
        if slot < 0:
            for r in range(d):
                if r & bit and r & (2 * bit):
                    for a in range(d):
                        u[r, a] = -u[r, a]
            continue
        c, s = math.cos(0.5 * angles[slot]), math.sin(0.5 * angles[slot])
        skew[slot] = 0.0
        for r in range(d):
            if r & bit:
                continue
            zero, one = u[r], u[r | bit]
            for a in range(d):
                old = zero[a]
                zero[a] = c * old - s * one[a]
                one[a] = s * old + c * one[a]
            entry = 0
            for a in range(d - 1):
                for b in range(a + 1, d):
                    skew[slot, entry + b - a - 1] += 0.5 * (one[a] * zero[b] - zero[a] * one[b])
                entry += d - 1 - a


@compiled()
def _cholesky_solve(matrix, y):
    """Solve matrix y' = y in place for a positive definite matrix, of which the upper triangle is used."""
    size = y.size
    for k in range(size):
        scale = 1.0 / math.sqrt(matrix[k, k])
        for j in range(k, size):
            matrix[k, j] *= scale
        for i in range(k + 1, size):
            factor = matrix[k, i]
            for j in range(i, size):
                matrix[i, j] -= factor * matrix[k, j]
    for i in range(size):
        y[i] /= matrix[i, i]
        for j in range(i + 1, size):
            y[j] -= y[i] * matrix[i, j]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            y[i] -= matrix[i, j] * y[j]
        y[i] /= matrix[i, i]


@compiled()
def _distance(u, q):
    """Return the squared Frobenius distance of two matrices."""
    total = 0.0
    for r in range(u.shape[0]):
        for a in range(u.shape[0]):
            total += (u[r, a] - q[r, a]) ** 2
    return total


@compiled()
def _step(u, q, skew, damping, matrix, y, angles, trial):
    """Write trial = angles + the damped step towards q."""
    d = u.shape[0]
    matrix[:] = 0.0
    for slot in range(skew.shape[0]):
        row = skew[slot]
        for a in range(row.size):
            if row[a] != 0.0:
                for b in range(a, row.size):
                    matrix[a, b] += row[a] * row[b]
    entry = 0
    for a in range(d):
        for b in range(a + 1, d):
            total = 0.0
            for r in range(d):
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


@compiled()
def _descend(q, slots, qubits, angles, stop, patience):
    """Improve the angles (m) of one block q (d, d) in place; return the squared distance and the steps taken.

    It stops at a squared distance of ``stop``, or when ``patience`` steps did not halve it.
    """
    d, size = q.shape[0], q.shape[0] * (q.shape[0] - 1) // 2
    u, skew = np.empty((d, d)), np.empty((angles.size, size))
    new_u, new_skew = np.empty((d, d)), np.empty((angles.size, size))
    matrix, y, trial = np.empty((size, size)), np.empty(size), np.empty(angles.size)
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
        if distance < stop or damping > 1e6:
            break
        if step % patience == 0:
            if distance > 0.5 * mark:
                break
            mark = distance
    return distance, step


@compiled(parallel=True)
def solve(paths, starts, slots, qubits, angles, used):
    """Solve the ends of paths of blocks.

    Args:
        paths: (B, M, d, d) blocks, of which each leads to the next; the last is to be solved.
        starts: (R, m) angles to start from.
        slots: Slots of the gates, -1 for a CZ.
        qubits: Their qubits.
        angles: (B, m), written; the rows of unsolved blocks are left as they come.
        used: (B, 2), written: starts and steps taken.
    """
    d = paths.shape[2]
    patience, stop = (PATIENCE if d <= 8 else 3 * PATIENCE), 4e-28 * d * d
    for block in prange(paths.shape[0]):
        for start in range(starts.shape[0]):
            angles[block] = starts[start]
            used[block, 0] += 1
            square = 0.0
            for m in range(paths.shape[1]):
                square, steps = _descend(paths[block, m], slots, qubits, angles[block], stop, patience)
                used[block, 1] += steps
                if square > 1e-4:
                    break
            if square < TOLERANCE**2:
                break
