"""Intervals and tests against closed forms and published values."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.core.statistics import holm
from cayley_adapters.questions.statistics import COMPARISON_COLUMNS, compare, mcnemar, paired_interval, wilson

Z = 1.959963984540054


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_is_the_closed_form(total, data):
    correct = data.draw(st.integers(0, total))
    p = correct / total
    middle, half = p + Z**2 / (2 * total), Z * sqrt(p * (1 - p) / total + Z**2 / (4 * total**2))
    expected = [(middle + sign * half) / (1 + Z**2 / total) for sign in (-1, 1)]
    assert wilson(correct, total) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_two_sided_binomial_tail(b, c):
    n = b + c
    tail = sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    assert mcnemar(b, c) == pytest.approx(min(1, 2 * tail) if b != c else 1, abs=1e-12)


def test_the_paired_interval_is_newcombes():
    # An example of Newcombe (1998), method 10: 36, 12, 2, 0; p1 − p2 there, the second minus the first here.
    assert paired_interval(36, 2, 12, 0) == pytest.approx((0.0569, 0.3404), abs=6e-5)
    # Without a right answer there is no correlation, and Wilson's upper limit is how far it may reach.
    _, high = wilson(0, 50)
    assert paired_interval(0, 0, 0, 50) == pytest.approx((-high, high))


def test_the_paired_interval_covers_the_truth():
    """Of 95 % intervals of correlated answers, 95 in 100 hold the true difference, within chance."""
    generator, inside = np.random.default_rng(0), 0
    cells, truth = np.array([0.5, 0.15, 0.05, 0.3]), 0.05 - 0.15
    for counts in generator.multinomial(200, cells, size=500):
        low, high = paired_interval(*map(int, counts))
        inside += low <= truth <= high
    assert 0.93 <= inside / 500 <= 0.975


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.02]) == pytest.approx([0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= -1e-12).all()


def test_all_pairs_are_compared_on_the_same_questions():
    right = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0]], dtype=bool)
    table = compare(["a", "b", "c"], right)
    assert list(table.columns) == COMPARISON_COLUMNS
    assert table[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert table.iloc[0][["both_right", "only_first", "only_second", "both_wrong"]].tolist() == [2, 1, 1, 1]
    assert table["accuracy_difference"].tolist() == pytest.approx([0, -0.6, -0.6])
    assert table["mcnemar_p"].tolist() == pytest.approx([1, 0.25, 0.25])
    assert table["mcnemar_p_holm"].tolist() == pytest.approx([1, 0.75, 0.75])
    assert (table["comparisons"] == 3).all()
    assert (
        (table["ci95_low"] <= table["accuracy_difference"]) & (table["accuracy_difference"] <= table["ci95_high"])
    ).all()
