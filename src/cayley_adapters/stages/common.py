"""What several stages share: finding a job's model and text, and evaluating a model without blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cayley_adapters.corpus import Windows, load_windows
from cayley_adapters.evaluation import perplexity_row, token_losses
from cayley_adapters.layout import Job, manifest_columns
from cayley_adapters.models import load_model, locate, set_threads
from cayley_adapters.progress import Progress
from cayley_adapters.tables import BASELINE_COLUMNS, write_table

__all__ = ["base_model", "compression_ratio", "evaluation_windows", "reference_row"]


def base_model(model_json: Path) -> Any:
    """Load the uncompressed model that ``prepare`` described, fetching it again if the cache was emptied."""
    return load_model(locate(json.loads(model_json.read_text(encoding="utf-8"))))


def compression_ratio(job: Job) -> float:
    """The ratio of a job's cell."""
    return float(manifest_columns(f"{job.cell['ratio']}/d0/seed0")["compression_ratio"])


def evaluation_windows(tokens: Path, count: int) -> Windows:
    """The test windows that perplexity is measured on."""
    return load_windows(tokens, "test").first(count, "evaluate.windows")


def reference_row(job: Job, model: Any, method: str, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate a model without blocks and write its row of ``baselines.csv``.

    Returns:
        The loss of each scored token, float32 nats, and its document, int32; both flat.
    """
    leaves = job.leaves
    set_threads(leaves["evaluate.threads"])
    windows = evaluation_windows(job.inputs()["tokens"][0], leaves["evaluate.windows"])
    losses = token_losses(model, windows.tokens, leaves["evaluate.batch_windows"], Progress(job.label))
    documents = windows.documents[:, 1:]
    row = {
        "model": leaves["model.name"],
        "compression": "none" if method == "uncompressed" else method_of(job),
        "compression_ratio": ratio,
        "method": method,
        "adapter_parameters": 0,
        **perplexity_row(losses, documents),
    }
    write_table([row], job.outputs()["row"], BASELINE_COLUMNS)
    return losses.ravel().astype(np.float32), documents.ravel()


def method_of(job: Job) -> str:
    """The compression method that made a job's model."""
    return json.loads(job.inputs()["compression"][0].read_text(encoding="utf-8"))["method"]
