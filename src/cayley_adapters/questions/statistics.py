"""Accuracy with intervals, and exact comparisons of arms that answered the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from cayley_adapters.core.statistics import holm

__all__ = ["COMPARISON_COLUMNS", "compare", "mcnemar", "paired_interval", "wilson"]

COMPARISON_COLUMNS = [
    *("first", "second", "both_right", "only_first", "only_second", "both_wrong"),
    *("mcnemar_p", "mcnemar_p_holm", "comparisons", "accuracy_difference", "ci95_low", "ci95_high"),
]


def wilson(correct: int, questions: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion."""
    interval = binomtest(correct, questions).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that flips are as likely in one direction as in the other (McNemar's exact test)."""
    flips = only_first + only_second
    return float(binomtest(only_first, flips).pvalue) if flips else 1.0


def paired_interval(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """95 % interval of the difference between two paired proportions, the second minus the first.

    Method 10 of Newcombe, Statistics in Medicine 17 (1998) 2635: Wilson's intervals of both, with their correlation.
    """
    total = both + only_first + only_second + neither
    first, second = (both + only_first) / total, (both + only_second) / total
    (first_low, first_high), (second_low, second_high) = (
        wilson(both + only_first, total),
        wilson(both + only_second, total),
    )
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    excess: float = both * neither - only_first * only_second
    excess = max(excess - total / 2, 0) if excess > 0 else excess
    phi = excess / np.sqrt(margins) if margins else 0.0

    def reach(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0)))

    difference = second - first
    return (
        difference - reach(second - second_low, first_high - first),
        difference + reach(second_high - second, first - first_low),
    )


def compare(arms: Sequence[str], right: np.ndarray) -> pd.DataFrame:
    """Every pair of arms on the same questions.

    Args:
        arms: their names.
        right: ``(arms, questions)`` whether the answer was right.

    Returns:
        The table of :data:`COMPARISON_COLUMNS`: counts of questions, the exact p-value, the same adjusted for all
        comparisons of the table, and the second accuracy minus the first with its 95 % interval, not adjusted.
    """
    rows = []
    for one, other in combinations(range(len(arms)), 2):
        first, second = right[one], right[other]
        counts = [int(np.sum(cell)) for cell in (first & second, first & ~second, ~first & second, ~first & ~second)]
        low, high = paired_interval(*counts)
        rows.append(
            [
                *(arms[one], arms[other], *counts, mcnemar(counts[1], counts[2]), np.nan, 0),
                *(second.mean() - first.mean(), low, high),
            ]
        )
    table = pd.DataFrame(rows, columns=COMPARISON_COLUMNS)
    return table.assign(mcnemar_p_holm=holm(table["mcnemar_p"]), comparisons=len(table))
