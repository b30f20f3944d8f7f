"""Classical controls as their training starts with them: PEFT's own methods, on the projections that are adapted."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.adapters.training.controls import control_config
from cayley_adapters.adapters.training.fitting import adapted_shapes, rate_of_blocks
from cayley_adapters.core.job import Job, control_of
from cayley_adapters.settings import Settings

__all__ = ["control_key", "control_model", "control_step"]


def control_model(job: Job, settings: Settings, base: Any) -> Any:
    """A PEFT model with the control of a job's cell; ``base`` is changed in place."""
    from peft import get_peft_model

    options = settings.train
    method, block_dim = control_of(job.cell["control"])
    shapes = adapted_shapes(base, options.targets, options.layers)
    return get_peft_model(base, control_config(method, block_dim or 0, options.targets, options.layers, shapes))


def control_key(job: Job) -> str:
    """The key of the configuration that is the control's step size."""
    own = CONTROLS[control_of(job.cell["control"])[0]].rate
    return f"control.{own}" if own else "train.learning_rate"


def control_step(job: Job, rate: float, model: Any) -> float:
    """The optimiser's step for that step size, which of rotations is divided as that of blocks is."""
    method, block_dim = control_of(job.cell["control"])
    control = CONTROLS[method]
    step = rate if control.rate else rate_of_blocks(rate, block_dim or 1)
    return step / 2 if control.blocks else step  # parameters half of ours: with half the step the rotations move alike
