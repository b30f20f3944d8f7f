"""Tables as the report shows them: headings with units, numbers to sensible digits, equal columns said once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cayley_adapters.report.words import share, significant, whole

__all__ = ["SHOWN_ROWS", "Column", "TableView", "averages", "table_view"]

SHOWN_ROWS = 200
"""Rows of a table that the page holds at most; the download has them all."""

OPEN_ROWS = 20
"""Tables up to this long stand open."""

IDENTIFIERS = ("seed", "layer", "block", "slice", "index")
"""Numbers that name something: means of them say nothing."""


def _nats(value: float) -> str:
    return significant(value) if value is None or not math.isfinite(value) else f"{value:.4f}".replace("-", "−")


def _plain(value: float) -> str:
    """A whole number as one, any other to significant digits: counts, and means of counts."""
    return whole(value) if math.isfinite(value) and value == round(value) else significant(value)


def _shots(value: Any) -> str:
    return "unlimited" if math.isinf(float(value)) else whole(float(value))


_HEADINGS: dict[str, tuple[str, Callable[[Any], str] | None]] = {
    "compression_ratio": ("compression ratio", "{:g}".format),
    "block_dim": ("block dimension d", whole),
    "other_block_dim": ("other d", whole),
    "matched_block_dim": ("matched d", whole),
    "qubits": ("qubits n", whole),
    "noise_scale": ("noise scale λ", "{:g}".format),
    "trained_noise_scale": ("λ in training", "{:g}".format),
    "shots": ("shots a circuit", _shots),
    "seed": ("seed", "{:.0f}".format),
    "tokens": ("test tokens", whole),
    "nll": ("nll (nats a token)", _nats),
    "nll_se": ("standard error (nats)", _nats),
    "nll_difference": ("difference of nll (nats a token)", _nats),
    "gain": ("gain G (nats a token)", _nats),
    "cost": ("cost C (nats a token)", _nats),
    "recovery": ("recovery (share)", share),
    "gate_fidelity": ("gate fidelity (share)", "{:.4f}".format),
    "lambda_c": ("λ_c (noise scale)", significant),
    "adapter_parameters": ("parameters", whole),
    "two_qubit_gates": ("two-qubit gates a block", _plain),
    "cz": ("CZ a block", _plain),
    "sx": ("SX a block", _plain),
    "rz": ("RZ a block", _plain),
    "depth": ("depth", _plain),
    "perplexity_compressed": ("perplexity without blocks", significant),
    "perplexity_ideal": ("perplexity, λ\u00a0=\u00a00", significant),
    "perplexity_device": ("perplexity, λ\u00a0=\u00a01", significant),
    "at_device": ("at λ\u00a0=\u00a01 a block", None),
}
"""Column of a CSV → its heading with units, and how a value is written; other columns are told by their kind."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, whether it holds numbers, each row's text, and what a click on the heading sorts by."""

    heading: str
    numeric: bool
    texts: list[str]
    keys: list[str]


@dataclass(frozen=True)
class TableView:
    """A table ready for the template.

    Attributes:
        title: its heading.
        columns: those that differ between rows; columns that are equal in all rows are in ``constants``.
        constants: ``(heading, text)`` of the others.
        rows: how many the file has.
        shown: how many of them are here.
    """

    title: str
    columns: list[Column]
    constants: list[tuple[str, str]]
    rows: int
    shown: int

    @property
    def open(self) -> bool:
        """Whether it is short enough to stand open."""
        return self.rows <= OPEN_ROWS


def table_view(table: pd.DataFrame, title: str, gather: bool = True) -> TableView:
    """Prepare a table.

    Args:
        table: as its CSV has it; ``x_ci95_low`` and ``x_ci95_high`` become one column, and so do ``ci95_low`` and
            ``ci95_high``.
        title: its heading.
        gather: whether columns of one value are taken out of the table.
    """
    shown = table.head(SHOWN_ROWS)
    columns, constants = [], []
    for name in table.columns:
        if name.endswith("ci95_high") and name.replace("_high", "_low") in table:
            continue
        column = _column(shown, name)
        if not any(key for key in column.keys):
            continue  # nothing in it
        if gather and len(table) > 1 and table[name].nunique(dropna=False) == 1 and not name.endswith("ci95_low"):
            constants.append((column.heading, column.texts[0]))
        else:
            columns.append(column)
    return TableView(title, columns, constants, len(table), len(shown))


def averages(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Means of the numeric columns over groups, and ``rows``, how many each group has."""
    present = [key for key in keys if key in table]
    numbers = [name for name in table.select_dtypes("number") if name not in present and name not in IDENTIFIERS]
    groups = table.groupby(present, as_index=False, dropna=False)
    means = groups[numbers].mean() if numbers else groups.size()[present]
    return means.assign(rows=groups.size()["size"])


def _column(table: pd.DataFrame, name: str) -> Column:
    if name.endswith("ci95_low") and (high := name.replace("_low", "_high")) in table:
        stem = name.removesuffix("ci95_low").rstrip("_")
        write = _writer(stem, table[name])
        ends = [[_text(value, write) for value in table[end]] for end in (name, high)]
        texts = [f"{low} – {up}" if low and up else f"> {low}" if low else "" for low, up in zip(*ends, strict=True)]
        return Column(_interval_heading(stem), True, texts, [_key(value) for value in table[name]])
    values = table[name]
    heading, written = _HEADINGS.get(name, (name.replace("_", " "), None))
    numeric = written is not None or (pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))
    write = _writer(name, values)
    return Column(heading, numeric, [_text(value, write) for value in values], [_key(value) for value in values])


def _interval_heading(stem: str) -> str:
    return f"95 % of {_HEADINGS.get(stem, (stem.replace('_', ' '), None))[0].split(' (')[0]}" if stem else "95 %"


def _writer(name: str, values: pd.Series) -> Callable[[Any], str]:
    known = _HEADINGS.get(name, ("", None))[1]
    if known is not None:
        return known
    if pd.api.types.is_bool_dtype(values):
        return lambda value: "yes" if value else "no"
    if pd.api.types.is_integer_dtype(values):
        return whole
    return _plain if pd.api.types.is_numeric_dtype(values) else str


def _text(value: Any, write: Callable[[Any], str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else write(value)


def _key(value: Any) -> str:
    """What a column is sorted by; an empty text is no value, and of a bound such as ``> 10`` the number counts."""
    if not isinstance(value, str):
        return "" if pd.isna(value) else str(value).replace("inf", "Infinity")  # as JavaScript reads it
    return value.lstrip("<> –")
