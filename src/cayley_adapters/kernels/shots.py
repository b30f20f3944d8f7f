"""Compiled measurements: multinomial counts, projection of mitigated frequencies to probabilities, and the readout.

Each row of probabilities has a random stream of its own, SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) started at a
hash of the call's key and the row's number, so that counts depend neither on threads nor on how rows are batched.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from cayley_adapters.kernels.compiled import compiled

__all__ = ["binomial", "magnitudes", "measure", "project"]

GOLDEN, FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S11, S27, S30, S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
UNIT = 2.0**-53

FEW = 10.0
"""Expected counts below this are drawn by inversion, above by rejection."""


@compiled(inline="always")
def _mix(z):
    """Scramble 64 bits."""
    z = (z ^ (z >> S30)) * FIRST
    z = (z ^ (z >> S27)) * SECOND
    return z ^ (z >> S31)


@compiled(inline="always")
def _uniform(state):
    """Return the stream's next state and number in (0, 1)."""
    state = state + GOLDEN
    return state, (np.float64(_mix(state) >> S11) + 0.5) * UNIT


@compiled(inline="always", error_model="numpy")
def _log_factorial(k):
    """Return log k! by Stirling's series, exact to 1e-9 for k >= 5; smaller ones by their product."""
    if k < 5.0:
        product = 1.0
        for i in range(2, int(k) + 1):
            product *= i
        return math.log(product)
    z = k + 1.0
    inverse = 1.0 / z
    square = inverse * inverse
    series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)))
    return (z - 0.5) * math.log(z) - z + 0.91893853320467274178 + series


@compiled(error_model="numpy")
def _accepted(n, p, k, mode, v):
    """Say whether v <= f(k)/f(mode) for the binomial weights f, by the cheapest test that decides.

    Near the mode the ratio itself; farther away bounds on its logarithm (Kachitvichyanukul and Schmeiser, Commun. ACM
    31, 216 (1988), step 5), and where these do not decide, factorials.
    """
    away, variance = abs(k - mode), n * p * (1.0 - p)
    if away <= 20.0:
        ratio, f = p / (1.0 - p), 1.0
        for i in range(min(k, mode) + 1, max(k, mode) + 1):
            f *= ratio * (n + 1.0 - i) / i
        return v <= f if k > mode else v * f <= 1.0
    log_v = math.log(v)
    if away < 0.5 * variance - 1.0:
        middle = -away * away / (2.0 * variance)
        width = (away / variance) * ((away * (away / 3.0 + 0.625) + 1.0 / 6.0) / variance + 0.5)
        if log_v < middle - width:
            return True
        if log_v > middle + width:
            return False
    height = _log_factorial(mode) + _log_factorial(n - mode) - _log_factorial(k) - _log_factorial(n - k)
    return log_v <= height + (k - mode) * math.log(p / (1.0 - p))


@compiled(error_model="numpy")
def binomial(n, p, state):
    """Draw the number of successes in n trials of probability p.

    Below FEW expected successes by inversion of the distribution function, else by Hörmann's transformed rejection
    BTRS (J. Stat. Comput. Simul. 46, 101 (1993)). Both are exact up to double precision.

    Returns:
        The stream's next state and the number, both for p of at least 0 (NaN gives 0 successes).
    """
    if not (p > 0.0 and n > 0.0):
        return state, 0.0
    if p >= 1.0:
        return state, n
    flip = p > 0.5
    if flip:
        p = 1.0 - p
    if n * p < FEW:
        ratio = p / (1.0 - p)
        weight = math.exp(n * math.log1p(-p))
        state, u = _uniform(state)
        k = 0.0
        while u > weight and k < n:
            u -= weight
            k += 1.0
            weight *= ratio * (n - k + 1.0) / k
    else:
        spread = math.sqrt(n * p * (1.0 - p))
        b = 1.15 + 2.53 * spread
        a = -0.0873 + 0.0248 * b + 0.01 * p
        c = n * p + 0.5
        k = -1.0
        while True:
            state, u = _uniform(state)
            state, v = _uniform(state)
            u -= 0.5
            us = 0.5 - abs(u)
            k = math.floor((2.0 * a / us + b) * u + c)
            if us >= 0.07 and v * b <= 0.92 * b - 4.2:
                break
            if k < 0.0 or k > n:
                continue
            alpha = (2.83 + 5.1 / b) * spread
            if _accepted(n, p, k, math.floor((n + 1.0) * p), v * alpha / (a / (us * us) + b)):
                break
    return state, (n - k if flip else k)


@compiled(parallel=True, error_model="numpy")
def measure(p, shots, key, out):
    """Replace rows of probabilities by relative frequencies of multinomial samples.

    Args:
        p: (N, d) probabilities; each row is normalised first, negative entries count as 0, and a row of zeros as
            certain outcome 0. A row that is not finite gives NaN.
        shots: Measurements a row.
        key: 64-bit unsigned integer that starts the rows' streams.
        out: (N, d), written; it may be p.
    """
    d = p.shape[1]
    for row in prange(p.shape[0]):
        state = _mix(key ^ _mix(np.uint64(row) * GOLDEN + FIRST))
        total = 0.0
        for k in range(d):
            total += max(np.float64(p[row, k]), 0.0)
        if not total < np.inf:
            out[row] = np.nan
            continue
        left, rest, unit = np.float64(shots), total, 1.0 / shots
        for k in range(d - 1):
            weight = max(np.float64(p[row, k]), 0.0)
            share = 1.0 if total == 0.0 else (weight / rest if rest > 0.0 else 0.0)
            state, count = binomial(left, share, state)
            rest -= weight
            left -= count
            out[row, k] = count * unit
        out[row, d - 1] = left * unit


@compiled(parallel=True, error_model="numpy")
def project(p, out):
    """Replace rows by the nearest probabilities: Euclidean projection on the simplex.

    Held, Wolfe and Crowder, Math. Programming 6, 62 (1974): entries become max(p - t, 0) with the t that gives sum 1.

    Args:
        p: (N, d).
        out: (N, d), written; it may be p.
    """
    d = p.shape[1]
    for row in prange(p.shape[0]):
        ordered = np.sort(p[row].astype(np.float64))[::-1]
        total, shift = 0.0, 0.0
        for k in range(d):
            total += ordered[k]
            if ordered[k] * (k + 1) > total - 1.0:
                shift = (total - 1.0) / (k + 1)
        for k in range(d):
            out[row, k] = max(p[row, k] - shift, 0.0)


@compiled(parallel=True, error_model="numpy")
def magnitudes(x, p, signs, out):
    """Write sign(s_k) |x| sqrt(p_k), where sign(0) = +1.

    Args:
        x: (N, d) slices.
        p: (N, d) probabilities; negative ones count as 0.
        signs: (N, d), of which the signs are taken.
        out: (N, d), written.
    """
    d = x.shape[1]
    for row in prange(x.shape[0]):
        square = 0.0
        for k in range(d):
            square += np.float64(x[row, k]) ** 2
        norm = math.sqrt(square)
        for k in range(d):
            value = norm * math.sqrt(max(p[row, k], 0.0)) if p[row, k] == p[row, k] else np.nan
            out[row, k] = -value if signs[row, k] < 0.0 else value
