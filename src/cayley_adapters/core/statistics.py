"""Statistics that several rooms need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["holm"]


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjustment of p-values.

    To call those below 0.05 real is to call any chance result real with a probability of 5 % at most, however the
    comparisons depend on each other.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted
