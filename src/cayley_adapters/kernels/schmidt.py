"""Compiled Schmidt form of four-qubit slices across their middle, and circuits of rotations in SO(4)."""

from __future__ import annotations

import math

import numpy as np

from cayley_adapters.kernels.compiled import compiled
from cayley_adapters.kernels.pauli import TILE

__all__ = ["NO_PHASE", "orthogonalise", "rotation_angles", "schmidt", "unit"]

NO_PHASE = 1e-14
"""Amplitudes below this share of the norm count as zero where a phase or a direction is to be read off them."""

TINY = 1e-13
"""Schmidt coefficients below this have no direction of their own; any that completes the basis will do."""


@compiled(error_model="numpy", inline="always")
def _turn(m, p, q, width):
    """Make two rows, which begin at p and q, orthogonal; return how many columns were not so yet."""
    turned = 0
    for t in range(width):
        a0, a1, a2, a3 = m[p + t], m[p + TILE + t], m[p + 2 * TILE + t], m[p + 3 * TILE + t]
        b0, b1, b2, b3 = m[q + t], m[q + TILE + t], m[q + 2 * TILE + t], m[q + 3 * TILE + t]
        ii = a0 * a0 + a1 * a1 + a2 * a2 + a3 * a3
        jj = b0 * b0 + b1 * b1 + b2 * b2 + b3 * b3
        ij = a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3
        orthogonal = ij * ij <= 1e-30 * ii * jj
        tau = (jj - ii) / (2.0 * ij)
        tangent = math.copysign(1.0, tau) / (abs(tau) + math.sqrt(1.0 + tau * tau))
        cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
        c, s = (1.0 if orthogonal else cosine), (0.0 if orthogonal else cosine * tangent)
        turned += 0 if orthogonal else 1
        m[p + t], m[q + t] = c * a0 - s * b0, s * a0 + c * b0
        m[p + TILE + t], m[q + TILE + t] = c * a1 - s * b1, s * a1 + c * b1
        m[p + 2 * TILE + t], m[q + 2 * TILE + t] = c * a2 - s * b2, s * a2 + c * b2
        m[p + 3 * TILE + t], m[q + 3 * TILE + t] = c * a3 - s * b3, s * a3 + c * b3
        x0, x1 = m[p + 16 * TILE + t], m[p + 17 * TILE + t]
        x2, x3 = m[p + 18 * TILE + t], m[p + 19 * TILE + t]
        y0, y1 = m[q + 16 * TILE + t], m[q + 17 * TILE + t]
        y2, y3 = m[q + 18 * TILE + t], m[q + 19 * TILE + t]
        m[p + 16 * TILE + t], m[q + 16 * TILE + t] = c * x0 - s * y0, s * x0 + c * y0
        m[p + 17 * TILE + t], m[q + 17 * TILE + t] = c * x1 - s * y1, s * x1 + c * y1
        m[p + 18 * TILE + t], m[q + 18 * TILE + t] = c * x2 - s * y2, s * x2 + c * y2
        m[p + 19 * TILE + t], m[q + 19 * TILE + t] = c * x3 - s * y3, s * x3 + c * y3
    return turned


@compiled(error_model="numpy")
def orthogonalise(m, width):
    """Make the rows of many (4, 4) orthogonal by rotations of rows (one-sided Jacobi), and gather these.

    Args:
        m: (32 * TILE) flat, element (i, k) of column t at (4 i + k) TILE + t; the 16 rows behind are written with the
            gathered rotations. Columns that need no further rotation are turned by 0 until all are done.
        width: Number of columns in use.
    """
    for i in range(16):
        for t in range(width):
            m[(16 + i) * TILE + t] = 1.0 if i % 5 == 0 else 0.0
    for _ in range(30):
        turned = _turn(m, 0, 4 * TILE, width)
        turned += _turn(m, 0, 8 * TILE, width)
        turned += _turn(m, 0, 12 * TILE, width)
        turned += _turn(m, 4 * TILE, 8 * TILE, width)
        turned += _turn(m, 4 * TILE, 12 * TILE, width)
        turned += _turn(m, 8 * TILE, 12 * TILE, width)
        if turned == 0:
            break


