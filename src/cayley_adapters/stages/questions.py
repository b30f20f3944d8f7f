"""Accuracy, comparisons, flips and sampled answers: tables and a picture."""

from __future__ import annotations

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.reading import load_arrays
from cayley_adapters.core.tables import read_table, write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.questions.items import load_set
from cayley_adapters.questions.statistics import COMPARISON_COLUMNS, compare
from cayley_adapters.questions.tables import (
    ARM_COLUMNS,
    SAMPLE_COLUMNS,
    TABLE_COLUMNS,
    TEXT_COLUMNS,
    Marked,
    flips,
    samples,
    table,
)
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.figures import QUESTIONS
from cayley_adapters.report.wandb.tracked import TrackedRun, figure_files
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``questions.csv``, the tables ``question_*.csv`` and the picture."""
    inputs, outputs = job.inputs, job.outputs
    questions, about = load_set(inputs["questions"][0], inputs["about"][0])
    arms = read_table(inputs["arms"][0], ARM_COLUMNS)
    log_likelihood, chosen = load_arrays(inputs["answers"][0], "log_likelihood", "chosen")
    names, items = arms["arm"].tolist(), questions.items
    marked = Marked(items, log_likelihood)
    accuracy, comparisons = table(arms, questions, about["format"], marked), compare(names, marked.right)
    changed = flips(names, items, marked)
    drawn = samples(
        names,
        items,
        marked,
        chosen.tolist(),
        settings.questions.temperatures,
        settings.questions.draws,
        read_table(inputs["texts"][0], TEXT_COLUMNS),
    )
    write_table(accuracy, outputs["table"], TABLE_COLUMNS)
    write_table(comparisons, outputs["comparisons"], COMPARISON_COLUMNS)
    write_table(changed, outputs["flips"], list(changed.columns))
    write_table(drawn, outputs["samples"], SAMPLE_COLUMNS)
    given = {"questions": accuracy, "question_comparisons": comparisons, "question_flips": changed}
    draw_figures(QUESTIONS, outputs, given | {"question_samples": drawn})
    for row in accuracy.itertuples():
        interval = f"{row.accuracy_ci95_low:.1%} to {row.accuracy_ci95_high:.1%}"
        say(f"{row.arm}: {row.correct} of {row.questions} right, {row.accuracy:.1%} ({interval})")
    tracked = TrackedRun(
        "questions",
        "questions",
        {
            "model": str(accuracy["model"].iloc[0]),
            "cell": "map",
            "question_set": questions.name,
            "question_set_version": questions.version,
        },
        summary={f"accuracy/{row.arm}": row.accuracy for row in accuracy.itertuples()},
        tables={"questions_table": accuracy, "question_comparisons_table": read_table(outputs["comparisons"])},
        pictures=pictures_of(QUESTIONS, outputs),
        made=[figure_files("questions", *files_of(QUESTIONS, outputs))],
    )
    return Outcome(tracked=[tracked])
