"""Perplexity of the compressed model, without blocks."""

from __future__ import annotations

from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages.common import compression_ratio
from cayley_adapters.stages.references import reference_row, save_losses

__all__ = ["run"]


def run(job: Job) -> None:
    """Write its row of ``baselines.csv`` and the loss of each test token."""
    model = load_compressed(job.inputs()["compressed"][0].parent)
    about = {"method": "compressed", "compression_ratio": compression_ratio(job)}
    save_losses(job, *reference_row(job, model, about))
