"""Keep the uncompressed model's predictions on the training windows, for distillation."""

from __future__ import annotations

from cayley_adapters.corpus import load_windows
from cayley_adapters.layout import Job
from cayley_adapters.models import set_threads
from cayley_adapters.progress import Progress
from cayley_adapters.stages.common import base_model
from cayley_adapters.training import save_targets, teacher_targets

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the teacher's top-k log-probabilities for as many windows as training uses."""
    leaves, inputs = job.leaves, job.inputs()
    set_threads(leaves["train.threads"])
    tokens = load_windows(inputs["tokens"][0], "train").tokens[: leaves["train.steps"] * leaves["train.batch_windows"]]
    if not len(tokens):  # no steps: one window keeps the file's shape valid
        tokens = load_windows(inputs["tokens"][0], "train").tokens[:1]
    model = base_model(inputs["model"][0])
    targets = teacher_targets(model, tokens, leaves["train.distillation_top_k"], Progress(job.label))
    save_targets(targets, job.outputs()["targets"])
