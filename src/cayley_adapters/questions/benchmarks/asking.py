"""One model put to tasks by lm-evaluation-harness, and what of its results is kept."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.questions.benchmarks.tasks import quiet

__all__ = ["DOCUMENT_COLUMNS", "KEPT", "SCORE_COLUMNS", "ask_tasks", "documents", "scores"]

DRAWS = 1000
"""Replicates of the harness's own bootstrap, for metrics that are no mean."""

KEPT = (
    *("results", "groups", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples"),
    "chance",
)
SCORE_COLUMNS = ["arm", "task", "filter", "number", "metric", "score", "weight", "answer"]
DOCUMENT_COLUMNS = ["task", "number", "question", "right_answer"]


def ask_tasks(model: Any, loaded: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """Let the harness evaluate a model.

    Args:
        model: an ``lm_eval.api.model.LM``.
        loaded: tasks, see :func:`cayley_adapters.questions.benchmarks.tasks.find_tasks`.
        limit: the first so many documents of each task; all if None.

    Returns:
        What ``lm_eval.evaluate`` returns, ``samples`` included, and ``chance``: what guessing gets right of a task of
        choices.
    """
    from lm_eval import evaluate

    os.environ["DISABLE_MULTIPROC"] = "1"  # of the bootstrap: a job keeps to its threads
    with quiet():
        found: dict[str, Any] = evaluate(
            lm=model, task_dict=loaded, limit=limit, bootstrap_iters=DRAWS, log_samples=True
        )
    for about in found["configs"].values():
        about.get("metadata", {}).pop("config_source", None)  # a path of this machine
    found["chance"] = {
        name: float(np.mean([1 / len({text for _, text in sample["arguments"]}) for sample in found["samples"][name]]))
        for name, task in loaded["tasks"].items()
        if task.OUTPUT_TYPE == "multiple_choice" and not task.multiple_input
    }
    return found


def documents(found: dict[str, Any]) -> pd.DataFrame:
    """Each document of each task: what the model was given to read, and the right answer."""
    rows = []
    for task, samples in found["samples"].items():
        for sample in {sample["doc_id"]: sample for sample in samples}.values():
            question, *rest = sample["arguments"][0]
            rows.append([task, sample["doc_id"], question, _right(sample, rest)])
    return pd.DataFrame(rows, columns=DOCUMENT_COLUMNS)


def scores(arm: str, found: dict[str, Any]) -> pd.DataFrame:
    """What a model got for each document of each task, a row a metric.

    A score with a weight is a sum of log-likelihoods and the words or bytes that it is of; others have none.
    """
    rows = []
    for task, samples in found["samples"].items():
        for sample in samples:
            for metric in sample["metrics"]:
                score, weight = _numbers(sample[metric])
                rows.append([arm, task, sample["filter"], sample["doc_id"], metric, score, weight, _answer(sample)])
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def _numbers(value: Any) -> tuple[float, float]:
    """A document's score and its weight; not a number where the harness keeps something else."""
    pair = value if isinstance(value, list | tuple) else (value, math.nan)
    try:
        score, weight = pair
        return float(score), float(weight)
    except (TypeError, ValueError):
        return math.nan, math.nan


def _right(sample: dict[str, Any], rest: list[Any]) -> str:
    target = sample["target"]
    choices = [text for _, text in sample["arguments"]] if len(sample["arguments"]) > 1 else []
    if isinstance(target, int) and 0 <= target < len(choices):
        return str(choices[target]).strip()
    return str(target).strip()


def _answer(sample: dict[str, Any]) -> str:
    """What a model answered, in words: the likeliest choice, or its text; empty where likelihood alone counts."""
    given = sample["filtered_resps"]
    if len(given) > 1 and all(isinstance(pair, list | tuple) for pair in given):
        best = int(np.argmax([pair[0] for pair in given]))
        return str(sample["arguments"][best][1]).strip()
    answer = given[0]
    answer = answer[0] if isinstance(answer, list) and answer else answer
    return answer.strip() if isinstance(answer, str) else ""
