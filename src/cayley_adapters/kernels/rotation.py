"""Compiled loops over many small blocks: the Cayley transform with its gradient, and products of blocks and slices.

Libraries treat one small matrix after the other; here neighbouring lanes of a vector register hold neighbouring blocks.
All loops run on the calling thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from cayley_adapters.kernels.compiled import compiled

__all__ = ["cayley_blocks", "cayley_gradient", "outer_products", "rotate_slices"]

LANES = 8


@compiled(nogil=True)
def cayley_blocks(theta, q):
    """Write Q = 2(I + K/2)⁻¹ − I of many blocks, computed in float64.

    Gauss–Jordan without pivoting: the symmetric part of I + K/2 is the identity, so no pivot is below 1.

    Args:
        theta: (B, d(d−1)/2) the strict upper triangle of K, row by row.
        q: (B, d, d), written.
    """
    blocks, d = q.shape[0], q.shape[1]
    m = np.empty((d, d, LANES))
    factor = np.empty(LANES)
    for first in range(0, blocks, LANES):
        count = min(LANES, blocks - first)
        m[:] = 0
        for i in range(d):
            m[i, i] = 1
        for lane in range(count):
            index = 0
            for i in range(d):
                for j in range(i + 1, d):
                    half = theta[first + lane, index] / 2
                    m[i, j, lane], m[j, i, lane] = half, -half
                    index += 1
        for k in range(d):
            for lane in range(LANES):
                factor[lane] = 1 / m[k, k, lane]
                m[k, k, lane] = 1
            for j in range(d):
                for lane in range(LANES):
                    m[k, j, lane] *= factor[lane]
            for i in range(d):
                if i != k:
                    for lane in range(LANES):
                        factor[lane] = m[i, k, lane]
                        m[i, k, lane] = 0
                    for j in range(d):
                        for lane in range(LANES):
                            m[i, j, lane] -= factor[lane] * m[k, j, lane]
        for lane in range(count):
            for i in range(d):
                for j in range(d):
                    q[first + lane, i, j] = 2 * m[i, j, lane]
                q[first + lane, i, i] -= 1


@compiled(nogil=True)
def cayley_gradient(q, gradient, out):
    """Write the gradient with respect to theta: with M = (I + Q)/2, that of K/2 is −2 Mᵀ G Mᵀ.

    Args:
        q: (B, d, d) blocks.
        gradient: (B, d, d) of a loss with respect to them.
        out: (B, d(d−1)/2), written.
    """
    blocks, d = q.shape[0], q.shape[1]
    m, g = np.empty((d, d, LANES), q.dtype), np.empty((d, d, LANES), q.dtype)
    left, whole = np.empty((d, d, LANES), q.dtype), np.empty((d, d, LANES), q.dtype)
    for first in range(0, blocks, LANES):
        count = min(LANES, blocks - first)
        for lane in range(count):
            for i in range(d):
                for j in range(d):
                    m[i, j, lane] = q[first + lane, i, j] / 2
                    g[i, j, lane] = gradient[first + lane, i, j]
                m[i, i, lane] += q.dtype.type(0.5)
        left[:] = 0
        whole[:] = 0
        for i in range(d):
            for k in range(d):
                for j in range(d):
                    for lane in range(LANES):
                        left[i, j, lane] += m[k, i, lane] * g[k, j, lane]
        for i in range(d):
            for j in range(d):
                for k in range(d):
                    for lane in range(LANES):
                        whole[i, j, lane] += left[i, k, lane] * m[j, k, lane]
        for lane in range(count):
            index = 0
            for i in range(d):
                for j in range(i + 1, d):
                    out[first + lane, index] = whole[j, i, lane] - whole[i, j, lane]
                    index += 1


@cache
def rotate_slices(d: int) -> Callable[..., Any]:
    """Compiled for one small d: write y = blockdiag(Q) x for every row of ``x``.

    The function takes q ``(d, d, B)``, that is with the block as its last axis, x ``(T, B·d)`` and y, written.
    """

    @compiled(nogil=True, fastmath=True)
    def run(q, x, y):
        for t in range(x.shape[0]):
            row, result = x[t], y[t]
            for b in range(q.shape[2]):
                for i in range(d):
                    total = q[i, 0, b] * row[b * d]
                    for j in range(1, d):
                        total += q[i, j, b] * row[b * d + j]
                    result[b * d + i] = total

    return run


@cache
def outer_products(d: int) -> Callable[..., Any]:
    """Compiled for one small d: add the sum over rows of g xᵀ of every slice.

    The function takes g and x ``(T, B·d)`` and out ``(d, d, B)``, added to.
    """

    @compiled(nogil=True, fastmath=True)
    def run(g, x, out):
        blocks = out.shape[2]
        left, right = np.empty((d, blocks), x.dtype), np.empty((d, blocks), x.dtype)
        for t in range(x.shape[0]):
            for b in range(blocks):
                for j in range(d):
                    left[j, b] = g[t, b * d + j]
            for b in range(blocks):
                for j in range(d):
                    right[j, b] = x[t, b * d + j]
            for i in range(d):
                for j in range(d):
                    for b in range(blocks):
                        out[i, j, b] += left[i, b] * right[j, b]

    return run
