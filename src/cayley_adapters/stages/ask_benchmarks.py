"""The answers of each model to tasks of lm-evaluation-harness, and the harness's own results."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.questions.benchmarks.asking import (
    DOCUMENT_COLUMNS,
    KEPT,
    SCORE_COLUMNS,
    ask_tasks,
    documents,
    scores,
)
from cayley_adapters.questions.benchmarks.language_model import harness_model
from cayley_adapters.questions.benchmarks.requests import Answered
from cayley_adapters.questions.benchmarks.resampling import DRAW_COLUMNS, chosen_documents, resample
from cayley_adapters.questions.benchmarks.tables import OF_A_MODEL
from cayley_adapters.questions.benchmarks.tasks import find_tasks, fresh_tasks
from cayley_adapters.settings import Settings
from cayley_adapters.stages.benchmark_models import benchmark_models
from cayley_adapters.stages.common import model_folder, use_threads

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the models, the harness's results of each, and what each got for each document.

    Each answer is kept as it comes, in a file of its model's, so that a run that is cut off, or is asked for further
    tasks or models, asks for nothing twice.
    """
    outputs, options = job.outputs, settings.benchmarks
    use_threads(options.threads)
    loaded = find_tasks(options.tasks, options.include)
    fresh_tasks(loaded, options.num_fewshot)
    chosen = chosen_documents(options.chosen, loaded)
    tokenizer = load_tokenizer(model_folder(job.inputs["model"][0]))
    models, results, scored, read = list[dict[str, Any]](), dict[str, Any](), list[pd.DataFrame](), pd.DataFrame()
    drawn = list[pd.DataFrame]()
    for asked in benchmark_models(job, settings):
        name = asked.columns["arm"]
        answered = Answered(Path(job.base, "benchmarks", "answers", f"{name}.jsonl"), asked.key)
        progress = Progress(f"{job.label} {name}")
        try:
            model = harness_model(asked.model, tokenizer, asked.begin, answered, progress)
            found = ask_tasks(model, loaded, options.limit)
            asked_again = (options.temperatures, options.draws, asked.begin is not None)
            drawn.append(resample(name, model, loaded, chosen, *asked_again))
        finally:
            answered.close()
        models.append(asked.columns)
        results[name] = {key: found[key] for key in KEPT if key in found}
        scored.append(scores(name, found))
        read = documents(found)
        say(f"{name}: {len(scored[-1])} scores of {len(loaded['tasks'])} tasks")
    write_table(models, outputs["models"], OF_A_MODEL)
    write_table(pd.concat(scored), outputs["scores"], SCORE_COLUMNS)
    write_table(read, outputs["documents"], DOCUMENT_COLUMNS)
    write_table(pd.concat(drawn), outputs["draws"], DRAW_COLUMNS)
    write_file(outputs["results"], json.dumps(_plain(results), indent=1, ensure_ascii=False) + "\n")
    return Outcome()


def _plain(value: Any) -> Any:
    """The same in JSON's own types; null for what is no number."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None
