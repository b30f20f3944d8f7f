"""What the interactive charts share: sizes, colours, and the encodings of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["CELL", "COLOURS", "numbers", "plain", "recovery_colour", "tooltips", "width_of"]

CELL = (58, 46)  # pixels
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]  # told apart with colour blindness
_SHOWN = {
    "map": "Map",
    "model": "Model",
    "compression_ratio": "Compression ratio",
    "block": "Block",
    "scale": "Noise scale λ",
    "perplexity_text": "Perplexity",
    "nll_text": "nll (nats a token)",
    "difference": "nll − compressed (95 %)",
    "recovery_nll": "Recovered share of nll",
    "recovery": "Recovered share of perplexity",
    "phase": "Phase",
    "best": "Best block at this noise",
    "adapter_parameters": "Adapter parameters",
    "two_qubit_gates": "Two-qubit gates a block",
    "variant": "Readout, shots, executor",
    "seeds": "Seeds",
    "tokens": "Test tokens",
    "backend": "Device",
    "layout": "Layout",
    "mitigation": "Mitigation",
    "targets": "Adapted projections",
}


def width_of(axis: np.ndarray) -> int:
    """Width of a map in pixels, for the noise scales of its columns."""
    return max(CELL[0] * len(axis), 240)


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Infinite numbers become missing ones, which JSON can hold."""
    return table.replace([np.inf, -np.inf], np.nan)


def tooltips(table: pd.DataFrame) -> list[Any]:
    """All that is known of a cell, under readable names."""
    import altair as alt

    formats = {"recovery_nll": ".3f", "recovery": ".3f", "adapter_parameters": ",.0f", "tokens": ",d"}
    kinds: dict[str, dict[str, Any]]
    kinds = {name: {"format": formats[name]} if name in formats else {} for name in _SHOWN}
    return [alt.Tooltip(name, title=title, **kinds[name]) for name, title in _SHOWN.items() if name in table]


def recovery_colour(alt: Any) -> Any:
    """The colour of the recovered share."""
    scale = alt.Scale(scheme="viridis", domain=[-1, 1])
    return alt.Color("clipped:Q", scale=scale, title=["Recovered share", "of nll, clipped"])


def numbers(alt: Any, base: Any) -> list[Any]:
    """Perplexities, and crosses where noise dominates."""
    ink = alt.when("datum.clipped > 0.3").then(alt.value("black")).otherwise(alt.value("white"))
    cross = base.transform_filter("datum.noise_dominated").mark_point(
        shape="cross", angle=45, size=26, filled=True, color="white", opacity=0.9, xOffset=15, yOffset=-11
    )
    return [base.mark_text(fontSize=11).encode(text="text:N", color=ink), cross]
