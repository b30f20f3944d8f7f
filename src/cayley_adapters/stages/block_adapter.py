"""Blocks as their training starts with them: identities, on the projections that are adapted."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.adapters.training.fitting import adapted_shapes, rate_of_blocks, told_dimension
from cayley_adapters.analysis.lever_ranking import best_ranked, read_ranking
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.core.job import Job
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.surrogate import SurrogateExecutor
from cayley_adapters.stages.common import device_noise

__all__ = ["block_config", "block_model", "block_step"]


def block_model(job: Job, settings: Settings, base: Any) -> Any:
    """A PEFT model with the blocks of a job's cell, under the noise that they are trained for.

    Args:
        job: a training job, or one that chooses a step size.
        settings: what it may read.
        base: the compressed model, changed in place.
    """
    from peft import get_peft_model

    options = settings.train
    adapted_shapes(base, options.targets, options.layers)
    model = get_peft_model(base, block_config(job, settings))
    if options.noise_scale > 0:
        qubits = qubits_that_hold(told_dimension(model))
        noise = device_noise(settings.noise, options.noise_scale).as_known(qubits)
        set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    return model


def block_step(job: Job, rate: float, model: Any) -> float:
    """The optimiser's step for ``train.learning_rate``."""
    return rate_of_blocks(rate, told_dimension(model))


def block_config(job: Job, settings: Settings) -> CayleyConfig:
    """The blocks of a job's cell, on the best-ranked projections where the job has a ranking."""
    options = settings.train
    return CayleyConfig(
        block_dim=job.block_dim,
        ansatz=options.ansatz,
        brickwork_depth=options.brickwork_depth,
        readout=options.readout,
        **_where(job, settings),
    )


def _where(job: Job, settings: Settings) -> dict[str, Any]:
    """The projections to adapt: ``train.targets`` in ``train.layers``, or as many inputs of the best-ranked ones."""
    layers, budget = settings.train.layers, settings.train.ranked_budget
    if budget is None:
        targets = list(settings.train.targets)
        return {"target_modules": targets, "layers_to_transform": None if layers is None else list(layers)}
    table = read_ranking(job.inputs["ranking"][0])
    plain = table[table["projection"].map(lambda name: name.rpartition(".")[2]).isin(settings.train.targets)]
    return {"target_modules": best_ranked(table, budget * float(plain["inputs"].sum()))}
