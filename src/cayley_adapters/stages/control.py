"""Train a classical control: one of PEFT's methods, on the same text and for as many steps as the blocks."""

from __future__ import annotations

from functools import partial

from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.control_adapter import control_key, control_model, control_step
from cayley_adapters.stages.training import rate_of, train_and_save

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the trained adapter."""
    rate = rate_of(job, job.leaves[control_key(job)])
    return train_and_save(job, settings, control_model, partial(control_step, job, rate), job.seed)
