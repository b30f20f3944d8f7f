"""Choose the step size of blocks of one dimension."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.training.fitting import told_dimension
from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.block_adapter import block_model, block_step
from cayley_adapters.stages.searching import choose_rate

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write it, and all that were tried."""

    def cell(model: Any) -> dict[str, Any]:
        return {"compression_ratio": job.ratio, "method": "cayley", "block_dim": told_dimension(model)}

    return choose_rate(job, settings, "train.learning_rate", block_model, block_step, cell)
