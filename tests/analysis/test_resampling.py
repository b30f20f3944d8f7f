"""Replicates and intervals against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cayley_adapters.analysis.resampling import bootstrap_means, interval, seed_deviations


def test_bootstrap_means_are_ratios_of_sums_and_paired():
    losses = np.array([[1.0, 1, 1, 5], [2.0, 2, 2, 6]])
    means = bootstrap_means(losses, np.array([7, 7, 7, 9]), 200, np.random.default_rng(0))
    np.testing.assert_allclose(means[1] - means[0], 1)  # the same documents in both rows
    assert set(np.round(means[0], 9)) == {1.0, 2.0, 5.0}  # only the first, both (3 and 1 tokens), only the second


def test_intervals_are_expanded_percentiles():
    draws = np.random.default_rng(0).standard_normal(200_000)
    for clusters in (5, 23, 1000):
        t = stats.t.ppf(0.975, clusters - 1) * np.sqrt(clusters / (clusters - 1))
        assert interval(draws, clusters) == pytest.approx([-t, t], rel=0.03)
    assert interval(draws, 1) == [None, None]
    assert interval(np.array([]), 9) == [None, None]
    assert interval(np.where(np.arange(100) < 10, np.nan, 1.0), 9) == [None, None]
    assert interval(np.where(np.arange(100) < 4, np.nan, 1.0), 9) == [1.0, 1.0]
    assert interval(np.array([0.0, np.inf] * 50), 9) == [0.0, None]


def test_intervals_of_a_mean_over_few_documents_cover_it():
    """Skewed document means, 12 documents: plain percentiles cover 89 %."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(600):
        documents = rng.gamma(4.0, size=12)
        draws = bootstrap_means(np.repeat(documents, 5)[None], np.repeat(np.arange(12), 5), 400, rng)[0]
        low, high = interval(draws, 12)
        covered.append(low <= 4 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_spread_over_seeds_is_students(seeds):
    """With seeds alone uncertain the interval is that of Student's t, and covers the mean over all seeds."""
    rng = np.random.default_rng(1)
    curves = np.array([[1.0], [1.3], [1.4], [1.6], [1.65]])[:seeds]
    deviations = seed_deviations(curves, 100_000, rng)[0]
    bound = stats.t.ppf(0.975, seeds - 1) * curves.std(ddof=1) / np.sqrt(seeds)
    assert np.quantile(deviations, [0.025, 0.975]) == pytest.approx([-bound, bound], rel=0.05)
    covered = []
    for _ in range(400):
        sample = rng.normal(2.0, 0.1, size=(seeds, 1))
        low, high = np.quantile(sample.mean() + seed_deviations(sample, 400, rng)[0], [0.025, 0.975])
        covered.append(low <= 2.0 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_points_of_one_curve_move_together_from_seed_to_seed():
    curves = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]])
    deviations = seed_deviations(curves, 50, np.random.default_rng(0))
    np.testing.assert_allclose(deviations[1], 2 * deviations[0])
    np.testing.assert_array_equal(seed_deviations(curves[:1], 7, np.random.default_rng(0)), np.zeros((2, 7)))
