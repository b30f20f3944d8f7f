"""What is known of a column of a CSV."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "NATS", "Column"]

NATS = "nats a token"

KINDS = {
    "text": "text",
    "flag": "true or false",
    "index": "whole number",
    "whole": "whole number",
    "shots": "whole number or inf",
    "count": "number",
    "significant": "number",
    "scale": "number",
    "fixed": "number",
    "share": "number",
}
"""How a value is written on a page → its type in the file. Numbers that name something are an ``index``, means of whole
numbers a ``count``, noise scales and ratios a ``scale`` without trailing zeros, ``fixed`` has four decimals and a
``share`` three."""


@dataclass(frozen=True)
class Column:
    """A column of one or several tables.

    Attributes:
        name: in the CSV; with ``…`` for what differs in a family of columns.
        heading: in words, on a page.
        kind: one of :data:`KINDS`.
        meaning: one sentence.
        unit: empty for texts and pure numbers.
        table: the only table where the name means this; everywhere else it means what the column of that name without
            a table says.
    """

    name: str
    heading: str
    kind: str
    meaning: str
    unit: str = ""
    table: str = ""

    @property
    def type(self) -> str:
        """Of its values in the file, in words."""
        return KINDS[self.kind]

    @property
    def titled(self) -> str:
        """The heading with its unit."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind not in ("text", "flag")
