"""Compiled loops of the simulator: preparation angles, the Pauli-vector interpreter, and the two that join them.

Everything works on tiles: arrays whose last, contiguous axis runs over independent circuits (tokens, or blocks times
effects), so that the compiler vectorises each loop over it. :mod:`cayley_adapters.preparation` explains the
preparation angles, :mod:`cayley_adapters.simulator` the programs.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

__all__ = ["CZ", "RELAX", "RELAX_T", "RZ", "SX", "SX_T", "TURN", "back_propagate", "prepare", "probabilities", "run"]

SX, SX_T, RELAX, RELAX_T, RZ, TURN, CZ = range(7)
"""Operations of a program; ``_T`` marks the transposed ones, used in the Heisenberg picture."""

TILE = 64
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
def _normalise(v, width):
    """Divide the slices v (d, tile) by their norms in place; a zero slice becomes e_0."""
    for t in range(width):
        top = 0.0
        for k in range(v.shape[0]):
            top = max(top, abs(v[k, t]))
        if top == 0.0:
            v[0, t] = 1.0
            top = 1.0
        square = 0.0
        for k in range(v.shape[0]):
            v[k, t] /= top
            square += v[k, t] * v[k, t]
        scale = 1.0 / math.sqrt(square)
        for k in range(v.shape[0]):
            v[k, t] *= scale


@njit(cache=True, error_model="numpy")
def _prepare2(v, width, cos, sin):
    """Write the angles gamma, alpha, beta - pi/2 of two-qubit slices."""
    for t in range(width):
        x0, x1, x2, x3 = v[0, t], v[1, t], v[2, t], v[3, t]
        s1r, s1i, s2r, s2i = x0 + x3, x2 - x1, x0 - x3, x1 + x2
        n1, n2 = s1r * s1r + s1i * s1i, s2r * s2r + s2i * s2i
        z1r, z1i = _unit(s1r, s1i)
        z2r, z2i = _unit(s2r, s2i)
        cos[0, t], sin[0, t] = math.sqrt(n1 * n2), 0.5 * (n2 - n1)
        cos[1, t], sin[1, t] = z2r * z1r + z2i * z1i, z2i * z1r - z2r * z1i
        cos[2, t], sin[2, t] = z1r * z2i + z1i * z2r, z1i * z2i - z1r * z2r


@njit(cache=True, error_model="numpy", inline="always")
def _rotate(w, a, b, c, x, y, z):
    """Return h u conj(h) for the unit quaternion h = w + ai + bj + ck and the pure one u = xi + yj + zk."""
    p, q, r = 2.0 * (b * z - c * y), 2.0 * (c * x - a * z), 2.0 * (a * y - b * x)
    return x + w * p + b * r - c * q, y + w * q + c * p - a * r, z + w * r + a * q - b * p


@njit(cache=True, error_model="numpy")
def _prepare3(v, width, cos, sin):
    """Write the angles gamma, a0 - pi/2, a1, b1, alpha, a2, b2 of three-qubit slices."""
    for t in range(width):
        x0, x1, x2, x3, x4, x5, x6, x7 = v[0, t], v[1, t], v[2, t], v[3, t], v[4, t], v[5, t], v[6, t], v[7, t]
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
        cos[0, t], sin[0, t] = ww - yy, -2.0 * math.sqrt(ww * yy)
        cos[4, t], sin[4, t] = ca, sa
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
        cos[1, t], sin[1, t] = -sp, -cp
        cos[2, t], sin[2, t] = math.sqrt(ii * ii + ik * ik), -ij
        cos[3, t], sin[3, t] = ni, sb1
        cos[5, t], sin[5, t] = ca2, sa2
        cos[6, t], sin[6, t] = cp * kk - sp * ki, sp * ji - cp * jk


@njit(cache=True, error_model="numpy")
def prepare(v, width, cos, sin):
    """Normalise the slices v (d, tile) in place and write cosines and sines (angles, tile) of their RY angles."""
    _normalise(v, width)
    if v.shape[0] == 2:
        for t in range(width):
            cos[0, t], sin[0, t] = v[0, t] * v[0, t] - v[1, t] * v[1, t], 2.0 * v[0, t] * v[1, t]
    elif v.shape[0] == 4:
        _prepare2(v, width, cos, sin)
    else:
        _prepare3(v, width, cos, sin)


@njit(cache=True)
def _sx(i, x, y, z, f, width):
    a, b, c = f[0], f[1], f[2]
    for t in range(width):
        old = y[t]
        x[t] *= a
        y[t] = -a * z[t]
        z[t] = b * old + c * i[t]


@njit(cache=True)
def _sx_t(i, x, y, z, f, width):
    a, b, c = f[0], f[1], f[2]
    for t in range(width):
        old = z[t]
        i[t] += c * old
        x[t] *= a
        z[t] = -a * y[t]
        y[t] = b * old


@njit(cache=True)
def _relax(i, x, y, z, f, width):
    a, b, c = f[0], f[1], f[2]
    for t in range(width):
        x[t] *= a
        y[t] *= a
        z[t] = b * z[t] + c * i[t]


@njit(cache=True)
def _relax_t(i, x, y, z, f, width):
    a, b, c = f[0], f[1], f[2]
    for t in range(width):
        i[t] += c * z[t]
        x[t] *= a
        y[t] *= a
        z[t] *= b


@njit(cache=True)
def _rz(x, y, cos, sin, width):
    for t in range(width):
        old = x[t]
        x[t] = cos[t] * old - sin[t] * y[t]
        y[t] = sin[t] * old + cos[t] * y[t]


@njit(cache=True)
def _turn(x, y, cos, sin, width):
    for t in range(width):
        old = x[t]
        x[t] = cos * old - sin * y[t]
        y[t] = sin * old + cos * y[t]


@njit(cache=True)
def _swap(u, v, factor, width):
    for t in range(width):
        old = u[t]
        u[t] = factor * v[t]
        v[t] = factor * old


@njit(cache=True)
def _cz(state, i, a, b, f, width):
    """Conjugate with CZ the 16 Pauli rows from i on, a and b apart, and shrink all but the identity by f."""
    _swap(state[i + a], state[i + a + 3 * b], f, width)
    _swap(state[i + 2 * a], state[i + 2 * a + 3 * b], f, width)
    _swap(state[i + b], state[i + b + 3 * a], f, width)
    _swap(state[i + 2 * b], state[i + 2 * b + 3 * a], f, width)
    _swap(state[i + a + b], state[i + 2 * a + 2 * b], f, width)
    _swap(state[i + a + 2 * b], state[i + 2 * a + b], -f, width)
    zi, iz, zz = state[i + 3 * a], state[i + 3 * b], state[i + 3 * a + 3 * b]
    for t in range(width):
        zi[t] *= f
        iz[t] *= f
        zz[t] *= f


@njit(cache=True)
def run(ops, figures, cos, sin, state, width):
    """Run a program on Pauli vectors in place.

    Args:
        ops: (m, 3) integers: operation, qubit, and the second qubit (CZ) or the angle's row (RZ).
        figures: (m, 3): relaxation figures a, b, c (SX, RELAX), shrinking factor (CZ), cosine and sine (TURN).
        cos: (angles, tile) cosines of the RZ angles.
        sin: (angles, tile) sines of the RZ angles.
        state: (4^n, tile) Pauli vectors; component sum_q P_q 4^q belongs to the Pauli string with P_q = 0, 1, 2, 3
            for I, X, Y, Z on qubit q.
        width: Number of columns in use.
    """
    for m in range(ops.shape[0]):
        code, q, r = ops[m, 0], ops[m, 1], ops[m, 2]
        f, s = figures[m], 1 << (2 * q)
        for i in range(state.shape[0]):
            if (i >> (2 * q)) & 3:
                continue
            if code == CZ:
                if (i >> (2 * r)) & 3 == 0:
                    _cz(state, i, s, 1 << (2 * r), f[0], width)
                continue
            x, y = state[i + s], state[i + 2 * s]
            if code == RZ:
                _rz(x, y, cos[r], sin[r], width)
            elif code == TURN:
                _turn(x, y, f[0], f[1], width)
            elif code == SX:
                _sx(state[i], x, y, state[i + 3 * s], f, width)
            elif code == SX_T:
                _sx_t(state[i], x, y, state[i + 3 * s], f, width)
            elif code == RELAX:
                _relax(state[i], x, y, state[i + 3 * s], f, width)
            else:
                _relax_t(state[i], x, y, state[i + 3 * s], f, width)


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
        lane_cos = np.empty((cos.shape[1], TILE))
        lane_sin = np.empty((cos.shape[1], TILE))
        for j in range(count):
            for k in range(d):
                state[:, j * d + k] = readout[k]
                lane_cos[:, j * d + k] = cos[g * group + j]
                lane_sin[:, j * d + k] = sin[g * group + j]
        run(ops, figures, lane_cos, lane_sin, state, count * d)
        for j in range(count):
            for k in range(d):
                effects[g * group + j, k] = state[:, j * d + k]


@njit(cache=True)
def _contract(effects, state, out, width):
    """Write out (d, tile) = effects (d, 4^n) @ state (4^n, tile), four rows of the state at a time."""
    for k in range(effects.shape[0]):
        row = out[k]
        row[:] = 0
        for i in range(0, state.shape[0], 4):
            e0, e1, e2, e3 = effects[k, i], effects[k, i + 1], effects[k, i + 2], effects[k, i + 3]
            s0, s1, s2, s3 = state[i], state[i + 1], state[i + 2], state[i + 3]
            for t in range(width):
                row[t] += (e0 * s0[t] + e1 * s1[t]) + (e2 * s2[t] + e3 * s3[t])


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
    group = 16
    groups = (blocks.size + group - 1) // group
    for item in prange(groups * ((tokens + TILE - 1) // TILE)):
        start = item // groups * TILE
        first = item % groups * group
        width = min(TILE, tokens - start)
        v = np.empty((d, TILE))
        cos, sin = np.empty((sign.shape[1], TILE)), np.empty((sign.shape[1], TILE))
        turn_cos = np.empty((sign.shape[1], TILE), dtype=initial.dtype)
        turn_sin = np.empty((sign.shape[1], TILE), dtype=initial.dtype)
        state = np.empty((initial.size, TILE), dtype=initial.dtype)
        result = np.empty((d, TILE), dtype=initial.dtype)
        for b in blocks[first : first + group]:
            for t in range(width):
                for k in range(d):
                    v[k, t] = x[start + t, b, k]
            prepare(v, width, cos, sin)
            for a in range(sign.shape[1]):
                for t in range(width):
                    turn_cos[a, t] = sign[0, a] * initial.dtype.type(cos[a, t])
                    turn_sin[a, t] = sign[1, a] * initial.dtype.type(sin[a, t])
            for i in range(initial.size):
                state[i] = initial[i]
            run(ops, figures, turn_cos, turn_sin, state, width)
            _contract(effects[b], state, result, width)
            for t in range(width):
                for k in range(d):
                    out[start + t, b, k] = result[k, t]
