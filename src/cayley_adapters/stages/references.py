"""Evaluate a model without blocks, for the rows of ``baselines.csv``."""

from __future__ import annotations

from typing import Any

import numpy as np

from cayley_adapters.core.files import atomic_file
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import BASELINE_COLUMNS, read_baselines, write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.losses import perplexity_row, token_losses
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.report.wandb.runs import log_run
from cayley_adapters.stages.common import evaluation_windows, method_of
from cayley_adapters.stages.tracked import adapter_files, cell_config

__all__ = ["reference_row", "save_losses"]


def reference_row(job: Job, model: Any, about: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a model without blocks and write its row of ``baselines.csv``.

    Args:
        job: an evaluation's job.
        model: the model.
        about: ``method``, ``compression_ratio`` and what else the row says of it.

    Returns:
        The loss of each scored token, float32 nats, and its document, int32; both flat.
    """
    leaves = job.leaves
    set_threads(leaves["evaluate.threads"])
    windows = evaluation_windows(job.inputs()["tokens"][0], leaves["evaluate.windows"])
    if not hasattr(model, "peft_config"):  # an adapter's base is placed before it is adapted
        model = place(model, device_named(leaves["evaluate.device"]))
    losses = token_losses(model, windows.tokens, leaves["evaluate.batch_windows"], Progress(job.label))
    documents = windows.documents[:, 1:]
    row = {
        "model": leaves["model.name"],
        "compression": "none" if about["method"] == "uncompressed" else method_of(job),
        "adapter_parameters": 0,
        **about,
        **perplexity_row(losses, documents),
    }
    write_table([row], job.outputs()["row"], BASELINE_COLUMNS)
    return losses.ravel().astype(np.float32), documents.ravel()


def save_losses(job: Job, losses: np.ndarray, documents: np.ndarray) -> None:
    """Keep the loss of each test token and its document, for paired comparisons."""
    from safetensors.numpy import save_file

    with atomic_file(job.outputs()["losses"]) as temporary:
        save_file({"losses": losses, "documents": documents}, temporary)
    _log(job)


def _log(job: Job) -> None:
    inputs, (row,) = job.inputs(), read_baselines(job.outputs()["row"]).to_dict("records")
    config = {**cell_config(job), **{key: row[key] for key in ("model", "compression", "method", "compression_ratio")}}
    evaluate = {key.partition(".")[2]: value for key, value in job.leaves.items() if key.startswith("evaluate.")}
    measured = {f"evaluation/{key}": row[key] for key in ("perplexity", "nll", "nll_se")}
    log_run(
        job.base,
        job.label,
        job.stage,
        config | {"evaluate": evaluate},
        summary=measured | {key: row[key] for key in ("adapter_parameters", "tokens")},
        used=[adapter_files(job, inputs["adapter"][0].parent)] if "adapter" in inputs else [],
    )
