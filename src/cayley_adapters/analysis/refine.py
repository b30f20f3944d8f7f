"""Where to evaluate next: noise scales chosen by what is uncertain about the boundary."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cayley_adapters.analysis.crossing import critical_noise
from cayley_adapters.analysis.resampling import bootstrap_means, interval

__all__ = ["RANGE", "STEP", "next_noise_scale"]

STEP = math.sqrt(10)
"""By how much an axis that does not hold the boundary is extended."""

RANGE = (1e-4, 1e3)
"""Noise scales that an axis is extended to at most."""


def next_noise_scale(
    noise_scales: Sequence[float] | np.ndarray,
    losses: np.ndarray,
    compressed: np.ndarray,
    documents: np.ndarray,
) -> float | None:
    """The noise scale whose evaluation tells most about where a curve reaches the compressed model's loss.

    Beyond the axis if the boundary or an end of its 95 % interval lies there. Else the critical noise as it is
    estimated now; once that has a neighbour on the axis closer than a quarter of the interval, the ends of the
    interval, by which the curve's slope is known over all of it.

    Args:
        noise_scales: ``(L,)`` increasing, the first 0.
        losses: ``(L, tokens)`` nats, of the model with blocks.
        compressed: ``(tokens,)`` nats, of the compressed model.
        documents: ``(tokens,)`` the document of each token.

    Returns:
        A positive noise scale of three digits that is not on the axis; None where nothing is left to find: blocks do
        not help even without noise, or the boundary is known as well as the text allows.
    """
    axis = np.asarray(noise_scales, dtype=float)
    curve, level = losses.mean(axis=1), compressed.mean()
    if curve[0] >= level:
        return None
    if len(axis) < 2:
        return 1.0
    value, censored = critical_noise(axis, curve, level)
    draws = bootstrap_means(np.vstack([losses, compressed]), documents, 200, np.random.default_rng(0))
    drawn, side = critical_noise(axis, draws[:-1].T, draws[-1], rng=np.random.default_rng(0))
    ends = interval(np.where(side > 0, np.inf, np.where(side < 0, 0.0, drawn)), len(np.unique(documents)))
    beyond = bool(censored > 0) or (ends[0] is not None and ends[1] is None)
    below = bool(censored < 0) or ends[0] == 0
    for needed, wanted in ((beyond, axis[-1] * STEP), (below, axis[1] / STEP)):
        if needed and RANGE[0] <= wanted <= RANGE[1]:
            return _digits(wanted)
    if censored:
        return None
    low, high = (end or float(value) for end in ends)
    near = max(math.log(high / low) / 4, 0.02)
    for wanted in (float(value), low, high):
        if np.abs(np.log(axis[1:] / wanted)).min() > near:
            return _digits(wanted)
    return None


def _digits(value: float) -> float:
    return float(f"{value:.3g}")
