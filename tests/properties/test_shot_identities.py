"""Shots: counts are whole, sum to the shots and follow their law; projections are nearest points; signs of zero."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cayley_adapters.kernels import shots
from cayley_adapters.kernels.shots import binomial, magnitudes, measure, project
from cayley_adapters.simulation.measurement import sample


def stream(state: int) -> tuple[np.uint64, float]:
    """SplitMix64 in Python's own integers."""
    mask = 2**64 - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    return state, ((z >> 11) + 0.5) / 2**53


@pytest.mark.filterwarnings("ignore:overflow")
def test_the_stream_is_splitmix64():
    """Steele, Lea and Flood's generator: its first outputs from seed 0, and (0, 1) from its top 53 bits."""
    assert int(shots._mix(shots.GOLDEN)) == 0xE220A8397B1DCDAF
    state, other = np.uint64(12345), 12345
    for _ in range(200):
        state, u = shots._uniform(np.uint64(state))
        other, expected = stream(other)
        assert int(state) == other
        assert u == expected
        assert 0 < u < 1


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4, 5, 6, 10, 50, 1000])
def test_log_factorials(k):
    assert shots._log_factorial(float(k)) == pytest.approx(math.lgamma(k + 1), abs=2e-9)


@settings(max_examples=100)
@given(st.integers(30, 5000), st.floats(0.01, 0.5), st.integers(-120, 120))
def test_acceptance_is_the_ratio_of_weights(n, p, away):
    """Whatever test decides: near the mode, by the bounds, or by factorials."""
    mode = math.floor((n + 1) * p)
    k = min(max(mode + away, 0), n)

    def log_weight(m: int) -> float:
        return m * math.log(p) + (n - m) * math.log1p(-p) - math.lgamma(m + 1) - math.lgamma(n - m + 1)

    ratio = math.exp(log_weight(k) - log_weight(mode))
    for factor, expected in ((0.999, True), (1.001, False), (0.5, True), (2.0, False)):
        if ratio > 1e-290:
            assert bool(shots._accepted(float(n), p, k, mode, ratio * factor)) is expected


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(("n", "p"), [(20, 0.1), (20, 0.9), (60, 0.4), (400, 0.6), (5000, 0.03), (9, 0.5), (1, 0.3)])
def test_binomials_follow_their_law(n, p):
    state, counts = np.uint64(7), []
    for _ in range(1500):
        state, k = binomial(float(n), p, np.uint64(state))
        counts.append(k)
    counts = np.array(counts)
    assert (counts == np.round(counts)).all()
    assert counts.min() >= 0
    assert counts.max() <= n
    law = scipy.stats.binom(n, p)
    edges = np.unique(law.ppf(np.linspace(0.02, 0.98, 12)))
    observed = np.histogram(counts, [-1, *(edges + 0.5), n + 1])[0]
    expected = np.diff([0.0, *law.cdf(edges), 1.0]) * len(counts)
    kept = expected > 1e-9
    assert observed[~kept].sum() == 0
    statistic = (np.square(observed[kept] - expected[kept]) / expected[kept]).sum()
    assert statistic < scipy.stats.chi2(max(kept.sum() - 1, 1)).ppf(0.999)


def plain(monkeypatch, numbers):
    """``binomial`` in Python, with given numbers in the place of random ones."""
    numbers = iter(numbers)
    monkeypatch.setattr(shots, "_uniform", lambda state: (state, next(numbers)))
    return getattr(binomial, "py_func", binomial)


@pytest.mark.parametrize(("n", "p"), [(60, 0.4), (30, 0.34), (400, 0.6), (5000, 0.03)])
def test_rejection_has_the_binomial_law_to_three_digits(monkeypatch, n, p):
    """Evenly spread numbers in the place of random ones: the distribution function is off by 0.0004 to 0.0008."""
    draw, counts = plain(monkeypatch, scipy.stats.qmc.Sobol(2, seed=0).random(2**15)[:20000].ravel().tolist()), []
    with contextlib.suppress(StopIteration):
        while True:
            counts.append(draw(float(n), p, 0)[1])
    grid = np.arange(n + 1)
    found = np.searchsorted(np.sort(counts), grid, side="right") / len(counts)
    np.testing.assert_allclose(found, scipy.stats.binom(n, p).cdf(grid), atol=1e-3)


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (9, 0.5), (20, 0.1), (100, 0.099), (400, 0.99)])
def test_few_expected_successes_or_failures_are_quantiles(monkeypatch, n, p):
    u = (np.arange(300) + 0.5) / 300
    draw = plain(monkeypatch, u)
    few = scipy.stats.binom(n, min(p, 1 - p)).ppf(u)
    assert [draw(float(n), p, 0)[1] for _ in u] == (few if p <= 0.5 else n - few).tolist()


def test_every_outcome_in_range_can_be_drawn_and_no_other(monkeypatch):
    """Where the second number, of rejection, is next to 0 and the first goes over its range."""
    pairs = [(u, 1e-9) for u in np.linspace(1e-4, 1 - 1e-4, 4000)]
    draw, counts = plain(monkeypatch, np.ravel(pairs).tolist()), set()
    with contextlib.suppress(StopIteration):
        while True:
            counts.add(draw(20.0, 0.5, 0)[1])
    assert counts == set(range(21))


