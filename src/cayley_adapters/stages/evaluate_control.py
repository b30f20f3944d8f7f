"""Perplexity of the compressed model with a classical control."""

from __future__ import annotations

from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.training.controls import free_parameters
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.jobs import Job, control_of
from cayley_adapters.stages.common import compression_ratio
from cayley_adapters.stages.references import reference_row, save_losses

__all__ = ["run"]


def run(job: Job) -> None:
    """Write its row of ``baselines.csv`` and the loss of each test token."""
    inputs = job.inputs()
    method, block_dim = control_of(job.cell["control"])
    device = device_named(job.leaves["evaluate.device"])
    base = place(load_compressed(inputs["compressed"][0].parent), device)
    model = load_adapter(base, inputs["adapter"][0].parent)
    about = {
        "method": method,
        "compression_ratio": compression_ratio(job),
        "adapter_parameters": free_parameters(read_adapter(inputs["adapter"][0].parent)[1]),
        "seed": int(job.cell["seed"].removeprefix("seed")),
        "matched_block_dim": block_dim,
    }
    save_losses(job, *reference_row(job, model, about))
