"""The blocks of numbers about benchmarks: the panel of the default run, and which gains of perplexity show in it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from number_blocks import block
from number_tables import Measured
from number_words import table

from cayley_adapters.report.plots.benchmarks import model_labels, shown_metrics
from cayley_adapters.report.words import interval, listing, perplexity, share, significant, whole

__all__ = ["panel", "panel_differences"]


def _tables(found: Measured) -> tuple[pd.DataFrame, dict[str, str], list[tuple[str, str, str]]]:
    """Rows that are not of single documents, the name of each model, and what stands for each task."""
    rows = pd.read_csv(found.folder / "benchmarks.csv", dtype={"filter": str})
    rows = rows[rows["metric"] != "resampled"]
    models = rows.drop_duplicates("arm")
    labels = dict(zip(models["arm"], model_labels(models), strict=True))
    return rows, labels, shown_metrics(rows, list(dict.fromkeys(rows["task"])))


@block("quickstart", "benchmarks.csv")
def panel(found: Measured) -> str:
    """A row a model, a column a task, with 95 % intervals."""
    rows, labels, shown = _tables(found)
    head = ["model"]
    for task, metric, _ in shown:
        first = rows[(rows["task"] == task) & (rows["metric"] == metric)].iloc[0]
        chance = "" if pd.isna(first["chance"]) else f", chance {first['chance']:g}"
        head.append(f"`{task}`: {metric.replace('_', ' ')} of {whole(first['documents'])}{chance}")
    cells = rows.set_index(["arm", "task", "metric", "filter"])
    return table(
        head,
        [[label, *(_value(cells.loc[(arm, *key)]) for key in shown)] for arm, label in labels.items()],
    )


def _value(row: Any) -> str:
    write = perplexity if "perplexity" in row.name[2] else share
    return f"{write(row['value'])} ({interval(row['value_ci95_low'], row['value_ci95_high'], write)})"


@block("quickstart", "benchmark_comparisons.csv", "benchmarks.csv")
def panel_differences(found: Measured) -> str:
    """Of each two models, in which tasks one is better than the other and in which that cannot be told."""
    _, labels, shown = _tables(found)
    pairs = pd.read_csv(found.folder / "benchmark_comparisons.csv", dtype={"filter": str})
    chosen = pairs[[key in shown for key in zip(pairs["task"], pairs["metric"], pairs["filter"], strict=True)]]
    told = [
        [
            f"{labels[second]} against {labels[first]}",
            _tasks(rows[(rows["p_holm"] < 0.05) & (rows["difference"] > 0)]),
            _tasks(rows[(rows["p_holm"] < 0.05) & (rows["difference"] < 0)]),
            _tasks(rows[~(rows["p_holm"] < 0.05)]),
        ]
        for (first, second), rows in chosen.groupby(["first", "second"], sort=False)
    ]
    count = int(pairs["comparisons"].iloc[0])
    return (
        f"{table(['', 'better', 'worse', 'cannot be told'], told)}\n\nDifferences, above 0 where the first named is "
        f"better, of shares of right answers, or in nats, a word or a last word; p below 0.05, adjusted for {count} "
        f"comparison{'s' if count > 1 else ''} (Holm)."
    )


def _tasks(rows: pd.DataFrame) -> str:
    told = [f"`{row.task}` {significant(row.difference, 2)}" for row in rows.itertuples()]
    return listing(told) if told else "–"
