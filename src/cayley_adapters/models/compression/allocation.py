"""How many parameters each projection keeps: the same share of all, or more where losing them costs more."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

__all__ = ["ALLOCATIONS", "SPREAD", "shares_by_sensitivity"]

ALLOCATIONS = ("uniform", "sensitivity")

SPREAD = 0.3
"""By how much of the share to be removed one part's share may differ: further, losses measured alone do not add up."""


def shares_by_sensitivity(
    spectra: Mapping[str, np.ndarray],
    sensitivity: Mapping[str, float],
    sizes: Mapping[str, tuple[int, int]],
    bounds: Mapping[str, tuple[int, int]],
    budget: float,
    parameters: Callable[[int, int, int], int],
) -> dict[str, int]:
    """Ranks that lose least for a budget of parameters.

    Truncating projection p to rank r costs s_p Σ_{k>r} σ²_pk, with the singular values σ of its whitened weight and the
    measured loss s_p of a unit of squared error. A budget is spent best where the next parameter saves as much in every
    projection (Lagrange): the ranks at which s_p σ²_pr / (parameters of rank r over those of r − 1) falls below one
    price, found by bisection.

    Args:
        spectra: projection → squared singular values, descending.
        sensitivity: projection → loss for each unit of squared error.
        sizes: projection → (in, out).
        bounds: projection → smallest and largest rank.
        budget: parameters to keep in all.
        parameters: numbers stored by (in, out, rank).

    Returns:
        projection → rank within its bounds; together at most the budget, unless the smallest ranks exceed it.
    """
    gains = {}
    for name, values in spectra.items():
        steps = np.diff([parameters(*sizes[name], rank) for rank in range(len(values) + 1)])
        gain = sensitivity[name] * values / np.maximum(steps, 1)
        gains[name] = np.minimum.accumulate(gain)  # ranks are bought in order

    def ranks(price: float) -> dict[str, int]:
        return {name: int(np.clip((gain > price).sum(), *bounds[name])) for name, gain in gains.items()}

    def spent(price: float) -> int:
        return sum(parameters(*sizes[name], rank) for name, rank in ranks(price).items())

    low, high = 0.0, max(float(gain.max()) for gain in gains.values())
    if spent(low) <= budget:
        return ranks(low)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if spent(middle) <= budget else (middle, high)
    return ranks(high)
