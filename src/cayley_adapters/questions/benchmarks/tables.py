"""What lm-evaluation-harness found of several models, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cayley_adapters.questions.benchmarks.comparisons import intervals
from cayley_adapters.questions.statistics import wilson

__all__ = ["BENCHMARK_COLUMNS", "OF_A_MODEL", "RESAMPLED", "benchmark_table", "resampled_rows"]

OF_A_MODEL = [
    *("arm", "method", "model", "compression_ratio", "block_dim", "executor", "noise_scale", "shots", "readout"),
    *("mitigation", "backend", "seed", "adapter_parameters"),
]
BENCHMARK_COLUMNS = [
    *OF_A_MODEL,
    *("task", "version", "metric", "filter", "num_fewshot", "documents", "value", "stderr", "chance"),
    *("higher_is_better", "value_ci95_low", "value_ci95_high", "number", "temperature", "draws"),
]


RESAMPLED = "resampled"
"""Metric of a document that was answered many times: the share of right answers."""

Z = 1.959964
"""Standard errors in half an interval of 95 %."""


def benchmark_table(models: pd.DataFrame, results: dict[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    """One row a model, task and metric.

    Args:
        models: a row a model, with ``arm``.
        results: arm → the harness's results, see :data:`cayley_adapters.questions.benchmarks.asking.KEPT`.
        scores: :data:`cayley_adapters.questions.benchmarks.asking.SCORE_COLUMNS`, for the intervals.

    Returns:
        The table of :data:`BENCHMARK_COLUMNS`, the models of a metric one below the other. ``value`` and ``stderr`` are
        the harness's own; ``stderr`` is empty where it has none. Intervals are those over documents, and of a
        group the normal one of its standard error.
    """
    known = intervals(scores)
    rows = []
    for model in models.to_dict("records"):
        for row in _rows(results.get(str(model["arm"]), {})):
            key = (str(model["arm"]), row["task"], row["metric"], row["filter"])
            low, high = known.get(key, (row["value"] - Z * row["stderr"], row["value"] + Z * row["stderr"]))
            rows.append(dict(model) | row | {"value_ci95_low": low, "value_ci95_high": high})
    table = pd.DataFrame(rows, columns=BENCHMARK_COLUMNS)
    order = {key: place for place, key in enumerate(dict.fromkeys(zip(table["task"], table["metric"], strict=True)))}
    places = [order[key] for key in zip(table["task"], table["metric"], strict=True)]
    table = table.iloc[pd.Series(places).sort_values(kind="stable").index] if len(table) else table
    return table.reset_index(drop=True).astype({"block_dim": "Int64", "seed": "Int64", "num_fewshot": "Int64"})


def resampled_rows(models: pd.DataFrame, table: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """Rows of the same table for documents that were answered many times, with Wilson's intervals of the share.

    Args:
        models: a row a model, with ``arm``.
        table: what :func:`benchmark_table` returned, for the tasks' versions and examples.
        drawn: :data:`cayley_adapters.questions.benchmarks.resampling.DRAW_COLUMNS`.
    """
    known = models.set_index("arm", drop=False)
    about = table.drop_duplicates("task").set_index("task")
    rows = []
    for row in drawn.itertuples():
        low, high = wilson(row.hits, row.draws)
        task = about.loc[row.task]
        rows.append(
            known.loc[row.arm].to_dict()
            | {name: task[name] for name in ("version", "num_fewshot", "chance")}
            | {"task": row.task, "metric": RESAMPLED, "documents": 1, "value": row.hits / row.draws}
            | {"higher_is_better": True, "value_ci95_low": low, "value_ci95_high": high}
            | {"number": row.number, "temperature": row.temperature, "draws": row.draws}
        )
    return pd.DataFrame(rows, columns=BENCHMARK_COLUMNS)


def _rows(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for task, values in (found.get("results", {}) | found.get("groups", {})).items():
        for key, value in values.items():
            metric, _, filtered = key.partition(",")
            if not filtered or metric.endswith("_stderr") or isinstance(value, str):
                continue
            error = values.get(f"{metric}_stderr,{filtered}")
            chance = found.get("chance", {}).get(task)
            yield {
                "task": task,
                "version": found.get("versions", {}).get(task),
                "metric": metric,
                "filter": filtered,
                "num_fewshot": found.get("n-shot", {}).get(task),
                "documents": values.get("sample_len", found.get("n-samples", {}).get(task, {}).get("effective")),
                "value": math.nan if value is None else value,
                "stderr": error if isinstance(error, float | int) else math.nan,
                "chance": chance if metric in ("acc", "acc_norm") else None,
                "higher_is_better": (found.get("higher_is_better", {}).get(task) or {}).get(metric),
            }
