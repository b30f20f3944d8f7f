"""Train the blocks of one cell."""

from __future__ import annotations

from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.core.job import Job
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.surrogate import SurrogateExecutor
from cayley_adapters.stages.common import device_noise
from cayley_adapters.stages.training import adapted_shapes, train_and_save
from cayley_adapters.stages.untrained import block_config

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the trained adapter, on the best-ranked projections where the job has a ranking."""
    import torch
    from peft import get_peft_model

    options = settings.train
    set_threads(options.threads)
    torch.manual_seed(job.seed)
    base = place(load_compressed(job.inputs["compressed"][0].parent), device_named(options.device))
    adapted_shapes(base, options.targets, options.layers)
    model = get_peft_model(base, block_config(job, settings))
    if options.noise_scale > 0:
        noise = device_noise(settings.noise, options.noise_scale)
        set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    # A block's rotation grows with the number of its parameters that move at once: the same step for every d makes
    # large blocks diverge.
    return train_and_save(job, model, options, options.learning_rate / job.block_dim, job.seed)
