"""The sources of errors, as the noise budget tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

from cayley_adapters.core.registry import Entry, Look, Registry

__all__ = ["SOURCES", "Source"]


@dataclass(frozen=True, kw_only=True)
class Source(Entry):
    """What errors come from, each of which can be left as the only one.

    Attributes:
        look: of its bars.
    """

    look: Look


SOURCES = Registry(
    "source of errors",
    [
        Source(
            name="cz", title="two-qubit gates (CZ)", sentence="two-qubit gates", look=Look(ink="#56B4E9", hatching="")
        ),
        Source(
            name="sx",
            title="one-qubit gates (SX)",
            sentence="one-qubit gates",
            look=Look(ink="#E69F00", hatching="////"),
        ),
        Source(name="readout", title="readout", sentence="readout", look=Look(ink="#CC79A7", hatching="....")),
    ],
)
"""Name → source of errors."""
