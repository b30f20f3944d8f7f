"""The critical noise of curves that are known at a few noise scales, and the width of the crossover.

Between grid points the cost C(λ) = nll(λ) − nll(0) is taken to be a power law, ln C linear in ln λ: gate errors,
relaxation rates and readout flips all grow in proportion to λ, and so, at first, does what they cost.
"""

from __future__ import annotations

import numpy as np

from cayley_adapters.core.errors import CayleyError

__all__ = ["EXPONENT_CHANGE", "SMALLEST", "STEEPEST", "critical_noise", "crossover", "curve_at"]

SMALLEST = 0.01
"""Costs below this share of the gain count as linear and not as powers, for a sampled cost may be 0 or less."""

EXPONENT_CHANGE = 0.3
"""Standard deviation of the change of d ln C/d ln λ between two grid points. On a fine axis of SmolLM2-135M it changes
by 0.05 to 0.3 from half a decade to the next, up to where the loss saturates."""

STEEPEST = 3.0
"""Exponents above are those of no noise that grows in proportion to λ: the axis is too coarse to say where it acts."""

_LARGEST = 1e6
"""Costs, in gains, above which a curve is cut: an infinite loss has no slope."""


def _coordinates(axis: np.ndarray, curves: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ln λ of the positive scales, and arsinh(C / (2·SMALLEST·G)): ln C but for a constant where C is not tiny."""
    share = (curves[..., 1:] - curves[..., :1]) / np.where(gain > 0, gain, 1.0)[..., None]
    return np.log(axis[1:]), np.arcsinh(np.minimum(share, _LARGEST) / (2 * SMALLEST))


def _checked(noise_scales: np.ndarray, nll: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axis = np.asarray(noise_scales, dtype=float)
    curves = np.asarray(nll, dtype=float)
    if axis.ndim != 1 or not len(axis) or axis[0] != 0 or (np.diff(axis) <= 0).any():
        raise CayleyError(f"a noise axis must start at 0 and increase, not {axis.tolist()}; add 0 to sweep.noise_scale")
    if curves.shape[-1:] != axis.shape:
        raise CayleyError(f"curves of shape {curves.shape} do not fit {len(axis)} noise scales")
    return axis, np.where(np.isnan(curves), np.inf, curves)


def critical_noise(
    noise_scales: np.ndarray,
    nll: np.ndarray,
    nll_compressed: np.ndarray | float,
    gains: float = 1.0,
    rng: np.random.Generator | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The first noise scale at which each curve has lost its gain: C(λ_c) = gains · G, G = nll_compressed − nll(0).

    A loss that is not a number counts as above every level.

    Args:
        noise_scales: ``(L,)`` increasing, the first 0.
        nll: ``(…, L)`` nats a token.
        nll_compressed: ``(…)`` or one number, nats a token.
        gains: how many times the gain is to be lost; 1 is the critical noise.
        rng: if given, what the axis leaves open between two grid points is drawn for each curve: how the exponent
            changes from one to the other (:data:`EXPONENT_CHANGE`, or as much as it does beside), and, where the cost
            rises more steeply than :data:`STEEPEST`, the place of the crossing, anywhere between the two.

    Returns:
        λ_c ``(…)``, 0 where nll at λ = 0 is not below the level, and its censoring ``(…)``: −1 already above the level
        at the smallest positive λ (λ_c is that λ, an upper bound), 1 never reached (λ_c is the last λ), 0 otherwise.

    Raises:
        CayleyError: the axis does not start at 0, does not increase, or has another length than the curves.

    Example:
        >>> value, censored = critical_noise([0, 1, 4], [[1.0, 1.5, 3.0]], 2.0)
        >>> round(float(value[0]), 2), int(censored[0])
        (2.0, 0)
    """
    axis, curves = _checked(noise_scales, nll)
    gain = np.broadcast_to(np.asarray(nll_compressed, dtype=float), curves.shape[:-1]) - curves[..., 0]
    level = curves[..., 0] + gains * gain
    reached = (curves >= level[..., None]) & (gain[..., None] > 0)
    reached[..., 0] |= gain <= 0
    never = ~reached.any(-1)
    after = np.where(never, len(axis) - 1, reached.argmax(-1))
    inside = ~never & (after > 1)
    value = axis[after]
    if inside.any():
        x, y = _coordinates(axis, curves, gain)
        right = np.where(inside, after - 1, 1)  # position among the positive scales
        low, high = (np.take_along_axis(y, place[..., None], -1)[..., 0] for place in (right - 1, right))
        width, rise = x[right] - x[right - 1], np.where(high > low, high - low, 1.0)
        share = np.clip((np.arcsinh(gains / (2 * SMALLEST)) - low) / rise, 0, 1)
        if rng is not None:
            slope = rise / width
            bend = np.maximum(EXPONENT_CHANGE * np.maximum(slope, 1), _neighbours(x, y, right, slope))
            bow = bend * rng.standard_normal(share.shape)
            bent = np.clip(share + bow * share * (1 - share) / (2 * slope), 0, 1)
            share = np.where(slope > STEEPEST, rng.random(share.shape), bent)
        value = np.where(inside, np.exp(x[right - 1] + share * width), value)
    exact = np.take_along_axis(curves, after[..., None], -1)[..., 0] == level
    return value, np.where(never, 1, np.where((after == 1) & ~exact, -1, 0))


def _neighbours(x: np.ndarray, y: np.ndarray, right: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The largest difference between the exponent left of the points ``right`` and those of the segments beside."""
    slopes = np.diff(y, axis=-1) / np.diff(x)
    if slopes.shape[-1] < 2:
        return np.zeros(slope.shape)
    beside = [np.clip(right - 1 + step, 0, slopes.shape[-1] - 1) for step in (-1, 1)]
    return np.max([np.abs(np.take_along_axis(slopes, at[..., None], -1)[..., 0] - slope) for at in beside], axis=0)


def curve_at(noise_scales: np.ndarray, nll: np.ndarray, at: np.ndarray, gain: np.ndarray | float) -> np.ndarray:
    """Curves at other noise scales, by the interpolation that :func:`critical_noise` inverts.

    Args:
        noise_scales: ``(L,)`` increasing, the first 0.
        nll: ``(…, L)`` nats a token.
        at: ``(K,)`` noise scales, each 0 or between the smallest positive and the largest one of the axis.
        gain: ``(…)`` or one number, nats a token, the scale below which costs count as linear.

    Returns:
        ``(…, K)`` nats a token.

    Raises:
        CayleyError: the axis is none, or a noise scale lies outside.
    """
    axis, curves = _checked(noise_scales, nll)
    at = np.asarray(at, dtype=float)
    if ((at != 0) & ((at < axis[min(1, len(axis) - 1)]) | (at > axis[-1]))).any():
        raise CayleyError(f"noise scales {at.tolist()} are not all 0 or within {axis[1:].tolist()}")
    gain = np.broadcast_to(np.asarray(gain, dtype=float), curves.shape[:-1])
    unit = np.where(gain > 0, gain, 1.0)[..., None]
    result = np.repeat(curves[..., :1], len(at), axis=-1)
    if (positive := at > 0).any():
        x, y = _coordinates(axis, curves, gain)
        place = np.clip(np.searchsorted(x, np.log(at[positive]), side="right") - 1, 0, max(len(x) - 2, 0))
        after = np.minimum(place + 1, len(x) - 1)
        width = np.where(x[after] > x[place], x[after] - x[place], 1.0)
        share = np.clip((np.log(at[positive]) - x[place]) / width, 0, 1)
        between = y[..., place] + share * (y[..., after] - y[..., place])
        result[..., positive] += unit * 2 * SMALLEST * np.sinh(between)
    return result


def crossover(
    noise_scales: np.ndarray,
    nll: np.ndarray,
    nll_compressed: np.ndarray | float,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Width of the crossover: decades of noise between half the gain lost, C = G/2, and twice the gain lost, C = 2G.

    A cost that grows as λ^p has log10(4)/p decades, 0.60 at p = 1; a sharp transition would have next to none.

    Args:
        noise_scales: ``(L,)`` increasing, the first 0.
        nll: ``(…, L)`` nats a token.
        nll_compressed: ``(…)`` or one number, nats a token.
        rng: as for :func:`critical_noise`.

    Returns:
        ``(…)`` decades; not a number where one of the two is not on the axis.
    """
    ends = []
    for gains in (0.5, 2.0):
        value, censored = critical_noise(noise_scales, nll, nll_compressed, gains, rng)
        ends.append(np.where((censored == 0) & (value > 0), value, np.nan))
    return np.log10(ends[1] / ends[0])
