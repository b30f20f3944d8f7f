"""Perplexity of the compressed model, without blocks."""

from __future__ import annotations

from safetensors.numpy import save_file

from cayley_adapters.compression import load_compressed
from cayley_adapters.files import atomic_file
from cayley_adapters.layout import Job
from cayley_adapters.stages.common import compression_ratio
from cayley_adapters.stages.references import reference_row

__all__ = ["run"]


def run(job: Job) -> None:
    """Write its row of ``baselines.csv`` and the loss of each test token."""
    model = load_compressed(job.inputs()["compressed"][0].parent)
    losses, documents = reference_row(job, model, "compressed", compression_ratio(job))
    with atomic_file(job.outputs()["losses"]) as temporary:
        save_file({"losses": losses, "documents": documents}, temporary)
