"""The multiple-choice questions of a run."""

from __future__ import annotations

from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.models.texts import encyclopedia
from cayley_adapters.models.windows import load_windows
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.questions.encyclopedia import encyclopedia_questions
from cayley_adapters.questions.files import read_csv, read_jsonl
from cayley_adapters.questions.harness import harness_questions
from cayley_adapters.questions.items import QuestionSet, prompted, save_set, spread
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the questions as they will be asked, and what set they are."""
    outputs, asking = job.outputs, settings.questions
    source, form = asking.source, asking.format
    if source == "encyclopedia":
        questions = _held_out(job, settings)
    elif source == "harness":
        questions = harness_questions(str(asking.task))
    else:
        questions = {"jsonl": read_jsonl, "csv": read_csv}[source](Path(str(asking.path)))
    items = spread(questions.items, asking.limit)
    if form:
        items = tuple(prompted(item, form) for item in items)
    asked = questions.with_items(items)
    whole = {"whole_set": {"questions": len(questions.items), "version": questions.version}}
    save_set(asked, outputs["questions"], outputs["about"], format=form, **whole)
    say(f"{len(items)} of {len(questions.items)} questions of {questions.name}, version {asked.version}")
    return Outcome()


def _held_out(job: Job, settings: Settings) -> QuestionSet:
    """The embedded set, without questions about articles that this run's compression is calibrated on."""
    parts = encyclopedia()
    questions = encyclopedia_questions(parts)
    if settings.data.source != "encyclopedia":
        return questions
    count = settings.data.calibration_windows
    documents = load_windows(job.inputs["tokens"][0], "calibration").documents[:count]
    seen = {article["title"] for article in parts["calibration"][: int(documents.max()) + 1]}
    kept = [item for item in questions.items if not seen.intersection(item.choices)]
    if not kept:
        raise CayleyError("data.calibration_windows leaves no question that compression has not read of; lower it")
    if left := len(questions.items) - len(kept):
        say(f"{left} questions are left out: data.calibration_windows={count} reads the articles that they are about")
    return questions.with_items(kept)
