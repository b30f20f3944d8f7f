"""The compiled Pauli-vector interpreter; :mod:`cayley_adapters.simulation.compiled` explains its programs."""

from __future__ import annotations

import numpy as np

from cayley_adapters.kernels.compiled import compiled

__all__ = ["CZ", "OVER_X", "OVER_ZZ", "RELAX", "RELAX_T", "RZ", "SX", "SX_T", "TILE", "run"]

SX, SX_T, RELAX, RELAX_T, RZ, CZ, OVER_X, OVER_ZZ = range(8)
"""Operations of a program; ``_T`` marks the transposed ones, used in the Heisenberg picture. ``OVER_`` are rotations by
a fixed angle, of which one is transposed by turning the sign of its sine."""

TILE = 128
"""Circuits that one pass of the interpreter treats together, one a column, so that loops over them vectorise."""


@compiled()
def _sx(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        old = v[y, t]
        v[x, t] *= a
        v[y, t] = -a * v[z, t]
        v[z, t] = b * old + c * v[i, t]


@compiled()
def _sx_t(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        old = v[z, t]
        v[i, t] += c * old
        v[x, t] *= a
        v[z, t] = -a * v[y, t]
        v[y, t] = b * old


@compiled()
def _relax(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        v[x, t] *= a
        v[y, t] *= a
        v[z, t] = b * v[z, t] + c * v[i, t]


@compiled()
def _relax_t(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        v[i, t] += c * v[z, t]
        v[x, t] *= a
        v[y, t] *= a
        v[z, t] *= b


@compiled()
def _rz(v, x, y, cos, sin, r, width):
    for t in range(width):
        old = v[x, t]
        v[x, t] = cos[r, t] * old - sin[r, t] * v[y, t]
        v[y, t] = sin[r, t] * old + cos[r, t] * v[y, t]


@compiled()
def _sx_rz_sx(v, i, x, y, z, a, b, c, cos, sin, r, width):
    """SX, RZ and SX again, as if one after the other: most of the time would go into storing what is between them."""
    for t in range(width):
        one, after_x, after_y, after_z = v[i, t], v[x, t] * a, -a * v[z, t], b * v[y, t] + c * v[i, t]
        v[x, t] = (cos[r, t] * after_x - sin[r, t] * after_y) * a
        v[y, t] = -a * after_z
        v[z, t] = b * (sin[r, t] * after_x + cos[r, t] * after_y) + c * one


@compiled()
def _swap(v, i, j, factor, width):
    for t in range(width):
        old = v[i, t]
        v[i, t] = factor * v[j, t]
        v[j, t] = factor * old


@compiled()
def _scale(v, i, factor, width):
    for t in range(width):
        v[i, t] *= factor


@compiled()
def _rotate(v, x, y, cos, sin, width):
    for t in range(width):
        old = v[x, t]
        v[x, t] = cos * old - sin * v[y, t]
        v[y, t] = sin * old + cos * v[y, t]


@compiled()
def _over_zz(v, i, a, b, cos, sin, width):
    """Rotate about ZZ the 16 Pauli rows from i on, a and b apart: XI with YZ, XZ with YI, and with qubits exchanged."""
    _rotate(v, i + a, i + 2 * a + 3 * b, cos, sin, width)
    _rotate(v, i + a + 3 * b, i + 2 * a, cos, sin, width)
    _rotate(v, i + b, i + 2 * b + 3 * a, cos, sin, width)
    _rotate(v, i + b + 3 * a, i + 2 * b, cos, sin, width)


@compiled()
def _cz(v, i, a, b, f, width):
    """Conjugate with CZ the 16 Pauli rows from i on, a and b apart, and shrink all but the identity by f."""
    _swap(v, i + a, i + a + 3 * b, f, width)
    _swap(v, i + 2 * a, i + 2 * a + 3 * b, f, width)
    _swap(v, i + b, i + b + 3 * a, f, width)
    _swap(v, i + 2 * b, i + 2 * b + 3 * a, f, width)
    _swap(v, i + a + b, i + 2 * a + 2 * b, f, width)
    _swap(v, i + a + 2 * b, i + 2 * a + b, -f, width)
    _scale(v, i + 3 * a, f, width)
    _scale(v, i + 3 * b, f, width)
    _scale(v, i + 3 * a + 3 * b, f, width)


@compiled()
def _turns(ops, figures, m):
    """Say whether the SX at m is followed by an RZ and an equal SX, both on its qubit."""
    if m + 2 >= ops.shape[0] or ops[m + 1, 0] != RZ or ops[m + 2, 0] != SX:
        return False
    same = ops[m + 1, 1] == ops[m, 1] and ops[m + 2, 1] == ops[m, 1]
    return same and np.array_equal(figures[m], figures[m + 2])


@compiled()
def run(ops, figures, cos, sin, state, width):
    """Run a program on a tile of Pauli vectors in place.

    Args:
        ops: (m, 3) integers: operation, qubit, and the second qubit (CZ, OVER_ZZ) or the angle's row (RZ).
        figures: (m, 3): relaxation figures a, b, c (SX, RELAX), the shrinking factor (CZ), or cosine and sine (OVER).
        cos: (angles, TILE) cosines of the RZ angles.
        sin: (angles, TILE) sines of the RZ angles.
        state: (4^n, TILE) Pauli vectors; row sum_q P_q 4^q belongs to the Pauli string with P_q = 0, 1, 2, 3 for
            I, X, Y, Z on qubit q.
        width: Number of columns in use.
    """
    m = 0
    while m < ops.shape[0]:
        code, q, r = ops[m, 0], ops[m, 1], ops[m, 2]
        a, b, c = figures[m, 0], figures[m, 1], figures[m, 2]
        turn = code == SX and _turns(ops, figures, m)
        if turn:
            r = ops[m + 1, 2]
        m += 3 if turn else 1
        s = 1 << (2 * q)
        for i in range(state.shape[0]):
            x, y, z = i + s, i + 2 * s, i + 3 * s
            if (i >> (2 * q)) & 3:
                continue
            if turn:
                _sx_rz_sx(state, i, x, y, z, a, b, c, cos, sin, r, width)
            elif code == SX:
                _sx(state, i, x, y, z, a, b, c, width)
            elif code == RZ:
                _rz(state, x, y, cos, sin, r, width)
            elif code == RELAX:
                _relax(state, i, x, y, z, a, b, c, width)
            elif code == SX_T:
                _sx_t(state, i, x, y, z, a, b, c, width)
            elif code == RELAX_T:
                _relax_t(state, i, x, y, z, a, b, c, width)
            elif code == OVER_X:
                _rotate(state, y, z, a, b, width)
            elif (i >> (2 * r)) & 3 == 0:
                if code == CZ:
                    _cz(state, i, s, 1 << (2 * r), a, width)
                else:
                    _over_zz(state, i, s, 1 << (2 * r), a, b, width)
