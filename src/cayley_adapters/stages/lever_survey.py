"""Train blocks on all projections, by which these are ranked."""

from __future__ import annotations

from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages import train

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the trained adapter, as :mod:`cayley_adapters.stages.train` does."""
    train.run(job)
