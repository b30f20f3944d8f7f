"""Tasks of lm-evaluation-harness: its own, those embedded here, and those in folders of the user's."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache, partialmethod
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.core.extras import lacking
from cayley_adapters.questions.benchmarks.documents import DOCUMENTS

__all__ = ["PANEL", "find_tasks", "fresh_tasks", "manager_of", "quiet", "task_files"]

PANEL = Path(__file__).parent / "panel"
"""Folder of the embedded tasks, as files of the harness's own."""


def find_tasks(names: Sequence[str], include: Sequence[str] = ()) -> dict[str, Any]:
    """Load tasks and groups with their data, from this machine alone.

    Data sets are data: none of their own code runs, which the ``datasets`` library no longer does. Python that a task
    file of the user's names does run.

    Args:
        names: what the harness knows by name, or the embedded tasks or the user's; a group stands for all its tasks.
        include: folders with further task files; a name of theirs wins over one of the harness.

    Returns:
        What ``TaskManager.load`` returns: ``tasks``, ``groups`` and ``group_map``.

    Raises:
        CayleyError: the harness is not installed, knows no such task, or its data is not on this machine; the message
            has the command that fetches it.
    """
    with quiet(), _offline():
        manager = manager_of(names, include)
        if unknown := [name for name in names if name not in manager.all_tasks]:
            close = nearest(unknown[0], [*DOCUMENTS, *manager.all_tasks])
            raise CayleyError(
                f"benchmarks.tasks=[{unknown[0]}]: lm-evaluation-harness has no such task or group{close}; "
                "`lm_eval ls tasks` lists them, and benchmarks.include=[FOLDER] adds your own"
            )
        found: dict[str, Any] = {"tasks": {}, "groups": {}, "group_map": {}}
        for name in names:
            try:
                loaded = manager.load([name])
            except Exception as error:  # datasets and the hub client raise many classes
                raise CayleyError(_not_here(name, include, error)) from error
            for kind, entries in found.items():
                entries |= loaded.get(kind, {})
    return found


def manager_of(names: Sequence[str], include: Sequence[str] = ()) -> Any:
    """What knows tasks by name, with as few of the harness's own thousands as will do: it takes seconds to read them.

    Args:
        names: tasks and groups that are wanted.
        include: folders with further task files.

    Raises:
        CayleyError: the harness is not installed.
    """
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise CayleyError(f"lm-evaluation-harness is needed for its tasks: {lacking('lm_eval')}") from error
    folders = [str(PANEL), *include]
    few = TaskManager(include_path=folders, include_defaults=False)
    if set(names) <= set(few.all_subtasks):
        return few
    return TaskManager(include_path=folders) if include else _every_task()


@cache
def _every_task() -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=[str(PANEL)])


def _not_here(name: str, include: Sequence[str], error: Exception) -> str:
    """What to say of a task whose data cannot be had, with the command that fetches it as the harness does."""
    said = str(error).splitlines()[0] if str(error) else ""
    where = f"include_path={list(include)}" if include else ""
    fetch = f"from lm_eval.tasks import TaskManager; TaskManager({where}).load(['{name}'])"
    return (
        f"benchmarks.tasks=[{name}]: its data is not on this machine ({type(error).__name__}: {said[:200]}). "
        f'Where there is a network, fetch it first: python -c "{fetch}"; or keep to the embedded tasks '
        f"{', '.join(DOCUMENTS)}"
    )


def fresh_tasks(loaded: dict[str, Any], shots: int | None) -> None:
    """Set how many examples each task's prompts have, as the harness's own command does, and in what order.

    Args:
        loaded: by :func:`find_tasks`.
        shots: examples; None is the task's own number. A task that says that it has none keeps to it.
    """
    for task in loaded["tasks"].values():
        own = task.get_config("num_fewshot")
        if own is None or (shots is not None and own != 0):
            task.set_config(key="num_fewshot", value=shots or 0)
        task.set_fewshot_seed(seed=1234)  # the harness's default


def task_files(include: Sequence[str]) -> list[Path]:
    """All files in folders of the user's, whose editing makes their results anew; the embedded are part of the code."""
    return sorted(path for name in include for path in Path(name).rglob("*") if path.is_file() and _counts(path))


def _counts(path: Path) -> bool:
    return "__pycache__" not in path.parts and not path.name.startswith(".")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the harness from telling of what it does, in dozens of lines and bars a task; errors are told."""
    from tqdm.std import tqdm

    logger, drawn = logging.getLogger("lm_eval"), tqdm.__init__
    before = logger.level
    logger.setLevel(logging.ERROR)
    tqdm.__init__ = partialmethod(drawn, disable=True)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)
        tqdm.__init__ = drawn


@contextmanager
def _offline() -> Iterator[None]:
    """Let data sets come from the cache alone."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
