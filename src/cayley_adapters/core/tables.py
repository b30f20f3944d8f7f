"""Results tables as CSV: columns in the order that scripts rely on, floats that read back to the same number."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.core.files import atomic_file
from cayley_adapters.core.reading import damaged

__all__ = [
    "BASELINE_COLUMNS",
    "CELL_COLUMNS",
    "IDENTITY_COLUMNS",
    "MITIGATION_SHOTS",
    "TRIAL_COLUMNS",
    "cell_columns",
    "parse_table",
    "read_baselines",
    "read_cells",
    "read_table",
    "write_table",
]

CELL_COLUMNS = [
    *("model", "compression", "compression_ratio", "ansatz", "block_dim", "qubits"),
    *("noise_scale", "shots", "readout", "seed"),
    *("tokens", "nll", "nll_se", "perplexity", "recovery", "adapter_parameters", "two_qubit_gates"),
    *("executor", "backend", "layout", "mitigation", "targets"),
    *("brickwork_depth", "trained_noise_scale", "synthesis", "idle", "layers"),
    *("nll_se_shots", "refined", "nll_compressed", "word_perplexity", "bits_per_byte"),
    *("repair", "nll_identity", "perplexity_identity", "learning_rate"),
]
MITIGATION_SHOTS = "mitigation_shots"
"""Of a cell, and only in tables where a mitigation measures."""
_TEXTS = {"question_set_version": str}
"""Columns of text that may look like numbers: a version is a digest."""

SIZES = ("compression_ratio", "adapter_parameters", "tokens", "nll")
CELL_NUMBERS = (*SIZES, "block_dim", "qubits", "noise_scale", "seed")
TRIAL_COLUMNS = [
    *("compression_ratio", "method", "block_dim", "learning_rate", "steps", "validation", "chosen", "at_end"),
]
IDENTITY_COLUMNS = [
    *("compression_ratio", "block_dim", "noise_scale", "shots", "readout", "executor", "mitigation"),
    *("tokens", "nll", "nll_se", "perplexity"),
]
BASELINE_COLUMNS = [
    *("model", "compression", "compression_ratio", "method", "adapter_parameters", "seed"),
    *("tokens", "nll", "nll_se", "perplexity", "recovery", "matched_block_dim"),
    *("word_perplexity", "bits_per_byte", "adaptation", "repair", "learning_rate", "trials"),
]


def cell_columns(names: Collection[str]) -> list[str]:
    """Return the columns of ``phase_diagram.csv`` for cells that have so many of them."""
    return [*CELL_COLUMNS, *([MITIGATION_SHOTS] if MITIGATION_SHOTS in names else [])]


def write_table(rows: Sequence[Mapping[str, Any]] | pd.DataFrame, path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Write rows as CSV, atomically; missing values are empty, unlimited shots are ``inf``."""
    frame = pd.DataFrame(rows, columns=list(columns))
    written = frame.copy()
    if "shots" in written:
        written["shots"] = written["shots"].map(lambda shots: "inf" if math.isinf(shots) else f"{shots:.0f}")
    with atomic_file(path) as temporary:
        written.to_csv(temporary, index=False, lineterminator="\n")
    return frame


def read_table(path: Path, columns: Collection[str] = (), numbers: Collection[str] = ()) -> pd.DataFrame:
    """Read a table written by :func:`write_table`.

    Args:
        path: the file.
        columns: what it must have; there may be more.
        numbers: those of them that hold a finite number in every row.

    Raises:
        CayleyError: it is missing, no CSV, cut short, or lacks columns or numbers.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise damaged(path, error) from error
    return parse_table(content, path, columns, numbers)


def parse_table(
    content: bytes, path: Path | str, columns: Collection[str] = (), numbers: Collection[str] = ()
) -> pd.DataFrame:
    """Read a table whose file is in memory.

    Args:
        content: of the file.
        path: its name, for the message.
        columns, numbers: as for :func:`read_table`.

    Raises:
        CayleyError: as :func:`read_table`.
    """
    try:
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
        _check_rows(text)
        frame = _with_layers(pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], dtype=_TEXTS))
    # OverflowError: pandas meets whole numbers that no column holds.
    except (ValueError, OverflowError, csv.Error) as error:
        raise damaged(path, error) from error
    if missing := [name for name in columns if name not in frame]:
        raise damaged(path, f"it has no column {', '.join(missing)}")
    for name in numbers:
        wrong = ~np.isfinite(pd.to_numeric(frame[name], errors="coerce").astype(float).to_numpy())
        if pd.api.types.is_bool_dtype(frame[name]) or wrong.any():
            row = int(wrong.argmax())
            raise damaged(path, f"{name} is '{frame[name].iloc[row]}' in line {row + 2}, where a number is needed")
    return frame


def read_cells(path: Path) -> pd.DataFrame:
    """Read rows of ``phase_diagram.csv``, at least one.

    Raises:
        CayleyError: as :func:`read_table`.
    """
    return _not_empty(path, read_table(path, CELL_COLUMNS, CELL_NUMBERS))


def read_baselines(path: Path) -> pd.DataFrame:
    """Read rows of ``baselines.csv``, at least one.

    Raises:
        CayleyError: as :func:`read_table`.
    """
    return _not_empty(path, read_table(path, BASELINE_COLUMNS, SIZES))


def _not_empty(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        raise damaged(path, "it has no rows")
    return frame


def _check_rows(text: str) -> None:
    """Refuse what pandas would fill up or guess: rows cut short, and two columns of one name."""
    if "\0" in text or not text.endswith("\n"):
        raise ValueError("it is cut short, or no text")
    header, *rows = csv.reader(io.StringIO(text), strict=True)
    if len(set(header)) < len(header):
        raise ValueError("it has two columns of one name")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(f"line {number} has {len(row)} values for {len(header)} columns")


def _with_layers(cells: pd.DataFrame) -> pd.DataFrame:
    """Return rows of cells with their ``layers`` as they were written; pandas reads a single one as the number 15.0."""
    if not {"targets", "layers"} <= set(cells) or not pd.api.types.is_numeric_dtype(cells["layers"]):
        return cells
    return cells.assign(layers=cells["layers"].astype(object).map("{:.0f}".format, na_action="ignore"))
