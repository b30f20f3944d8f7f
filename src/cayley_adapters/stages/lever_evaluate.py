"""Perplexity along the noise axis with a lever."""

from __future__ import annotations

from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages import evaluate

__all__ = ["run"]


def run(job: Job) -> None:
    """Write rows, losses and the circuits' errors, as :mod:`cayley_adapters.stages.evaluate` does."""
    evaluate.run(job)
