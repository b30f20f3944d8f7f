"""What the interactive charts share: sizes, colours, and the encodings of a cell."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.colours import DARK

__all__ = ["CELL", "COLOURS", "noise_columns", "numbers", "plain", "tooltips", "width_of"]

CELL = (66, 52)  # pixels
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


def width_of(axis: np.ndarray, panels: int = 0) -> int:
    """Width of a map in pixels, for the noise scales of its columns; few ``panels`` of few columns have wider ones."""
    return max(CELL[0] * len(axis), 240, min(110 * len(axis), 900 // panels) if panels else 0)


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Infinite numbers become missing ones, which JSON can hold."""
    return table.replace([np.inf, -np.inf], np.nan)


def noise_columns(alt: Any, axis: np.ndarray, field: str = "column", title: str | None = "Noise scale λ") -> Any:
    """The horizontal axis: columns named by their noise scale."""
    words = {0.0: "ideal", 1.0: "device"}
    names = json.dumps([[f"{scale:g}", *([words[scale]] if scale in words else [])] for scale in axis.tolist()])
    ticks = alt.Axis(values=list(range(len(axis))), labelExpr=f"{names}[datum.value]", grid=False, title=title)
    return alt.X(f"{field}:Q", scale=alt.Scale(domain=[-0.5, len(axis) - 0.5], nice=False, zero=False), axis=ticks)


def tooltips(table: pd.DataFrame) -> list[Any]:
    """All that is known of a cell, under readable names."""
    import altair as alt

    formats = {"recovery_nll": ".3f", "recovery": ".3f", "adapter_parameters": ",.0f", "tokens": ",d"}
    kinds: dict[str, dict[str, Any]]
    kinds = {name: {"format": formats[name]} if name in formats else {} for name in _SHOWN}
    return [alt.Tooltip(name, title=title, **kinds[name]) for name, title in _SHOWN.items() if name in table]


def numbers(alt: Any, base: Any, limit: float, cell: tuple[float, float] = CELL) -> list[Any]:
    """Perplexities, bold for the best block of a column, and hatching where noise dominates.

    Args:
        alt: Altair.
        base: a chart of cells with ``shade``, ``text``, ``best`` and ``noise_dominated``.
        limit: end of the colours.
        cell: pixels.
    """
    width, height = cell
    lift = -0.24 * height
    dark = alt.when(f"abs(datum.shade) > {DARK * limit}")
    hatching = base.transform_filter("datum.noise_dominated").mark_point(
        shape=_hatching(width, height, lift), size=width**2, filled=False, fill=None, strokeWidth=1.2, opacity=0.5
    )
    ink = dark.then(alt.value("white")).otherwise(alt.value("black"))
    texts = [
        base.transform_filter(chosen).mark_text(fontSize=11.5, fontWeight=weight, yOffset=lift)
        for chosen, weight in (("!datum.best", "normal"), ("datum.best", "bold"))
    ]
    return [hatching.encode(stroke=ink), *(text.encode(text="text:N", color=ink) for text in texts)]


def _hatching(width: float, height: float, lift: float) -> str:
    """Diagonals across a cell, but for the band of its number, as a symbol's path in half widths.

    Vega-Lite has no hatching of areas.
    """
    w, h = width / 2, height / 2
    parts: list[str] = []
    for top, bottom in ((-h, lift - 7), (lift + 7, h)):
        offset = -w + top
        while (offset := offset + 8) < w + bottom:
            left, right = max(-w, offset - bottom), min(w, offset - top)
            if left < right:
                ends = ((left, offset - left), (right, offset - right))
                parts.append("L".join(f"{x / w:.4f},{y / w:.4f}" for x, y in ends))
    return "".join(f"M{part}" for part in parts)
