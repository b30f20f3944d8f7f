"""Perplexity of the uncompressed model."""

from __future__ import annotations

from cayley_adapters.layout import Job
from cayley_adapters.stages.common import base_model
from cayley_adapters.stages.references import reference_row

__all__ = ["run"]


def run(job: Job) -> None:
    """Write its row of ``baselines.csv``."""
    reference_row(job, base_model(job.inputs()["model"][0]), "uncompressed", 0.0)
