"""Train the blocks of one cell, or a classical control: PEFT's own methods, on the same text for as many steps."""

from __future__ import annotations

from cayley_adapters.core.job import Job
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.adapters import adapt, rate_of, step_of
from cayley_adapters.stages.training import train_and_save

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the trained adapter; blocks lie on the best-ranked projections where the job has a ranking."""
    import torch

    options = settings.train
    set_threads(options.threads)
    torch.manual_seed(job.seed)
    base = place(load_compressed(job.inputs["compressed"][0].parent), device_named(options.device))
    model = adapt(job, settings, base)
    return train_and_save(job, model, options, step_of(job, rate_of(job)), job.seed)
