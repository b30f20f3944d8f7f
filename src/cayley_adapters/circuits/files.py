"""Circuits of a trained model's blocks as a safetensors file: angles, lengths, and the ansatz in its header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import save_arrays

__all__ = ["load_circuits", "save_circuits"]


def save_circuits(circuits: Mapping[str, BlockCircuits], path: Path) -> None:
    """Write the circuits of projections, atomically: tensors ``{projection}.angles`` and ``{projection}.lengths``."""
    tensors: dict[str, np.ndarray] = {}
    for name, item in circuits.items():
        tensors |= {f"{name}.angles": item.angles, f"{name}.lengths": item.lengths.astype(np.int64)}
    families = {name: [item.ansatz.qubits, item.ansatz.couplers] for name, item in circuits.items()}
    save_arrays(tensors, path, ansatzes=json.dumps(families))


def load_circuits(path: Path) -> dict[str, BlockCircuits]:
    """Read what :func:`save_circuits` wrote; empty for blocks that are not run as circuits.

    Raises:
        CayleyError: The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            found = {}
            for name, (qubits, couplers) in json.loads(file.metadata()["ansatzes"]).items():
                tensors = (file.get_tensor(f"{name}.{part}") for part in ("angles", "lengths"))
                found[name] = BlockCircuits(Ansatz(qubits, tuple(couplers)), *tensors)
            return found
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CayleyError(
            f"cannot read the circuits {path}: {error}; delete it and run the same command again"
        ) from error
