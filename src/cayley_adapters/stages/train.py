"""Train the blocks of one cell."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.adapters.training.fitting import adapted_shapes, rate_of_blocks
from cayley_adapters.analysis.lever_ranking import best_ranked, read_ranking
from cayley_adapters.core.job import Job
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.surrogate import SurrogateExecutor
from cayley_adapters.stages.common import device_noise
from cayley_adapters.stages.training import train_and_save

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
    config = CayleyConfig(
        block_dim=job.block_dim,
        ansatz=options.ansatz,
        brickwork_depth=options.brickwork_depth,
        readout=options.readout,
        **_where(job, settings),
    )
    model = get_peft_model(base, config)
    if options.noise_scale > 0:
        noise = device_noise(settings.noise, options.noise_scale)
        set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    return train_and_save(job, model, options, rate_of_blocks(options.learning_rate, job.block_dim), job.seed)


def _where(job: Job, settings: Settings) -> dict[str, Any]:
    """The projections to adapt: ``train.targets`` in ``train.layers``, or as many inputs of the best-ranked ones."""
    layers, budget = settings.train.layers, settings.train.ranked_budget
    if budget is None:
        targets = list(settings.train.targets)
        return {"target_modules": targets, "layers_to_transform": None if layers is None else list(layers)}
    table = read_ranking(job.inputs["ranking"][0])
    plain = table[table["projection"].map(lambda name: name.rpartition(".")[2]).isin(settings.train.targets)]
    return {"target_modules": best_ranked(table, budget * float(plain["inputs"].sum()))}
