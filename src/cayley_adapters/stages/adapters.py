"""What a training job puts on its model, before it has learnt anything: blocks, or a classical control."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.adapters.training.controls import control_config
from cayley_adapters.analysis.lever_ranking import best_ranked, read_ranking
from cayley_adapters.core.job import Job, control_of
from cayley_adapters.core.reading import load_json
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.surrogate import SurrogateExecutor
from cayley_adapters.stages.common import device_noise
from cayley_adapters.stages.training import adapted_shapes

__all__ = ["adapt", "block_config", "rate_key", "rate_of", "step_of"]


def adapt(job: Job, settings: Settings, base: Any) -> Any:
    """A PEFT model with the adapter of a job's cell, as its training starts.

    Args:
        job: a training job, or one that chooses a step size.
        settings: what it may read.
        base: the compressed model, changed in place.
    """
    from peft import get_peft_model

    options = settings.train
    shapes = adapted_shapes(base, options.targets, options.layers)
    if "control" in job.cell:
        method, block_dim = control_of(job.cell["control"])
        return get_peft_model(base, control_config(method, block_dim or 0, options.targets, options.layers, shapes))
    model = get_peft_model(base, block_config(job, settings))
    if options.noise_scale > 0:
        noise = device_noise(settings.noise, options.noise_scale)
        set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    return model


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


def rate_key(job: Job) -> str:
    """The key of the configuration that is the step size of a job's adapter."""
    own = CONTROLS[control_of(job.cell["control"])[0]].rate if "control" in job.cell else None
    return f"control.{own}" if own else "train.learning_rate"


def rate_of(job: Job) -> float:
    """The step size of a job's adapter, as the configuration gives it or as it was chosen."""
    if job.inputs.get("rate"):
        return float(load_json(job.inputs["rate"][0], "learning_rate")["learning_rate"])
    leaves = job.leaves.get("train") or {}
    return float(leaves["learning_rate"] if "learning_rate" in leaves else job.leaves[rate_key(job)])


def step_of(job: Job, rate: float) -> float:
    """The optimiser's step for a step size.

    A block's rotation grows with the number of its parameters that move at once: the same step for every d would make
    large blocks diverge.
    """
    if "control" not in job.cell:
        return rate / job.block_dim
    method, block_dim = control_of(job.cell["control"])
    control = CONTROLS[method]
    step = rate if control.rate else rate / (block_dim or 1)
    return step / 2 if control.blocks else step  # parameters half of ours: with half the step the rotations move alike
