"""Results tables as CSV: columns in the order that scripts rely on, floats that read back to the same number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from cayley_adapters.errors import CayleyError
from cayley_adapters.files import atomic_file

__all__ = ["BASELINE_COLUMNS", "CELL_COLUMNS", "read_table", "with_layers", "write_table"]

CELL_COLUMNS = [
    "model",
    "compression",
    "compression_ratio",
    "ansatz",
    "block_dim",
    "qubits",
    "noise_scale",
    "shots",
    "readout",
    "seed",
    "tokens",
    "nll",
    "nll_se",
    "perplexity",
    "recovery",
    "adapter_parameters",
    "two_qubit_gates",
    "executor",
    "backend",
    "layout",
    "mitigation",
    "targets",
    "brickwork_depth",
    "trained_noise_scale",
    "synthesis",
    "idle",
    "layers",
    "nll_se_shots",
    "refined",
    "nll_compressed",
]
BASELINE_COLUMNS = [
    "model",
    "compression",
    "compression_ratio",
    "method",
    "adapter_parameters",
    "seed",
    "tokens",
    "nll",
    "nll_se",
    "perplexity",
    "recovery",
    "matched_block_dim",
]


def write_table(rows: Sequence[Mapping[str, Any]] | pd.DataFrame, path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Write rows as CSV, atomically; missing values are empty, unlimited shots are ``inf``."""
    frame = pd.DataFrame(rows, columns=list(columns))
    written = frame.copy()
    if "shots" in written:
        written["shots"] = written["shots"].map(lambda shots: "inf" if math.isinf(shots) else f"{shots:.0f}")
    with atomic_file(path) as temporary:
        written.to_csv(temporary, index=False, lineterminator="\n")
    return frame


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written by :func:`write_table`.

    Raises:
        CayleyError: it is missing or no CSV.
    """
    try:
        return with_layers(pd.read_csv(path, keep_default_na=False, na_values=[""]))
    except (OSError, ValueError) as error:
        raise CayleyError(f"cannot read the table {path}: {error}; delete it and run the same command again") from error


def with_layers(cells: pd.DataFrame) -> pd.DataFrame:
    """Return rows of cells with their ``layers`` as they were written; pandas reads a single one as the number 15.0."""
    if not {"targets", "layers"} <= set(cells) or not pd.api.types.is_numeric_dtype(cells["layers"]):
        return cells
    return cells.assign(layers=cells["layers"].astype(object).map("{:.0f}".format, na_action="ignore"))
