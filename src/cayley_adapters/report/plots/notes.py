"""What stands below the map: what was measured, and how."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.report.names import model_title
from cayley_adapters.report.words import shots_text

__all__ = ["describe", "map_title"]


def map_title(table: pd.DataFrame) -> str:
    """The heading of the map of a table's model."""
    return f"{model_title(str(table['model'].iloc[0]))}: where blocks help, and where noise drowns them"


def describe(table: pd.DataFrame, transition: Mapping[str, Any], width: int = 0, more: str = "") -> str:
    """The caption: model, device, readout, shots, adapted projections, tokens, executor and intervals, and ``more``."""
    one = table.iloc[0]
    seeds = int(table["seeds"].max())
    bootstrap = transition.get("bootstrap", {})
    parts = [
        f"Model {model_title(str(one['model']))}, compression {one['compression']}; ansatz {one['ansatz']}; "
        f"adapted projections: {one['targets']}; device {one['backend']} (layout {one['layout']}, "
        f"mitigation {one['mitigation']}); readout {READOUTS[one['readout']].title}; "
        f"{shots_text(transition['shots'])}; executor {one['executor']}; "
        f"{int(one['tokens']):,} test tokens"
        + (f" of {bootstrap['resampled']}" if bootstrap else "")
        + (f"; mean of {seeds} seeds" if seeds > 1 else "; one seed")
        + "."
    ]
    if bootstrap and bootstrap["documents"] > 1:
        seeds_too = ", not over training seeds, of which there is one" if seeds == 1 else ""
        parts.append(f"Intervals: {bootstrap['replicates']:,} paired bootstrap replicates over these{seeds_too}.")
    elif bootstrap:
        parts.append("No intervals: one window of one document cannot be resampled.")
    text = " ".join(parts) + more
    return textwrap.fill(text, width) if width else text
