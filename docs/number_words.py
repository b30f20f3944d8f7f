"""How write_numbers.py writes tables, names, bounds and intervals; the rest is the report's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.report.words import interval, significant

__all__ = ["NAMES", "critical", "name_of", "number", "pair", "table"]

NAMES = {"cayley": "blocks"} | {name: control.title for name, control in CONTROLS.items()}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])


def name_of(method: str, dim: float | None) -> str:
    """An adapter in words: ``blocks d = 4``; a control that matches no size has none."""
    name = NAMES.get(method, method)
    if dim is None or pd.isna(dim):
        return name
    return f"{name} d = {int(dim)}" if method == "cayley" else f"{name}, as large as d = {int(dim)}"


def number(value: float) -> str:
    """As short as it is exact: 0, 0.3, 1."""
    return f"{value:g}"


def critical(entry: dict[str, Any], *, brief: bool = False) -> str:
    """λ_c of a block with its interval; a bound where it lies beyond the axis."""
    sign = {"above": "> ", "below": "< ", None: ""}[entry["censored"]]
    value = f"{sign}{significant(entry['lambda_c'])}"
    return value if brief else f"{value} ({pair(entry['ci95'])})"


def pair(ends: list[float | None] | None, write: Callable[[float], str] = significant) -> str:
    """An interval that may not be there."""
    low, high = ends or (None, None)
    return interval(low, high, write)
