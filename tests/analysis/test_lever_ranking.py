"""Projections in the order of their worth, and how many of them a budget takes."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.analysis.lever_ranking import RANKING_COLUMNS, best_ranked, rank, read_ranking
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import write_table


def table(*rows):
    names = ("projection", "gain", "cost", "cost_se", "inputs")
    return pd.DataFrame([dict(zip(names, row, strict=True)) for row in rows]).assign(layer=0, gain_se=0.0)


def test_gain_for_each_unit_of_cost_decides():
    ranked = rank(
        table(
            ("layers.0.a", 0.02, 0.10, 0.001, 8),
            ("layers.0.b", 0.01, 0.01, 0.001, 8),
            ("layers.0.harmful", -0.01, 0.02, 0.001, 8),
            ("layers.0.useless", 0.0, 0.001, 0.0005, 8),
        )
    )
    assert list(ranked["projection"]) == ["layers.0.b", "layers.0.a", "layers.0.useless", "layers.0.harmful"]
    assert list(ranked["rank"]) == [1, 2, 3, 4]


def test_a_cost_that_is_not_known_makes_no_miracle():
    ranked = rank(table(("sure", 0.02, 0.02, 0.001, 8), ("lucky", 0.001, -0.002, 0.01, 8)))
    assert list(ranked["projection"]) == ["sure", "lucky"]


figures = st.floats(-0.1, 0.1, allow_nan=False)
rows = st.lists(st.tuples(figures, figures, st.floats(1e-6, 0.01), st.sampled_from([8, 24])), min_size=1, max_size=12)


@given(rows, st.floats(1, 400))
def test_a_budget_is_kept_and_used(values, budget):
    ranked = rank(table(*((f"layers.{i}.p", *value) for i, value in enumerate(values))))
    chosen = best_ranked(ranked, budget)
    sizes = ranked.set_index("projection")["inputs"]
    assert len(set(chosen)) == len(chosen) >= 1
    assert chosen[0] in set(ranked["projection"])
    if sizes[ranked["projection"].iloc[0]] <= budget:
        assert sizes[chosen].sum() <= budget
        left = budget - sizes[chosen].sum()
        assert all(size > left for name, size in sizes.items() if name not in chosen)


def test_names_come_in_the_order_of_the_model():
    ranked = rank(table(*((f"model.layers.{i}.q", 0.1 - i / 1000, 0.1, 0.001, 8) for i in (2, 10, 1))))
    assert best_ranked(ranked, 100) == ["model.layers.1.q", "model.layers.2.q", "model.layers.10.q"]


def test_a_damaged_ranking_is_refused(tmp_path):
    write_table(rank(table(("a", 0.1, 0.1, 0.1, 8))), tmp_path / "ranking.csv", RANKING_COLUMNS)
    assert read_ranking(tmp_path / "ranking.csv")["projection"].tolist() == ["a"]
    text = (tmp_path / "ranking.csv").read_text()
    (tmp_path / "ranking.csv").write_text(text.replace("0.1", "nan", 1))
    with pytest.raises(CayleyError, match="where a number is needed"):
        read_ranking(tmp_path / "ranking.csv")
