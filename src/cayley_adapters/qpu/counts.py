"""Counts on disk, and which measurement they are of: of no other one are they read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.hints import command
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import Workload

__all__ = ["load_counts", "measurement_id", "save_counts"]


def measurement_id(workload: Workload, sampling: Sampling) -> str:
    """Return the SHA-256 of a workload's content, of the options that the service is given, and of the repetition.

    What the twin's device hides is told apart likewise.
    """
    what: list[object] = [workload.digest, sampling.options()]
    if sampling.repetition:
        what.append(sampling.repetition)
    if sampling.hidden:
        what.append(sampling.hidden.figures)
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def save_counts(path: Path, counts: np.ndarray, workload: Workload, sampling: Sampling) -> None:
    """Write the counts (N, d) of a workload as safetensors, atomically."""
    save_arrays({"counts": counts}, path, measurement=measurement_id(workload, sampling))


def load_counts(path: Path, workload: Workload, sampling: Sampling) -> np.ndarray:
    """Return the counts (N, d) of a workload.

    Raises:
        CayleyError: The file is damaged, or holds the counts of another measurement.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            measured, counts = (file.metadata() or {}).get("measurement"), file.get_tensor("counts")
    except (OSError, SafetensorError) as error:
        anew = command("qpu collect")
        raise CayleyError(f"cannot read the counts {path}: {error}; make them anew with: {anew}") from error
    if measured != measurement_id(workload, sampling):
        raise CayleyError(
            f"{path} holds what was measured for another workload, or with other shots or options; with the settings "
            f"that you gave now, type {command('qpu submit')} and {command('qpu collect')} first"
        )
    return counts
