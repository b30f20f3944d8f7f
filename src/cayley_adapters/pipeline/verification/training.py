"""A block's adapter trained again from its compressed model, and compared with the one that is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cayley_adapters.core.files import sha256
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.pipeline.verification.again import run_again
from cayley_adapters.pipeline.verification.integrity import ran_alike

__all__ = ["WEIGHTS_TOLERANCE", "Trained", "train_again"]

WEIGHTS_TOLERANCE = 0.02
"""Share of the parameters' norm by which a training on another machine may end elsewhere, see docs/science.md."""


@dataclass(frozen=True)
class Trained:
    """A training that was done again.

    Attributes:
        name: of the cell.
        difference: norm of the parameters' difference over the norm of those stored.
        limit: by which it may differ; 0 where the file must agree to the byte.
        agrees: whether it does.
    """

    name: str
    difference: float
    limit: float
    agrees: bool


def train_again(job: Job, folder: Path) -> Trained:
    """Train a cell's blocks again.

    Args:
        job: the training.
        folder: an empty folder to work in.
    """
    from safetensors.numpy import load_file

    say(f"{job.label}: again, from the compressed model")
    made = run_again(job, folder)
    same = ran_alike(job, made.record)
    old, new = job.outputs["adapter"], made.outputs["adapter"]
    before, after = load_file(old), load_file(new)
    name = " ".join(job.cell.values())
    if before.keys() != after.keys() or any(before[key].shape != after[key].shape for key in before):
        return Trained(name, float("nan"), 0.0, False)
    changed = np.concatenate([(after[key].astype(np.float64) - before[key]).ravel() for key in before])
    whole = np.concatenate([before[key].astype(np.float64).ravel() for key in before])
    difference = float(np.linalg.norm(changed) / np.linalg.norm(whole)) if whole.any() else float(changed.any())
    if same:
        return Trained(name, difference, 0.0, sha256(old) == sha256(new))
    return Trained(name, difference, WEIGHTS_TOLERANCE, difference <= WEIGHTS_TOLERANCE)
