"""Compiled preparation angles of tiles of slices; :mod:`cayley_adapters.circuits.preparation` explains them.

Tiles are flat here (row r, column t is element r * TILE + t) because only with rows a constant distance apart does the
compiler vectorise loops over many rows.
"""

from __future__ import annotations

import math

import numpy as np

from cayley_adapters.kernels.compiled import compiled
from cayley_adapters.kernels.pauli import TILE
from cayley_adapters.kernels.schmidt import NO_PHASE, orthogonalise, rotation_angles, schmidt, unit

__all__ = ["prepare"]


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
def _prepare2(v, width, cos, sin):
    """Write the angles gamma, alpha, beta - pi/2 of two-qubit slices."""
    for t in range(width):
        x0, x1, x2, x3 = v[t], v[TILE + t], v[2 * TILE + t], v[3 * TILE + t]
        s1r, s1i, s2r, s2i = x0 + x3, x2 - x1, x0 - x3, x1 + x2
        n1, n2 = s1r * s1r + s1i * s1i, s2r * s2r + s2i * s2i
        z1r, z1i = unit(s1r, s1i)
        z2r, z2i = unit(s2r, s2i)
        cos[t], sin[t] = math.sqrt(n1 * n2), 0.5 * (n2 - n1)
        cos[TILE + t], sin[TILE + t] = z2r * z1r + z2i * z1i, z2i * z1r - z2r * z1i
        cos[2 * TILE + t], sin[2 * TILE + t] = z1r * z2i + z1i * z2r, z1i * z2i - z1r * z2r


@compiled(error_model="numpy", inline="always")
def _rotate(w, a, b, c, x, y, z):
    """Return h u conj(h) for the unit quaternion h = w + ai + bj + ck and the pure one u = xi + yj + zk."""
    p, q, r = 2.0 * (b * z - c * y), 2.0 * (c * x - a * z), 2.0 * (a * y - b * x)
    return x + w * p + b * r - c * q, y + w * q + c * p - a * r, z + w * r + a * q - b * p


@compiled(error_model="numpy")
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
        ca, sa = unit(difference, 2.0 * (x0 * x1 + x2 * x3 + x4 * x5 + x6 * x7))
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
        product = length < NO_PHASE
        scale = 1.0 / (1.0 if product else length)
        ni = 1.0 if product else ni * scale
        nj = 0.0 if product else nj * scale
        nk = 0.0 if product else nk * scale
        # a2 and b1 from N, then the columns of the rotation matrix of p.
        sb1 = math.sqrt(nj * nj + nk * nk)
        ca2, sa2 = unit(-nj, -nk)
        ii, ji, ki = _rotate(hw, ha, hb, hc, 0.0, -sa2, ca2)
        ij, _, _ = _rotate(hw, ha, hb, hc, ni, nj, nk)
        ik, jk, kk = _rotate(hw, ha, hb, hc, sb1, ni * ca2, ni * sa2)
        cp, sp = unit(ii, ik)
        cos[TILE + t], sin[TILE + t] = -sp, -cp
        cos[2 * TILE + t], sin[2 * TILE + t] = math.sqrt(ii * ii + ik * ik), -ij
        cos[3 * TILE + t], sin[3 * TILE + t] = ni, sb1
        cos[5 * TILE + t], sin[5 * TILE + t] = ca2, sa2
        cos[6 * TILE + t], sin[6 * TILE + t] = cp * kk - sp * ki, sp * ji - cp * jk


@compiled(error_model="numpy")
def _prepare4(v, width, cos, sin):
    """Write the angles of four-qubit slices: 3 of the Schmidt coefficients, 4 of each rotation, 2 merged of each."""
    x, upper, lower, w = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4)), np.empty(4)
    angles, column, turn = np.empty(12), np.empty(4 * TILE), np.empty((2, 3 * TILE))
    rows = np.empty(32 * TILE)
    rows[: 16 * TILE] = v
    orthogonalise(rows, width)
    for t in range(width):
        for k in range(16):
            x[k >> 2, k & 3] = rows[k * TILE + t]
            upper[k >> 2, k & 3] = rows[(16 + k) * TILE + t]
        schmidt(x, lower, upper, w)
        for k in range(4):
            column[k * TILE + t] = w[k]
        for half in range(2):
            rotation_angles(upper if half else lower, angles)
            for a in range(6):
                row = 3 + 4 * half + a if a < 4 else 11 + 2 * half + a - 4
                cos[row * TILE + t], sin[row * TILE + t] = angles[2 * a], angles[2 * a + 1]
    _prepare2(column, width, turn[0], turn[1])
    for k in range(3):
        for t in range(width):
            cos[k * TILE + t], sin[k * TILE + t] = turn[0, k * TILE + t], turn[1, k * TILE + t]


@compiled(error_model="numpy")
def prepare(v, d, width, norm, cos, sin):
    """Normalise a tile of slices in place and write cosines and sines of their RY angles.

    Args:
        v: (d * TILE) slices, row k the elements k.
        d: Dimension of the slices, 2, 4, 8 or 16.
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
    elif d == 8:
        _prepare3(v, width, cos, sin)
    else:
        _prepare4(v, width, cos, sin)
