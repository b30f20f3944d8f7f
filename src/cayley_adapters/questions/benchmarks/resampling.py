"""Chosen documents answered many times at a temperature, as arXiv:2605.05914 asks single questions again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.questions.sampling import choice_probabilities

__all__ = ["DRAW_COLUMNS", "chosen_documents", "resample"]

DRAW_COLUMNS = ["arm", "task", "number", "temperature", "draws", "hits"]


def chosen_documents(chosen: Sequence[str], loaded: dict[str, Any]) -> list[tuple[str, int]]:
    """Tasks and numbers of documents, of words such as ``sums_of_two:3``.

    Args:
        chosen: a task and the number of one of its documents, from 0, each.
        loaded: tasks, see :func:`cayley_adapters.questions.benchmarks.tasks.find_tasks`.

    Raises:
        CayleyError: there is no such task or document, or it has neither choices nor a text to be written.
    """
    found = []
    for word in chosen:
        name, _, number = word.rpartition(":")
        task = loaded["tasks"].get(name)
        if task is None:
            known = ", ".join(loaded["tasks"])
            raise CayleyError(f"benchmarks.chosen=[{word}]: {name} is not among benchmarks.tasks, which are {known}")
        if task.OUTPUT_TYPE not in ("multiple_choice", "generate_until"):
            raise CayleyError(
                f"benchmarks.chosen=[{word}]: {name} asks for no answer that could be drawn; choose documents of a "
                "task with choices, or of one that has a text written"
            )
        if int(number) >= (count := len(task.eval_docs)):
            raise CayleyError(f"benchmarks.chosen=[{word}]: {name} has {count:,} documents, 0 to {count - 1}")
        found.append((name, int(number)))
    return found


def resample(
    arm: str,
    model: Any,
    loaded: dict[str, Any],
    chosen: Sequence[tuple[str, int]],
    temperatures: Sequence[float],
    draws: int,
    noisy: bool,
) -> pd.DataFrame:
    """Answer documents many times, and let the harness say how often that was right.

    Of choices one is drawn from the softmax of log-likelihood over temperature; under noise each draw has shots, and
    so log-likelihoods, of its own. Texts are written anew for each draw.

    Args:
        arm: name of the model.
        model: an ``lm_eval.api.model.LM`` that answers the same request, when it comes again, with other luck.
        loaded: tasks.
        chosen: task and number of each document.
        temperatures: above 0.
        draws: at each of them.
        noisy: whether shots are drawn for each request.

    Returns:
        The table of :data:`DRAW_COLUMNS`.
    """
    rows = []
    for name, number in chosen:
        task = loaded["tasks"][name]
        requests = _requests(task, number)
        for temperature in temperatures:
            answer = _choices if task.OUTPUT_TYPE == "multiple_choice" else _texts
            hits = answer(model, task, requests, temperature, draws, [number, round(temperature * 1e6)], noisy)
            rows.append([arm, name, number, temperature, draws, hits])
    return pd.DataFrame(rows, columns=DRAW_COLUMNS)


def _requests(task: Any, number: int) -> list[Any]:
    """What the harness asks of one document: without the limit of documents, which may leave it out."""
    task.build_all_requests(limit=None, samples=[number], rank=0, world_size=1)
    return list(task.instances)


def _choices(
    model: Any, task: Any, requests: list[Any], temperature: float, draws: int, seed: list[int], noisy: bool
) -> int:
    asked = [request for _ in range(draws if noisy else 1) for request in requests]
    found = np.array([value for value, _ in model.loglikelihood(asked)]).reshape(-1, len(requests))
    probabilities = np.broadcast_to(choice_probabilities(found, temperature), (draws, len(requests)))
    rng = np.random.default_rng(seed)
    hits = 0
    for row in probabilities:
        drawn = rng.choice(len(requests), p=row)
        marked = task.process_results(requests[0].doc, [(float(k == drawn), False) for k in range(len(requests))])
        hits += bool(next(iter(marked.values())))
    return hits


def _texts(
    model: Any, task: Any, requests: list[Any], temperature: float, draws: int, seed: list[int], noisy: bool
) -> int:
    (request, *_) = requests
    context, options = request.args
    drawn = options | {"do_sample": True, "temperature": temperature}
    asked = [replace(request, arguments=(context, drawn), resps=[], filtered_resps={}) for _ in range(draws)]
    hits = 0
    for one, text in zip(asked, model.generate_until(asked), strict=True):
        one.resps = [text]
        for one_filter in task._filters:
            one_filter.apply([one])
        marked = task.process_results(request.doc, [next(iter(one.filtered_resps.values()))])
        hits += bool(next(iter(marked.values())))
    return hits
