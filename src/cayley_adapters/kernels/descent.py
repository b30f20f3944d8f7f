"""Levenberg-Marquardt on SO(d), compiled: the angles of many blocks at a time.

:mod:`cayley_adapters.circuits.synthesis` explains the method. A circuit is given by the slots of its gates (-1 for a CZ
on a qubit and the next) and their qubits.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from cayley_adapters.kernels.compiled import compiled

__all__ = ["STARTS", "TOLERANCE", "approximate", "solve"]

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
    products = np.empty((d, d))  # S_j with what is below the diagonal: whole rows vectorise
    for gate in range(slots.size):
        slot, bit = slots[gate], 1 << qubits[gate]
        if slot < 0:
            for r in range(d):
                if r & bit and r & (2 * bit):
                    for a in range(d):
                        u[r, a] = -u[r, a]
            continue
        c, s = math.cos(0.5 * angles[slot]), math.sin(0.5 * angles[slot])
        products[:] = 0.0
        for r in range(d):
            if r & bit:
                continue
            zero, one = u[r], u[r | bit]
            for a in range(d):
                old = zero[a]
                zero[a] = c * old - s * one[a]
                one[a] = s * old + c * one[a]
            for a in range(d - 1):
                one_a, zero_a, row = one[a], zero[a], products[a]
                for b in range(d):
                    row[b] += 0.5 * (one_a * zero[b] - zero_a * one[b])
        entry = 0
        for a in range(d - 1):
            for b in range(a + 1, d):
                skew[slot, entry] = products[a, b]
                entry += 1


@compiled()
def _gram(skew, matrix):
    """Write the upper triangle of skew^T skew; four rows at a time, so that the sums stay in the nearest cache."""
    slots, size = skew.shape
    sums, whole = np.empty((4, size)), size // 4 * 4
    for first in range(0, whole, 4):
        width = size - first
        sums[:] = 0.0
        for slot in range(0, slots - 1, 2):
            x, y = skew[slot, first:], skew[slot + 1, first:]
            x0, x1, x2, x3, y0, y1, y2, y3 = x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]
            for b in range(width):
                sums[0, b] = sums[0, b] + x0 * x[b] + y0 * y[b]
                sums[1, b] = sums[1, b] + x1 * x[b] + y1 * y[b]
                sums[2, b] = sums[2, b] + x2 * x[b] + y2 * y[b]
                sums[3, b] = sums[3, b] + x3 * x[b] + y3 * y[b]
        for a in range(4):
            row = matrix[first + a, first:]
            if slots % 2:
                x = skew[slots - 1, first:]
                for b in range(width):
                    sums[a, b] += x[a] * x[b]
            for b in range(width):
                row[b] = sums[a, b]
    for a in range(whole, size):
        for b in range(a, size):
            total = 0.0
            for slot in range(slots):
                total += skew[slot, a] * skew[slot, b]
            matrix[a, b] = total


@compiled()
def _cholesky_solve(matrix, y):
    """Solve matrix y' = y in place for a positive definite matrix, of which the upper triangle is used."""
    size = y.size
    for first in range(0, size, 4):  # four rows at a time are taken off those below
        last = min(first + 4, size)
        for k in range(first, last):
            row = matrix[k, k:]
            for i in range(first, k):
                factor, above = matrix[i, k], matrix[i, k:]
                for j in range(row.size):
                    row[j] -= factor * above[j]
            scale = 1.0 / math.sqrt(row[0])
            for j in range(row.size):
                row[j] *= scale
        for i in range(last, size):
            row, factors = matrix[i, i:], matrix[first:last, i]
            f0, f1, f2, f3 = factors[0], factors[1], factors[2], factors[3]
            r0, r1, r2, r3 = matrix[first, i:], matrix[first + 1, i:], matrix[first + 2, i:], matrix[first + 3, i:]
            for j in range(row.size):
                row[j] = row[j] - f0 * r0[j] - f1 * r1[j] - f2 * r2[j] - f3 * r3[j]
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
    _gram(skew, matrix)
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
def _descend(q, slots, qubits, angles, stop, patience, shrink):
    """Improve the angles (m) of one block q (d, d) in place; return the squared distance and the steps taken.

    It stops at a squared distance of ``stop``, or when ``patience`` steps did not shrink it by the factor ``shrink``.
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
            damping = max(0.2 * damping, 1e-12)
        else:
            damping *= 4.0
        if distance < stop or damping > 1e6:
            break
        if step % patience == 0:
            if distance > shrink * mark:
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
                square, steps = _descend(paths[block, m], slots, qubits, angles[block], stop, patience, 0.5)
                used[block, 1] += steps
                if square > 1e-4:
                    break
            if square < TOLERANCE**2:
                break


@compiled(parallel=True)
def approximate(blocks, starts, slots, qubits, costs, angles, lengths):
    """Find, for each block, the number of CZ gates at which approximation and gate errors together cost least.

    The cost of a circuit is that of its gates plus 4 |U - q|^2 with the Frobenius distance of its matrix U from the
    block q. Lengths are tried upwards from 0, each from the best angles of the length before (with two zeros more) and
    from random ones, until the gates alone cost more than the best circuit.

    Args:
        blocks: (B, d, d).
        starts: (R, m) random angles.
        slots: Slots of the longest circuit's gates, -1 for a CZ.
        qubits: Their qubits.
        costs: (L + 1,) what the gate errors of circuits of 0 to L CZ gates cost, ascending.
        angles: (B, m), written; 0 beyond the chosen length.
        lengths: (B,), written.
    """
    n = angles.shape[1] - 2 * (costs.size - 1)
    for block in prange(blocks.shape[0]):
        best, before = np.inf, np.zeros(angles.shape[1])
        for length in range(costs.size):
            if costs[length] >= best:
                break
            count, gates = n + 2 * length, n + 3 * length
            nearest = np.inf
            chosen = np.zeros(angles.shape[1])
            for start in range(-1, starts.shape[0]):
                trial = before[:count].copy() if start < 0 else starts[start, :count].copy()
                square, _ = _descend(blocks[block], slots[:gates], qubits[:gates], trial, 1e-14, 12, 0.9)
                if square < nearest:
                    nearest = square
                    chosen[:count] = trial
            before[:] = chosen
            cost = costs[length] + 4.0 * nearest
            if cost < best:
                best = cost
                angles[block] = chosen
                lengths[block] = length
