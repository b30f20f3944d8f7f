"""The sources of errors, as the noise budget tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

from cayley_adapters.core.registry import Entry, Registry

__all__ = ["SOURCES", "Source"]


@dataclass(frozen=True, kw_only=True)
class Source(Entry):
    """What errors come from, each of which can be left as the only one.

    Attributes:
        colour: of its bars (Okabe and Ito, Color Universal Design, 2008).
        hatch: of its bars, which tells sources apart without colour.
    """

    colour: str
    hatch: str


SOURCES = Registry(
    "source of errors",
    [
        Source(name="cz", title="two-qubit gates (CZ)", sentence="two-qubit gates", colour="#56B4E9", hatch=""),
        Source(name="sx", title="one-qubit gates (SX)", sentence="one-qubit gates", colour="#E69F00", hatch="////"),
        Source(name="readout", title="readout", sentence="readout", colour="#CC79A7", hatch="...."),
    ],
)
"""Name → source of errors."""
