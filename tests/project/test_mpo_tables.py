"""The tables about matrix product operators in the docs are those of `benchmarks/bench_mpo.py`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parents[2] / "docs"

WAYS = {
    "plain": "`mpo_plain`: sites as equal as they come, weights alone",
    "pivoted": "+ no number stored twice",
    "whitened": "+ whitened",
    "swept": "+ alternating least squares",
    "sites": "+ sites chosen: `mpo`",
    "more_sweeps": "four times the sweeps",
    "ordered": "inputs ordered by power",
    "whitened_svd": "`whitened_svd`",
}


def test_errors_are_those_of_the_benchmark():
    page = (DOCS / "science.md").read_text(encoding="utf-8")
    table = pd.read_csv(DOCS / "data" / "mpo_errors.csv").pivot_table(
        "error", ["projection", "way"], "ratio", sort=False
    )
    for (projection, way), errors in table.iterrows():
        row = " | ".join(f"{error:.3f}" for error in errors)
        assert f"| `{projection}` | {WAYS[way]} | {row} |" in page


def test_perplexities_are_those_of_the_benchmark():
    page = (DOCS / "science.md").read_text(encoding="utf-8")
    table = pd.read_csv(DOCS / "data" / "mpo_perplexity.csv")
    for (method, allocation), rows in table.groupby(["method", "allocation"], sort=False):
        values = " | ".join(f"{value:.1f}" for value in rows.sort_values("ratio").perplexity)
        assert f"| `{method}`, {allocation} | {values} |" in page
    assert (abs(table.removed - table.ratio) < 0.005).all()
