"""Perplexity of a model without blocks: uncompressed, compressed, or with a classical control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.training.controls import free_parameters
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.job import Job, control_of
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import BASELINE_COLUMNS, read_baselines, write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.losses import perplexity_row, token_losses
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun, adapter_files, cell_config
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import base_model, evaluation_windows, method_of

if TYPE_CHECKING:
    import torch

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write its row of ``baselines.csv``, and the loss of each test token for paired comparisons.

    What is evaluated is told by what the job reads: with an adapter a control, without a compressed model the
    uncompressed one.
    """
    set_threads(settings.evaluate.threads)
    model, about = _model(job, device_named(settings.evaluate.device))
    windows = evaluation_windows(job.inputs["tokens"][0], settings.evaluate)
    losses = token_losses(model, windows.tokens, settings.evaluate.batch_windows, Progress(job.label))
    losses = windows.select(losses)
    row = {"model": settings.model.name, "adapter_parameters": 0, **about, **perplexity_row(losses, windows)}
    write_table([row], job.outputs["row"], BASELINE_COLUMNS)
    arrays = {"losses": losses.astype(np.float32), "documents": windows.clusters}
    save_arrays(arrays, job.outputs["losses"])
    return Outcome(tracked=[_tracked(job)])


def _model(job: Job, device: torch.device) -> tuple[Any, dict[str, Any]]:
    """The model, and what its row says of it."""
    inputs = job.inputs
    if "compressed" not in inputs:
        uncompressed = {"compression": "none", "method": "uncompressed", "compression_ratio": 0.0}
        return place(base_model(inputs["model"][0]), device), uncompressed
    model = place(load_compressed(inputs["compressed"][0].parent), device)
    about: dict[str, Any] = {"compression": method_of(job), "method": "compressed", "compression_ratio": job.ratio}
    if "adapter" not in inputs:
        return model, about
    folder = inputs["adapter"][0].parent
    method, block_dim = control_of(job.cell["control"])
    parameters = free_parameters(read_adapter(folder)[1])
    about |= {"method": method, "adapter_parameters": parameters, "seed": job.seed, "matched_block_dim": block_dim}
    return load_adapter(model, folder), about


def _tracked(job: Job) -> TrackedRun:
    inputs, (row,) = job.inputs, read_baselines(job.outputs["row"]).to_dict("records")
    config = {**cell_config(job), **{key: row[key] for key in ("model", "compression", "method", "compression_ratio")}}
    evaluate = {key.partition(".")[2]: value for key, value in job.leaves.items() if key.startswith("evaluate.")}
    measured = {f"evaluation/{key}": row[key] for key in ("perplexity", "nll", "nll_se")}
    return TrackedRun(
        job.label,
        job.stage,
        config | {"evaluate": evaluate},
        summary=measured | {key: row[key] for key in ("adapter_parameters", "tokens")},
        used=[adapter_files(job, inputs["adapter"][0].parent)] if "adapter" in inputs else [],
    )
