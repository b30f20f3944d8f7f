"""Perplexity of the uncompressed model."""

from __future__ import annotations

from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages.common import base_model
from cayley_adapters.stages.references import reference_row, save_losses

__all__ = ["run"]


def run(job: Job) -> None:
    """Write its row of ``baselines.csv`` and the loss of each test token."""
    model = base_model(job.inputs()["model"][0])
    save_losses(job, *reference_row(job, model, {"method": "uncompressed", "compression_ratio": 0.0}))
