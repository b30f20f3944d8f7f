"""Tasks of lm-evaluation-harness, MMLU above all: its own documents, prompts and choices."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.questions.benchmarks.tasks import manager_of
from cayley_adapters.questions.items import Item, QuestionSet

__all__ = ["harness_questions"]


def harness_questions(task: str, include: Path | None = None) -> QuestionSet:
    """Build a task, or all tasks of a group, and take over what the harness would ask, without examples in the prompt.

    Args:
        task: a name that the harness knows, such as ``mmlu`` or ``mmlu_anatomy``.
        include: folder with further task files; Python code that they name runs.

    Raises:
        CayleyError: the harness is not installed, knows no such task, cannot fetch its data, or asks something else
            than multiple choice.
    """
    manager = manager_of([task], [] if include is None else [str(include)])
    if task not in manager.all_tasks:
        close = nearest(task, manager.all_tasks)
        raise CayleyError(f"questions.task={task}: lm-evaluation-harness has no such task{close}")
    try:
        tasks = manager.load([task])["tasks"]
    except Exception as error:  # datasets and the hub client raise many classes, all meaning that the data is not there
        raise CayleyError(
            f"questions.task={task}: could not fetch its data from the Hugging Face hub ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}).\nCheck the network; without one, use the embedded "
            "questions (questions=encyclopedia) or your own (questions=jsonl or questions=csv, questions.path=FILE)."
        ) from error
    items = [item for name, one in tasks.items() for item in _items(name, one)]
    versions = sorted({str(one.VERSION) for one in tasks.values()})
    source = f"lm-evaluation-harness task {task}, version {', '.join(versions)}"
    return QuestionSet(task, source, "see the dataset's page on the hub", tuple(items))


def _items(name: str, task: Any) -> list[Item]:
    if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input:
        asked = task.OUTPUT_TYPE + (" with a context for each choice" if task.multiple_input else "")
        raise CayleyError(f"questions.task: {name} asks for {asked}; choose a multiple_choice task such as mmlu")
    task.build_all_requests(rank=0, world_size=1)
    grouped: dict[int, list[Any]] = defaultdict(list)
    for request in task.instances:
        if request.args[0]:  # without a context it serves acc_mutual_info
            grouped[request.doc_id].append(request)
    return [_item(name, task, requests) for requests in grouped.values()]


def _item(name: str, task: Any, requests: list[Any]) -> Item:
    document, scored = requests[0].doc, task.doc_to_choice(requests[0].doc)
    given, shown = task.doc_to_target(document), document.get("choices")
    if not (isinstance(shown, list) and len(shown) == len(scored) and all(isinstance(text, str) for text in shown)):
        shown = scored  # where letters are scored, people want to read the choices
    question = document.get("question")
    return Item(
        id=f"{name}/{requests[0].doc_id}",
        topic=name,
        question=(question if isinstance(question, str) else requests[0].args[0]).strip(),
        choices=tuple(shown),
        answer=scored.index(given) if isinstance(given, str) else int(given),
        prompt=requests[0].args[0],
        continuations=tuple(request.args[1] for request in requests),
        lengths=tuple(map(len, scored)),
    )