@compiled(error_model="numpy")
def _order(a, v, s):
    """Sort the rows of a and v by the lengths of a's, write these into s, and give each row of v a positive sum."""
    for i in range(4):
        s[i] = math.sqrt(a[i, 0] ** 2 + a[i, 1] ** 2 + a[i, 2] ** 2 + a[i, 3] ** 2)
    for i in range(3):
        best = i
        for j in range(i + 1, 4):
            if s[j] > s[best]:
                best = j
        if best != i:
            s[i], s[best] = s[best], s[i]
            for k in range(4):
                a[i, k], a[best, k] = a[best, k], a[i, k]
                v[i, k], v[best, k] = v[best, k], v[i, k]
    for i in range(4):
        if v[i, 0] + v[i, 1] + v[i, 2] + v[i, 3] < 0.0:
            for k in range(4):
                a[i, k], v[i, k] = -a[i, k], -v[i, k]


@compiled(error_model="numpy")
def _orthonormal(a, s):
    """Normalise the orthogonal rows of a, and replace those without a direction."""
    for i in range(4):
        if s[i] < TINY:
            # The unit vector farthest from the span of the rows above.
            best, most = 0, -1.0
            for k in range(4):
                left = 1.0
                for j in range(i):
                    left -= a[j, k] ** 2
                if left > most + 1e-9:
                    best, most = k, left
            for k in range(4):
                a[i, k] = 1.0 if k == best else 0.0
        for _ in range(2):
            for j in range(i):
                dot = a[i, 0] * a[j, 0] + a[i, 1] * a[j, 1] + a[i, 2] * a[j, 2] + a[i, 3] * a[j, 3]
                for k in range(4):
                    a[i, k] -= dot * a[j, k]
            length = math.sqrt(a[i, 0] ** 2 + a[i, 1] ** 2 + a[i, 2] ** 2 + a[i, 3] ** 2)
            for k in range(4):
                a[i, k] /= length


@compiled(error_model="numpy")
def _determinant(m):
    """Return the determinant of a matrix (4, 4)."""
    total = 0.0
    for j in range(4):
        a, b, c = (j + 1) % 4, (j + 2) % 4, (j + 3) % 4
        minor = (
            m[1, a] * (m[2, b] * m[3, c] - m[2, c] * m[3, b])
            - m[1, b] * (m[2, a] * m[3, c] - m[2, c] * m[3, a])
            + m[1, c] * (m[2, a] * m[3, b] - m[2, b] * m[3, a])
        )
        total += m[0, j] * minor if j % 2 == 0 else -m[0, j] * minor
    return total


@compiled(error_model="numpy", inline="always")
def _times(a, b, c, d, e, f, g, h):
    """Return the product of the quaternions a + bi + cj + dk and e + fi + gj + hk."""
    return (
        a * e - b * f - c * g - d * h,
        a * f + b * e + c * h - d * g,
        a * g + c * e + d * f - b * h,
        a * h + d * e + b * g - c * f,
    )


@compiled(error_model="numpy", inline="always")
def _quaternion(x0, x1, x2, x3):
    """Return the quaternion of a real two-qubit vector, times sqrt 2."""
    return x0 + x3, x2 - x1, x0 - x3, x1 + x2


@compiled(error_model="numpy", inline="always")
def unit(re, im):
    """Return (re, im) divided by its length, and (1, 0) if it is too short to have a direction."""
    length = math.sqrt(re * re + im * im)
    small = length < NO_PHASE
    scale = 1.0 / (1.0 if small else length)
    return (1.0 if small else re * scale), (0.0 if small else im * scale)


@compiled(error_model="numpy")
def _euler(w, i, j, k, out):
    """Write cosines and sines of u, t, v with exp(iu/2) exp(kt/2) exp(iv/2) = w + ii + jj + kk, a unit quaternion."""
    fr, fi = unit(w, i)
    sr, si = unit(k, -j)
    first, second = w * w + i * i, j * j + k * k
    out[0], out[1] = fr * sr - fi * si, fr * si + fi * sr
    out[2], out[3] = first - second, 2.0 * math.sqrt(first * second)
    out[4], out[5] = fr * sr + fi * si, fi * sr - fr * si


