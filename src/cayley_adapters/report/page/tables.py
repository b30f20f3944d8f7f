"""Tables as the report shows them: headings with units, numbers to sensible digits, equal columns said once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cayley_adapters.report.columns import Column as Described
from cayley_adapters.report.columns import column
from cayley_adapters.report.words import share, significant, whole

__all__ = ["SHOWN_ROWS", "Column", "TableView", "averages", "table_view"]

SHOWN_ROWS = 200
"""Rows of a table that the page holds at most; the download has them all."""

OPEN_ROWS = 20
"""Tables up to this long stand open."""

IDENTIFIERS = ("seed", "layer", "block", "slice", "index")
"""Numbers that name something: means of them say nothing."""


def _fixed(value: float) -> str:
    return significant(value) if value is None or not math.isfinite(value) else f"{value:.4f}".replace("-", "−")


def _plain(value: float) -> str:
    """A whole number as one, any other to significant digits: counts, and means of counts."""
    return whole(value) if math.isfinite(value) and value == round(value) else significant(value)


def _shots(value: Any) -> str:
    return "unlimited" if math.isinf(float(value)) else whole(float(value))


_WRITERS: dict[str, Callable[[Any], str]] = {
    "index": "{:.0f}".format,
    "whole": whole,
    "shots": _shots,
    "count": _plain,
    "significant": significant,
    "scale": "{:g}".format,
    "fixed": _fixed,
    "share": share,
}
"""Kind of a column, as of :data:`cayley_adapters.report.columns.KINDS`, → how its values are written."""


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


def table_view(table: pd.DataFrame, title: str, gather: bool = True, name: str = "") -> TableView:
    """Prepare a table.

    Args:
        table: as its CSV has it; ``x_ci95_low`` and ``x_ci95_high`` become one column, and so do ``ci95_low`` and
            ``ci95_high``.
        title: its heading.
        gather: whether columns of one value are taken out of the table.
        name: of its CSV, without the ending, which tells what its columns are.
    """
    shown = table.head(SHOWN_ROWS)
    columns, constants = [], []
    for each in table.columns:
        if each.endswith("ci95_high") and each.replace("_high", "_low") in table:
            continue
        made = _column(shown, each, name)
        if not any(key for key in made.keys):
            continue  # nothing in it
        if gather and len(table) > 1 and table[each].nunique(dropna=False) == 1 and not each.endswith("ci95_low"):
            constants.append((made.heading, made.texts[0]))
        else:
            columns.append(made)
    return TableView(title, columns, constants, len(table), len(shown))


def averages(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Means of the numeric columns over groups, and ``rows``, how many each group has."""
    present = [key for key in keys if key in table]
    numbers = [name for name in table.select_dtypes("number") if name not in present and name not in IDENTIFIERS]
    groups = table.groupby(present, as_index=False, dropna=False)
    means = groups[numbers].mean() if numbers else groups.size()[present]
    return means.assign(rows=groups.size()["size"])


def _column(rows: pd.DataFrame, name: str, table: str) -> Column:
    values = rows[name]
    known = column(name, table)
    if name.endswith("ci95_low") and (high := name.replace("_low", "_high")) in rows:
        write = _writer(known, values)
        ends = [[_text(value, write) for value in rows[end]] for end in (name, high)]
        texts = [f"{low} – {up}" if low and up else f"> {low}" if low else "" for low, up in zip(*ends, strict=True)]
        stem = name.removesuffix("ci95_low").rstrip("_")
        of = column(stem, table) if stem else None
        heading = f"95 % of {of.heading if of else stem.replace('_', ' ')}" if stem else "95 %"
        return Column(heading, True, texts, [_key(value) for value in values])
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    heading = known.titled if known else name.replace("_", " ")
    write = _writer(known, values)
    texts = [_text(value, write) for value in values]
    return Column(heading, known.numeric if known else numeric, texts, [_key(value) for value in values])


def _writer(known: Described | None, values: pd.Series) -> Callable[[Any], str]:
    """How values are written: as is known of their column, or by what they are."""
    if known is not None and known.numeric:
        return _WRITERS[known.kind]
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
