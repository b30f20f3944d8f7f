"""Replicates of means over test documents, shots and seeds, and the intervals made from them.

Where a text is a single document its windows stand in for documents: a bootstrap over blocks of the text.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["bootstrap_means", "finite", "interval", "p_value", "resampled", "seed_deviations"]


def bootstrap_means(losses: np.ndarray, documents: np.ndarray, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Mean losses when whole documents are drawn with replacement, the same draw for every row (paired).

    Each replicate's mean is a ratio of sums, Σ_g w_g S_g / Σ_g w_g N_g, with w the multinomial counts of the drawn
    documents, S_g a document's summed loss and N_g its tokens. Shots that are drawn anew for every token differ between
    documents and so are part of what is resampled.

    Args:
        losses: ``(rows, tokens)`` nats.
        documents: ``(tokens,)`` the document of each token.
        replicates: how many draws.
        rng: the source of the draws.

    Returns:
        ``(rows, replicates)`` float64, nats a token.
    """
    _, owner, sizes = np.unique(documents, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(owner, row, minlength=len(sizes)) for row in np.asarray(losses)])
    counts = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=replicates).astype(float)
    with np.errstate(invalid="ignore"):
        return (sums @ counts.T) / (counts @ sizes)


def resampled(documents: np.ndarray) -> str:
    """What intervals are drawn over, in words: ``20 test documents``, or ``9 windows of one test document``.

    Args:
        documents: ``(tokens,)`` of each token, below 0 where it is a window of the only document.
    """
    number, apart = len(np.unique(documents)), not (documents < 0).any()
    plural = "" if number == 1 else "s"
    return f"{number:,} test document{plural}" if apart else f"{number:,} window{plural} of one test document"


def seed_deviations(curves: np.ndarray, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Deviations of the mean over S training seeds, with the spread that S seeds show and Student's t tails.

    A replicate is Σ_s g_s (x_s − x̄) / √(S (S − 1)) · √((S − 1)/χ²), g standard normal and χ² of S − 1 degrees of
    freedom: for one number, t with S − 1 degrees of freedom times the standard error of the mean. Points of one curve
    move together, as they do from seed to seed.

    Args:
        curves: ``(S, …)`` the curve of each seed.
        replicates: how many.
        rng: the source of the draws.

    Returns:
        ``(…, replicates)``; zeros for one seed, whose spread nobody knows.
    """
    seeds = len(curves)
    if seeds < 2:
        return np.zeros((*curves.shape[1:], replicates))
    around = curves - curves.mean(axis=0)
    weights = rng.standard_normal((seeds, replicates)) / math.sqrt(seeds * (seeds - 1))
    weights *= np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, size=replicates))
    return np.tensordot(np.moveaxis(around, 0, -1), weights, axes=1)


def interval(draws: np.ndarray, clusters: int, level: float = 0.95) -> list[float | None]:
    """The expanded percentile interval of bootstrap replicates over few clusters.

    Percentile intervals are too narrow for few clusters; the quantiles are moved outwards to Φ(± t √(m/(m − 1))), t the
    quantile of Student's t with m − 1 degrees of freedom (Hesterberg, The American Statistician 69, 371 (2015)).
    Replicates that are not a number are left out, unless they are more than a twentieth.

    Args:
        draws: ``(replicates,)``.
        clusters: m, how many documents were resampled.
        level: nominal coverage.

    Returns:
        Lower and upper end; an end that is infinite is None, and both are with fewer than two clusters or no
        replicates to speak of.
    """
    from scipy import stats

    known = draws[~np.isnan(draws)]
    if clusters < 2 or len(known) < max(0.95 * len(draws), 1):
        return [None, None]
    t = stats.t.ppf((1 + level) / 2, clusters - 1) * math.sqrt(clusters / (clusters - 1))
    # Inverted, so that infinite replicates are not averaged with finite ones.
    ends = np.quantile(known, stats.norm.cdf([-t, t]), method="inverted_cdf")
    return [finite(end) for end in ends]


def finite(value: float) -> float | None:
    """The number as JSON can hold it: None for what is infinite or not a number."""
    return float(value) if math.isfinite(value) else None


def p_value(values: np.ndarray, clusters: int) -> float | None:
    """Two-sided p-value of no difference, by Student's t: intervals of replicates end where their number does.

    Args:
        values: ``(1 + R)`` the difference and its replicates.
        clusters: documents behind the replicates.

    None where there is no estimate, fewer than two documents, or more than a twentieth of the replicates are no number,
    and where both maps hold the very same losses, which leaves nothing to test.
    """
    from scipy import stats

    known = values[1:][np.isfinite(values[1:])]
    if clusters < 2 or not math.isfinite(values[0]) or len(known) < 0.95 * len(values[1:]):
        return None
    error = float(known.std()) * math.sqrt(clusters / (clusters - 1))
    return float(2 * stats.t.sf(abs(values[0]) / error, clusters - 1)) if error > 0 else None