@compiled(error_model="numpy")
def rotation_angles(m, out):
    """Write the angles of the circuit of a rotation m (4, 4), whose columns are images of basis states.

    The rotation is v -> p v conj(q) with unit quaternions p and q; see :mod:`cayley_adapters.circuits.preparation`.

    Args:
        m: (4, 4), determinant +1.
        out: (12), written: cosine and sine of a0, b0, a1, b1, a2, b2.
    """
    half = math.sqrt(0.5)
    # With basis states 0 to 3 as the quaternions (1 + j)/r, (-i + k)/r, (i + k)/r, (1 - j)/r and r = sqrt 2, the images
    # of 1, i, j, k are p conj(q), p i conj(q), ...; their products with conj(q) i etc. leave q and p.
    image = np.empty((4, 4))
    for r in range(4):
        image[0, r] = half * (m[r, 0] + m[r, 3])
        image[1, r] = half * (m[r, 2] - m[r, 1])
        image[2, r] = half * (m[r, 0] - m[r, 3])
        image[3, r] = half * (m[r, 1] + m[r, 2])
    for e in range(4):
        a, b, c, d = _quaternion(image[e, 0], image[e, 1], image[e, 2], image[e, 3])
        image[e, 0], image[e, 1], image[e, 2], image[e, 3] = half * a, half * b, half * c, half * d
    # g = p conj(q); h_e = conj(g) (p e conj(q)) = q e conj(q) for e = i, j, k is the rotation matrix of q.
    a, b, c, d = image[0, 0], image[0, 1], image[0, 2], image[0, 3]
    _, xi, yi, zi = _times(a, -b, -c, -d, image[1, 0], image[1, 1], image[1, 2], image[1, 3])
    _, xj, yj, zj = _times(a, -b, -c, -d, image[2, 0], image[2, 1], image[2, 2], image[2, 3])
    _, xk, yk, zk = _times(a, -b, -c, -d, image[3, 0], image[3, 1], image[3, 2], image[3, 3])
    # Its quaternion by the largest of the four squares (Shepperd, 1978).
    ww, ii, jj, kk = xi + yj + zk, xi - yj - zk, yj - xi - zk, zk - xi - yj
    if ww >= ii and ww >= jj and ww >= kk:
        q0, q1, q2, q3 = 1.0 + ww, zj - yk, xk - zi, yi - xj
    elif ii >= jj and ii >= kk:
        q0, q1, q2, q3 = zj - yk, 1.0 + ii, xj + yi, xk + zi
    elif jj >= kk:
        q0, q1, q2, q3 = xk - zi, xj + yi, 1.0 + jj, yk + zj
    else:
        q0, q1, q2, q3 = yi - xj, xk + zi, yk + zj, 1.0 + kk
    scale = 1.0 / math.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
    q0, q1, q2, q3 = q0 * scale, q1 * scale, q2 * scale, q3 * scale
    p0, p1, p2, p3 = _times(a, b, c, d, q0, q1, q2, q3)
    left, right = np.empty(6), np.empty(6)
    _euler(p0, p1, p2, p3, left)
    _euler(q0, q1, q2, q3, right)
    # p = exp(i b2/2) exp(k a1/2) exp(i b0/2), q = exp(i a2/2) exp(-k b1/2) exp(i a0/2).
    out[0], out[1], out[2], out[3] = right[4], right[5], left[4], left[5]
    out[4], out[5], out[6], out[7] = left[2], left[3], right[2], -right[3]
    out[8], out[9], out[10], out[11] = right[0], right[1], left[0], left[1]


@compiled(error_model="numpy")
def schmidt(x, u, v, w):
    """Write the Schmidt form of a normalised four-qubit slice across its middle.

    Args:
        x: (4, 4) with x[k, l] the amplitude of k on qubits 2 and 3 and l on qubits 0 and 1, its rows made orthogonal by
            :func:`orthogonalise`; overwritten.
        u: (4, 4), written: rotation whose column 0, 3, 2, 1 is the lower qubits' vector 0, 1, 2, 3.
        v: (4, 4), the gathered rotations; overwritten with the rotation whose columns are the upper qubits' vectors.
        w: (4,), written: the coefficients, of which the last may be negative.
    """
    _order(x, v, w)
    _orthonormal(x, w)
    for i in range(4):
        for k in range(4):
            u[k, (4 - i) % 4] = x[i, k]
    for i in range(4):
        for k in range(i + 1, 4):
            v[i, k], v[k, i] = v[k, i], v[i, k]
    if _determinant(v) < 0.0:
        w[3] = -w[3]
        for k in range(4):
            v[k, 3] = -v[k, 3]
    if _determinant(u) < 0.0:
        w[3] = -w[3]
        for k in range(4):
            u[k, 1] = -u[k, 1]
