"""Keep the uncompressed model's predictions on the training windows, for distillation."""

from __future__ import annotations

from cayley_adapters.adapters.training.distillation import save_targets, teacher_targets
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.corpus import training_windows
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import base_model, windows_healed_on

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the teacher's top-k log-probabilities for as many windows as training and validation use."""
    train, inputs = settings.train, job.inputs
    set_threads(train.threads)
    wanted = train.steps * train.batch_windows
    windows, _ = training_windows(inputs["tokens"][0], wanted, train.validation_windows, windows_healed_on(job))
    path = job.outputs["targets"]
    if "train.distillation_top_k" not in job.leaves:
        say(f"{job.label}: nothing is distilled (train.distillation=0)")
        save_targets({}, path)
        return Outcome()
    tokens = windows.tokens
    model = place(base_model(inputs["model"][0]), device_named(train.device))
    targets = teacher_targets(model, tokens, train.distillation_top_k, Progress(job.label), train.temperature)
    save_targets(targets, path)
    say(f"{job.label}: {len(tokens)} windows, {path.stat().st_size / 1e6:.1f} MB in {path}")
    return Outcome()
