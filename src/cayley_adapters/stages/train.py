"""Train the blocks of one cell."""

from __future__ import annotations

from functools import partial

from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.block_adapter import block_model, block_step
from cayley_adapters.stages.training import rate_of, train_and_save

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the trained adapter, on the best-ranked projections where the job has a ranking."""
    rate = rate_of(job, settings.train.learning_rate)
    return train_and_save(job, settings, block_model, partial(block_step, job, rate), job.seed)
