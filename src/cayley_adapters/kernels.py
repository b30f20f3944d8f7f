"""Compiled loops of the simulator: preparation angles, the Pauli-vector interpreter, and the two that join them.

Everything works on tiles of TILE independent circuits (tokens, or blocks times effects), one in each column, so that
the compiler vectorises the loops over the columns. The preparation's tiles are flat (row r, column t is element
r * TILE + t) because only with rows a constant distance apart does it vectorise loops over many rows.
:mod:`cayley_adapters.preparation` explains the preparation angles, :mod:`cayley_adapters.simulator` the programs.

All of this stands in one module because numba's cache notices changes in the module of a cached function, but not in
the modules of the functions that it calls.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

__all__ = ["CZ", "RELAX", "RELAX_T", "RZ", "SX", "SX_T", "TILE", "back_propagate", "prepare", "probabilities", "run"]

SX, SX_T, RELAX, RELAX_T, RZ, CZ = range(6)
"""Operations of a program; ``_T`` marks the transposed ones, used in the Heisenberg picture."""

TILE = 128
"""Circuits that one pass of the interpreter treats together."""

TINY = 1e-14
"""Amplitudes below this share of the norm count as zero where a phase or a direction is to be read off them."""


@njit(cache=True, error_model="numpy", inline="always")
def _unit(re, im):
    """Return (re, im) divided by its length, and (1, 0) if it is too short to have a direction."""
    length = math.sqrt(re * re + im * im)
    small = length < TINY
    scale = 1.0 / (1.0 if small else length)
    return (1.0 if small else re * scale), (0.0 if small else im * scale)


@njit(cache=True, error_model="numpy")
def _normalise(v, d, width, norm):
    """Divide the slices by their norms in place; a zero slice becomes e_0."""
    for t in range(width):
        norm[t] = 0.0
    for k in range(d):
        for t in range(width):
            norm[t] = max(norm[t], abs(v[k * TILE + t]))
    for t in range(width):
        v[t] = 1.0 if norm[t] == 0.0 else v[t]
        norm[t] = 1.0 if norm[t] == 0.0 else norm[t]
    for k in range(d):
        for t in range(width):
            v[k * TILE + t] /= norm[t]
    for t in range(width):
        norm[t] = 0.0
    for k in range(d):
        for t in range(width):
            norm[t] += v[k * TILE + t] * v[k * TILE + t]
    for t in range(width):
        norm[t] = 1.0 / math.sqrt(norm[t])
    for k in range(d):
        for t in range(width):
            v[k * TILE + t] *= norm[t]


@njit(cache=True, error_model="numpy")
def _prepare2(v, width, cos, sin):
    """Write the angles gamma, alpha, beta - pi/2 of two-qubit slices."""
    for t in range(width):
        x0, x1, x2, x3 = v[t], v[TILE + t], v[2 * TILE + t], v[3 * TILE + t]
        s1r, s1i, s2r, s2i = x0 + x3, x2 - x1, x0 - x3, x1 + x2
        n1, n2 = s1r * s1r + s1i * s1i, s2r * s2r + s2i * s2i
        z1r, z1i = _unit(s1r, s1i)
        z2r, z2i = _unit(s2r, s2i)
        cos[t], sin[t] = math.sqrt(n1 * n2), 0.5 * (n2 - n1)
        cos[TILE + t], sin[TILE + t] = z2r * z1r + z2i * z1i, z2i * z1r - z2r * z1i
        cos[2 * TILE + t], sin[2 * TILE + t] = z1r * z2i + z1i * z2r, z1i * z2i - z1r * z2r


@njit(cache=True, error_model="numpy", inline="always")
def _rotate(w, a, b, c, x, y, z):
    """Return h u conj(h) for the unit quaternion h = w + ai + bj + ck and the pure one u = xi + yj + zk."""
    p, q, r = 2.0 * (b * z - c * y), 2.0 * (c * x - a * z), 2.0 * (a * y - b * x)
    return x + w * p + b * r - c * q, y + w * q + c * p - a * r, z + w * r + a * q - b * p


@njit(cache=True, error_model="numpy")
def _prepare3(v, width, cos, sin):
    """Write the angles gamma, a0 - pi/2, a1, b1, alpha, a2, b2 of three-qubit slices."""
    for t in range(width):
        x0, x1, x2, x3, x4, x5, x6, x7 = (
            v[t],
            v[TILE + t],
            v[2 * TILE + t],
            v[3 * TILE + t],
            v[4 * TILE + t],
            v[5 * TILE + t],
            v[6 * TILE + t],
            v[7 * TILE + t],
        )
        # Schmidt form across qubit 0: half the angle alpha without cancellation, then the rows w and y.
        difference = x0 * x0 + x2 * x2 + x4 * x4 + x6 * x6 - x1 * x1 - x3 * x3 - x5 * x5 - x7 * x7
        ca, sa = _unit(difference, 2.0 * (x0 * x1 + x2 * x3 + x4 * x5 + x6 * x7))
        large = math.sqrt(0.5 + 0.5 * abs(ca))
        small = 0.5 * abs(sa) / large
        ch = large if ca >= 0.0 else small
        sh = math.copysign(small if ca >= 0.0 else large, sa)
        w0, w1, w2, w3 = ch * x0 + sh * x1, ch * x2 + sh * x3, ch * x4 + sh * x5, ch * x6 + sh * x7
        y0, y1, y2, y3 = ch * x1 - sh * x0, ch * x3 - sh * x2, ch * x5 - sh * x4, ch * x7 - sh * x6
        ww, yy = w0 * w0 + w1 * w1 + w2 * w2 + w3 * w3, y0 * y0 + y1 * y1 + y2 * y2 + y3 * y3
        cos[t], sin[t] = ww - yy, -2.0 * math.sqrt(ww * yy)
        cos[4 * TILE + t], sin[4 * TILE + t] = ca, sa
        # chi_0 as the unit quaternion h, s chi_1 as the quaternion g, and N = -conj(h) g / |.|.
        scale = 1.0 / math.sqrt(2.0 * ww)
        hw, ha, hb, hc = (w0 + w3) * scale, (w2 - w1) * scale, (w0 - w3) * scale, (w1 + w2) * scale
        gw, ga, gb, gc = y0 + y3, y2 - y1, y0 - y3, y1 + y2
        ni = gw * ha - hw * ga + hb * gc - hc * gb
        nj = gw * hb - hw * gb + hc * ga - ha * gc
        nk = gw * hc - hw * gc + ha * gb - hb * ga
        length = math.sqrt(ni * ni + nj * nj + nk * nk)
        product = length < TINY
        scale = 1.0 / (1.0 if product else length)
        ni = 1.0 if product else ni * scale
        nj = 0.0 if product else nj * scale
        nk = 0.0 if product else nk * scale
        # a2 and b1 from N, then the columns of the rotation matrix of p.
        sb1 = math.sqrt(nj * nj + nk * nk)
        ca2, sa2 = _unit(-nj, -nk)
        ii, ji, ki = _rotate(hw, ha, hb, hc, 0.0, -sa2, ca2)
        ij, _, _ = _rotate(hw, ha, hb, hc, ni, nj, nk)
        ik, jk, kk = _rotate(hw, ha, hb, hc, sb1, ni * ca2, ni * sa2)
        cp, sp = _unit(ii, ik)
        cos[TILE + t], sin[TILE + t] = -sp, -cp
        cos[2 * TILE + t], sin[2 * TILE + t] = math.sqrt(ii * ii + ik * ik), -ij
        cos[3 * TILE + t], sin[3 * TILE + t] = ni, sb1
        cos[5 * TILE + t], sin[5 * TILE + t] = ca2, sa2
        cos[6 * TILE + t], sin[6 * TILE + t] = cp * kk - sp * ki, sp * ji - cp * jk


@njit(cache=True, error_model="numpy")
def prepare(v, d, width, norm, cos, sin):
    """Normalise a tile of slices in place and write cosines and sines of their RY angles.

    Args:
        v: (d * TILE) slices, row k the elements k.
        d: Dimension of the slices.
        width: Number of columns in use.
        norm: (TILE) scratch.
        cos: (angles * TILE), written.
        sin: (angles * TILE), written.
    """
    _normalise(v, d, width, norm)
    if d == 2:
        for t in range(width):
            a, b = v[t], v[TILE + t]
            cos[t], sin[t] = a * a - b * b, 2.0 * a * b
    elif d == 4:
        _prepare2(v, width, cos, sin)
    else:
        _prepare3(v, width, cos, sin)


@njit(cache=True)
def _sx(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        old = v[y, t]
        v[x, t] *= a
        v[y, t] = -a * v[z, t]
        v[z, t] = b * old + c * v[i, t]


@njit(cache=True)
def _sx_t(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        old = v[z, t]
        v[i, t] += c * old
        v[x, t] *= a
        v[z, t] = -a * v[y, t]
        v[y, t] = b * old


@njit(cache=True)
def _relax(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        v[x, t] *= a
        v[y, t] *= a
        v[z, t] = b * v[z, t] + c * v[i, t]


@njit(cache=True)
def _relax_t(v, i, x, y, z, a, b, c, width):
    for t in range(width):
        v[i, t] += c * v[z, t]
        v[x, t] *= a
        v[y, t] *= a
        v[z, t] *= b


@njit(cache=True)
def _rz(v, x, y, cos, sin, r, width):
    for t in range(width):
        old = v[x, t]
        v[x, t] = cos[r, t] * old - sin[r, t] * v[y, t]
        v[y, t] = sin[r, t] * old + cos[r, t] * v[y, t]


@njit(cache=True)
def _swap(v, i, j, factor, width):
    for t in range(width):
        old = v[i, t]
        v[i, t] = factor * v[j, t]
        v[j, t] = factor * old


@njit(cache=True)
def _scale(v, i, factor, width):
    for t in range(width):
        v[i, t] *= factor


@njit(cache=True)
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


@njit(cache=True)
def run(ops, figures, cos, sin, state, width):
    """Run a program on a tile of Pauli vectors in place.

    Args:
        ops: (m, 3) integers: operation, qubit, and the second qubit (CZ) or the angle's row (RZ).
        figures: (m, 3): relaxation figures a, b, c (SX, RELAX) or the shrinking factor (CZ).
        cos: (angles, TILE) cosines of the RZ angles.
        sin: (angles, TILE) sines of the RZ angles.
        state: (4^n, TILE) Pauli vectors; row sum_q P_q 4^q belongs to the Pauli string with P_q = 0, 1, 2, 3 for
            I, X, Y, Z on qubit q.
        width: Number of columns in use.
    """
    for m in range(ops.shape[0]):
        code, q, r = ops[m, 0], ops[m, 1], ops[m, 2]
        a, b, c = figures[m, 0], figures[m, 1], figures[m, 2]
        s = 1 << (2 * q)
        for i in range(state.shape[0]):
            x, y, z = i + s, i + 2 * s, i + 3 * s
            if (i >> (2 * q)) & 3:
                continue
            if code == SX:
                _sx(state, i, x, y, z, a, b, c, width)
            elif code == RZ:
                _rz(state, x, y, cos, sin, r, width)
            elif code == RELAX:
                _relax(state, i, x, y, z, a, b, c, width)
            elif code == SX_T:
                _sx_t(state, i, x, y, z, a, b, c, width)
            elif code == RELAX_T:
                _relax_t(state, i, x, y, z, a, b, c, width)
            elif (i >> (2 * r)) & 3 == 0:
                _cz(state, i, s, 1 << (2 * r), a, width)


@njit(cache=True, parallel=True)
def back_propagate(ops, figures, cos, sin, readout, effects):
    """Carry readout effects backwards through many blocks (Heisenberg picture).

    Args:
        ops: Adjoint program of the block's part of the circuit.
        figures: Its figures.
        cos: (blocks, angles) cosines of the adjoint program's RZ angles.
        sin: (blocks, angles) sines.
        readout: (d, 4^n) effects at the measurement.
        effects: (blocks, d, 4^n), written.
    """
    blocks, d, size = effects.shape
    group = TILE // d
    for g in prange((blocks + group - 1) // group):
        count = min(group, blocks - g * group)
        state = np.empty((size, TILE))
        lane_cos, lane_sin = np.empty((cos.shape[1], TILE)), np.empty((cos.shape[1], TILE))
        for lane in range(count * d):
            block = g * group + lane // d
            state[:, lane] = readout[lane % d]
            lane_cos[:, lane] = cos[block]
            lane_sin[:, lane] = sin[block]
        run(ops, figures, lane_cos, lane_sin, state, count * d)
        for lane in range(count * d):
            effects[g * group + lane // d, lane % d] = state[:, lane]


@njit(cache=True)
def _contract(effects, b, state, out, width):
    """Write out (d, TILE) = effects[b] (d, 4^n) @ state (4^n, TILE), four rows of the state at a time."""
    for k in range(effects.shape[1]):
        for t in range(width):
            out[k, t] = 0
        for i in range(0, effects.shape[2], 4):
            e0, e1, e2, e3 = effects[b, k, i], effects[b, k, i + 1], effects[b, k, i + 2], effects[b, k, i + 3]
            for t in range(width):
                low, high = e0 * state[i, t] + e1 * state[i + 1, t], e2 * state[i + 2, t] + e3 * state[i + 3, t]
                out[k, t] += low + high


@njit(cache=True, parallel=True)
def probabilities(x, blocks, effects, ops, figures, initial, sign, out):
    """Prepare slices with noise and contract them with their blocks' effects.

    Args:
        x: (T, B, d) slices.
        blocks: Indices of the blocks to treat.
        effects: (B, d, 4^n) effects, in the state's precision, as are figures, initial and sign.
        ops: Program of the preparation after its constant beginning.
        figures: Its figures.
        initial: (4^n,) Pauli vector after that beginning.
        sign: (2, angles) factors that turn cosines and sines of RY angles into those of the program's RZ angles.
        out: (T, B, d) probabilities, written for the given blocks.
    """
    tokens, _, d = x.shape
    slots = sign.shape[1]
    group = 16
    groups = (blocks.size + group - 1) // group
    for item in prange(groups * ((tokens + TILE - 1) // TILE)):
        start = item // groups * TILE
        first = item % groups * group
        width = min(TILE, tokens - start)
        v, norm = np.empty(d * TILE), np.empty(TILE)
        cos, sin = np.empty(slots * TILE), np.empty(slots * TILE)
        turn_cos = np.empty((slots, TILE), dtype=initial.dtype)
        turn_sin = np.empty((slots, TILE), dtype=initial.dtype)
        state = np.empty((initial.size, TILE), dtype=initial.dtype)
        result = np.empty((d, TILE), dtype=initial.dtype)
        for b in blocks[first : first + group]:
            for t in range(width):
                for k in range(d):
                    v[k * TILE + t] = x[start + t, b, k]
            prepare(v, d, width, norm, cos, sin)
            for a in range(slots):
                for t in range(width):
                    turn_cos[a, t] = sign[0, a] * initial.dtype.type(cos[a * TILE + t])
                    turn_sin[a, t] = sign[1, a] * initial.dtype.type(sin[a * TILE + t])
            for i in range(initial.size):
                for t in range(width):
                    state[i, t] = initial[i]
            run(ops, figures, turn_cos, turn_sin, state, width)
            _contract(effects, b, state, result, width)
            for t in range(width):
                for k in range(d):
                    out[start + t, b, k] = result[k, t]
