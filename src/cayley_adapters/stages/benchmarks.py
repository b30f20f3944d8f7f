"""Scores of all models on tasks of lm-evaluation-harness, comparisons and flips: tables and a picture."""

from __future__ import annotations

import pandas as pd

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import read_table, write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.questions.benchmarks.asking import DOCUMENT_COLUMNS, SCORE_COLUMNS
from cayley_adapters.questions.benchmarks.comparisons import (
    FLIP_COLUMNS,
    PAIR_COLUMNS,
    compared_pairs,
    flips,
    pairs_of,
)
from cayley_adapters.questions.benchmarks.resampling import DRAW_COLUMNS
from cayley_adapters.questions.benchmarks.tables import BENCHMARK_COLUMNS, OF_A_MODEL, benchmark_table, resampled_rows
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.figures import BENCHMARKS
from cayley_adapters.report.wandb.tracked import TrackedRun, figure_files
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``benchmarks.csv``, the tables ``benchmark_*.csv`` and the picture."""
    inputs, outputs = job.inputs, job.outputs
    models, scores = read_table(inputs["models"][0], OF_A_MODEL), read_table(inputs["scores"][0], SCORE_COLUMNS)
    table = benchmark_table(models, load_json(inputs["results"][0]), scores)
    drawn = read_table(inputs["draws"][0], DRAW_COLUMNS)
    written = pd.concat([table, resampled_rows(models, table, drawn)]) if len(drawn) else table
    pairs = pairs_of(models)
    compared = compared_pairs(pairs, scores)
    changed = flips(pairs, scores, read_table(inputs["documents"][0], DOCUMENT_COLUMNS))
    write_table(written, outputs["table"], BENCHMARK_COLUMNS)
    write_table(compared, outputs["comparisons"], PAIR_COLUMNS)
    write_table(changed, outputs["flips"], FLIP_COLUMNS)
    draw_figures(BENCHMARKS, outputs, {"benchmarks": table, "tasks": settings.benchmarks.tasks})
    for row in table.itertuples():
        say(f"{row.task} {row.metric}, {row.arm}: {row.value:.4g}")
    tracked = TrackedRun(
        "benchmarks",
        "benchmarks",
        {"model": str(models["model"].iloc[0]), "cell": "map"},
        summary={f"{row.task}/{row.metric}/{row.arm}": row.value for row in table.itertuples()},
        tables={"benchmarks_table": written, "benchmark_comparisons_table": compared},
        pictures=pictures_of(BENCHMARKS, outputs),
        made=[figure_files("benchmarks", *files_of(BENCHMARKS, outputs))],
    )
    return Outcome(tracked=[tracked])
