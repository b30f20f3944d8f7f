"""Scores of all models on tasks of lm-evaluation-harness: one table."""

from __future__ import annotations

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import read_table, write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.questions.benchmarks.tables import BENCHMARK_COLUMNS, OF_A_MODEL, benchmark_table
from cayley_adapters.report.wandb.tracked import TrackedRun
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``benchmarks.csv``."""
    models = read_table(job.inputs["models"][0], OF_A_MODEL)
    table = benchmark_table(models, load_json(job.inputs["results"][0]))
    write_table(table, job.outputs["table"], BENCHMARK_COLUMNS)
    for row in table.itertuples():
        say(f"{row.task} {row.metric}, {row.arm}: {row.value:.4g}")
    tracked = TrackedRun(
        "benchmarks",
        "benchmarks",
        {"model": str(models["model"].iloc[0]), "cell": "map"},
        summary={f"{row.task}/{row.metric}/{row.arm}": row.value for row in table.itertuples()},
        tables={"benchmarks_table": table},
    )
    return Outcome(tracked=[tracked])
