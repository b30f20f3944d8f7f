"""The tables about compression in the docs are those of the benchmarks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parents[2] / "docs"

WAYS = {
    "plain": "`mpo_plain`: sites as equal as they come, weights alone",
    "pivoted": "+ as few numbers as there are",
    "whitened": "+ whitened",
    "swept": "+ alternating least squares",
    "sites": "+ sites chosen: `mpo`",
    "more_sweeps": "four times the sweeps",
    "ordered": "inputs ordered by power",
    "whitened_svd": "`whitened_svd`",
}


def test_errors_are_those_of_the_benchmark():
    page = (DOCS / "compression.md").read_text(encoding="utf-8")
    table = pd.read_csv(DOCS / "data" / "mpo_errors.csv").pivot_table(
        "error", ["projection", "way"], "ratio", sort=False
    )
    for (projection, way), errors in table.iterrows():
        row = " | ".join(f"{error:.3f}" for error in errors)
        assert f"| `{projection}` | {WAYS[way]} | {row} |" in page
