"""Compiled Schmidt form of four-qubit slices across their middle, and circuits of rotations in SO(4)."""

from __future__ import annotations

import math

import numpy as np

from cayley_adapters.kernels.compiled import compiled

__all__ = ["NO_PHASE", "rotation_angles", "schmidt", "unit"]

NO_PHASE = 1e-14
"""Amplitudes below this share of the norm count as zero where a phase or a direction is to be read off them."""

TINY = 1e-13
"""Schmidt coefficients below this have no direction of their own; any that completes the basis will do."""


@compiled(error_model="numpy")
def _jacobi(a, v):
    """Make the rows of a (4, 4) orthogonal by rotations of rows (one-sided Jacobi), and gather these in v (4, 4)."""
    for i in range(4):
        for j in range(4):
            v[i, j] = 1.0 if i == j else 0.0
    for _ in range(30):
        done = True
        for i in range(3):
            for j in range(i + 1, 4):
                ii, jj, ij = 0.0, 0.0, 0.0
                for k in range(4):
                    ii += a[i, k] * a[i, k]
                    jj += a[j, k] * a[j, k]
                    ij += a[i, k] * a[j, k]
                if ij * ij <= 1e-30 * ii * jj:
                    continue
                done = False
                tau = (jj - ii) / (2.0 * ij)
                t = math.copysign(1.0, tau) / (abs(tau) + math.sqrt(1.0 + tau * tau))
                c = 1.0 / math.sqrt(1.0 + t * t)
                s = c * t
                for k in range(4):
                    a[i, k], a[j, k] = c * a[i, k] - s * a[j, k], s * a[i, k] + c * a[j, k]
                    v[i, k], v[j, k] = c * v[i, k] - s * v[j, k], s * v[i, k] + c * v[j, k]
        if done:
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

    The rotation is v -> p v conj(q) with unit quaternions p and q; see :mod:`cayley_adapters.preparation`.

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
        x: (4, 4) with x[k, l] the amplitude of k on qubits 2 and 3 and l on qubits 0 and 1; overwritten.
        u: (4, 4), written: rotation whose column 0, 3, 2, 1 is the lower qubits' vector 0, 1, 2, 3.
        v: (4, 4), written: rotation whose columns are the upper qubits' vectors.
        w: (4,), written: the coefficients, of which the last may be negative.
    """
    _jacobi(x, v)
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
