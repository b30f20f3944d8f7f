"""Train a classical control: one of PEFT's methods, on the same text and for as many steps as the blocks."""

from __future__ import annotations

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.adapters.training.controls import control_config
from cayley_adapters.adapters.training.fitting import adapted_shapes
from cayley_adapters.core.job import Job, control_of
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.training import train_and_save

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the trained adapter."""
    import torch
    from peft import get_peft_model

    options = settings.train
    method, block_dim = control_of(job.cell["control"])
    set_threads(options.threads)
    torch.manual_seed(job.seed)
    base = place(load_compressed(job.inputs["compressed"][0].parent), device_named(options.device))
    shapes = adapted_shapes(base, options.targets, options.layers)
    config = control_config(method, block_dim or 0, options.targets, options.layers, shapes)
    rate = CONTROLS[method].rate
    learning_rate = getattr(settings.control, rate) if rate else options.learning_rate / (block_dim or 1)
    if CONTROLS[method].blocks:
        learning_rate /= 2  # their parameters are half of ours: with half the step the rotations move alike
    return train_and_save(job, get_peft_model(base, config), options, learning_rate, job.seed)
