"""Choose the step size of a classical control, of as many as are tried for blocks."""

from __future__ import annotations

from cayley_adapters.core.job import Job, control_of
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.control_adapter import control_key, control_model, control_step
from cayley_adapters.stages.searching import choose_rate

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write it, and all that were tried."""
    method, block_dim = control_of(job.cell["control"])
    cell = {"compression_ratio": job.ratio, "method": method, "block_dim": block_dim}
    return choose_rate(job, settings, control_key(job), control_model, control_step, lambda model: cell)
