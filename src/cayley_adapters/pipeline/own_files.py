"""The user's own files that a job reads beside what other jobs made: text, a model's folder, questions."""

from __future__ import annotations

from pathlib import Path

from cayley_adapters.core.job import Job
from cayley_adapters.models.files import model_files
from cayley_adapters.questions.benchmarks.tasks import task_files

__all__ = ["own_files"]


def own_files(job: Job) -> list[Path]:
    """Files whose editing makes anew what a job made of them; those that are not there are named all the same.

    What lies elsewhere is named by a hash already: a package, or a revision of the Hugging Face hub.
    """
    if job.stage == "question_set":
        path = job.leaves["questions.path"]
        return [Path(path)] if path else []
    if job.stage == "ask_benchmarks":
        return task_files(job.leaves["benchmarks.include"])
    if job.stage != "prepare":
        return []
    data, path = job.leaves["data"], job.leaves["model"]["path"]
    texts = [Path(name) for part in ("train", "test") for name in data[part] or ()]
    if path is None:
        return texts
    model = Path(path).expanduser()
    return texts + (model_files(model) if model.is_dir() else [model])