@pytest.mark.filterwarnings("ignore:overflow")
def test_certain_and_impossible_outcomes():
    start = np.uint64(3)
    for p, expected in ((0.0, 0.0), (-0.1, 0.0), (math.nan, 0.0), (1.0, 12.0), (1.5, 12.0)):
        state, k = binomial(12.0, p, start)
        assert (state, k) == (start, expected)
    assert binomial(0.0, 0.5, start) == (start, 0.0)
    assert binomial(12.0, 0.5, start)[0] != start


def measured(p: np.ndarray, count: int, key: int = 5) -> np.ndarray:
    out = np.empty_like(p)
    measure(p, count, np.uint64(key), out)
    return out


@pytest.mark.filterwarnings("ignore:overflow")
@settings(max_examples=40)
@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 1)), st.integers(1, 300))
def test_counts_are_whole_and_sum_to_the_shots(p, count):
    found = measured(p, count) * count
    np.testing.assert_allclose(found, np.round(found), atol=1e-9)
    np.testing.assert_allclose(found.sum(-1), count)
    assert found.min() >= 0
    assert (found[(p == 0) & (p.sum(-1, keepdims=True) > 0)] == 0).all()


@pytest.mark.filterwarnings("ignore:overflow")
def test_the_mean_of_counts_is_the_probabilities():
    """Within five standard errors, for every outcome, and with the multinomial covariance of two."""
    p, rows, count = np.array([0.1, 0.2, 0.3, 0.4]), 2000, 25
    found = measured(np.tile(3 * p, (rows, 1)), count)  # rows are normalised
    error = np.sqrt(p * (1 - p) / count / rows)
    assert (np.abs(found.mean(0) - p) < 5 * error).all()
    beside = measured(np.tile([-1.0, 0.3, 0.3], (rows, 1)), count)  # what is negative counts as 0
    np.testing.assert_allclose(beside.mean(0), [0, 0.5, 0.5], atol=5 * math.sqrt(0.25 / count / rows))
    np.testing.assert_allclose(np.cov(found.T) * count, np.diag(p) - np.outer(p, p), atol=0.02)


@pytest.mark.filterwarnings("ignore:overflow")
def test_rows_have_streams_of_their_own():
    p = np.tile([0.3, 0.3, 0.4], (40, 1))
    whole = measured(p, 50)
    np.testing.assert_array_equal(measured(p[:7], 50), whole[:7])
    assert len(np.unique(whole, axis=0)) > 30
    assert not np.array_equal(measured(p, 50, key=6), whole)
    np.testing.assert_array_equal(sample(p, np.inf, np.random.default_rng(0)), p)
    in_place = p.copy()
    measure(in_place, 50, np.uint64(5), in_place)
    np.testing.assert_array_equal(in_place, whole)


@pytest.mark.filterwarnings("ignore:overflow")
def test_rows_that_are_no_probabilities():
    p = np.array([[0, 0, 0], [0, 0, 2], [-1, 0.5, 0.5], [math.nan, 0, 1], [math.inf, 0, 0], [0, 0.7, math.nan]])
    found = measured(p, 30)
    np.testing.assert_array_equal(found[0], [1, 0, 0])
    np.testing.assert_array_equal(found[1], [0, 0, 1])
    assert found[2, 0] == 0
    assert found[2].sum() == pytest.approx(1)
    assert np.isnan(found[3:]).all()


@settings(max_examples=40)
@given(hnp.arrays(np.float64, (2, 4), elements=st.floats(-3, 3)))
def test_projection_is_the_nearest_point(p):
    out = np.empty_like(p)
    project(p, out)
    assert out.min() >= 0
    np.testing.assert_allclose(out.sum(-1), 1, atol=1e-12)
    for corner in np.eye(4):
        assert (((p - out) * (corner - out)).sum(-1) <= 1e-9).all()
    again = np.empty_like(p)
    project(out, again)
    np.testing.assert_allclose(again, out, atol=1e-12)


@settings(max_examples=40)
@given(
    hnp.arrays(np.float64, (2, 3), elements=st.floats(-3, 3)),
    hnp.arrays(np.float64, (2, 3), elements=st.floats(-0.1, 1)),
)
def test_magnitudes_are_the_norm_times_the_root(x, p):
    out = np.empty_like(x)
    magnitudes(x, p, x, out)
    expected = np.linalg.norm(x, axis=1, keepdims=True) * np.sqrt(np.maximum(p, 0))
    np.testing.assert_allclose(out, np.where(x < 0, -expected, expected), atol=1e-12)


def test_sign_of_zero_is_plus_and_nan_stays():
    x, p = np.array([[3.0, 4.0]]), np.array([[0.25, math.nan]])
    out = np.empty_like(x)
    magnitudes(x, p, np.array([[-0.0, 1.0]]), out)
    assert out[0, 0] == 2.5
    assert np.isnan(out[0, 1])
    magnitudes(x, p, np.array([[-1e-300, 1.0]]), out)
    assert out[0, 0] == -2.5
