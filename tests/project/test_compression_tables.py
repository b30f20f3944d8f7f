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


def compression() -> tuple[str, pd.DataFrame]:
    """The page, and what `benchmarks/bench_compression.py` measured."""
    table = pd.read_csv(DOCS / "data" / "compression.csv")
    return (DOCS / "compression.md").read_text(encoding="utf-8"), table


def test_perplexities_are_those_of_the_benchmark():
    page, table = compression()
    plain = table[(table.targets == "MLP") & table.ratio.isin([0.1, 0.2, 0.3, 0.4, 0.5])]
    rows = {method: list(found.sort_values("ratio").perplexity) for method, found in plain.groupby("method")}
    for method, found in rows.items():
        cells = [f"{value:.2f}" for value in found] + [""] * (5 - len(found))
        assert " ".join(f"| `{method}` | {' | '.join(cells)} |".split()) in " ".join(page.split())
    for row in table[~table.ratio.isin([0.1, 0.2, 0.3, 0.4, 0.5])].itertuples():
        assert f"| {row.parameters:,} | {row.perplexity:.2f} | {row.times:.2f} |" in page


def test_speeds_are_those_of_the_benchmark():
    page, table = compression()
    chosen = [
        table[(table.method == "width") & (table.targets == "MLP") & (table.ratio != 0.498)],
        table[table.widths == "paper"],
        table[table.method == "whitened_svd"],
    ]
    for name in ("forward", "step"):
        cells = [f"{value:.2f}" for found in chosen for value in found.sort_values("ratio")[name]]
        assert f"| {name} | {' | '.join(cells)} |" in page
