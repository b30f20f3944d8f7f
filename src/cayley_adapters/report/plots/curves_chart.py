"""Perplexity over the noise scale, below the interactive map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.encodings import COLOURS, noise_columns, plain, tooltips

__all__ = ["curves_panel"]

_HEIGHT = 260  # pixels
_NAME = 12  # pixels from the name of a baseline to the next


def curves_panel(
    lines: pd.DataFrame,
    references: pd.DataFrame,
    axis: np.ndarray,
    variants: list[str],
    picked: Any,
    extent: int,
    width: int,
    first: bool,
) -> Any:
    """Perplexity against noise for one ratio, each block and each readout, over the baselines."""
    import altair as alt

    order = lines.sort_values("block_dim")["block"].unique().tolist()
    side = alt.Axis(minExtent=extent, titleX=-52, gridOpacity=0.4, tickCount=6)
    low, high = _ends([*lines["perplexity"], *references["perplexity"]])
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    height = alt.Y("perplexity:Q", scale=scale, title="Perplexity", axis=side)
    base = alt.Chart(plain(lines)).encode(
        x=noise_columns(alt, axis),
        y=height,
        color=alt.Color(
            "block:N",
            sort=order,
            title="Block",
            scale=alt.Scale(domain=order, range=COLOURS),
            legend=alt.Legend(labelLimit=300, orient="bottom"),
        ),
        opacity=alt.when(picked).then(alt.value(1)).otherwise(alt.value(0.12)),
        tooltip=tooltips(lines),
    )
    below = alt.Legend(labelLimit=300, orient="bottom")
    shape = alt.Shape("variant:N", sort=variants, title="Readout, shots, executor", legend=below)
    dash = alt.StrokeDash("variant:N", sort=variants, legend=None)
    rules = alt.Chart(references).encode(
        y=height,
        tooltip=[
            alt.Tooltip("method", title="Baseline"),
            alt.Tooltip("perplexity", title="Perplexity", format=",.4g"),
            alt.Tooltip("adapter_parameters", title="Adapter parameters", format=",.0f"),
        ],
    )
    named = alt.Chart(_dodged(references, low, high)).encode(
        y=alt.Y("place:Q", scale=scale), tooltip=[alt.Tooltip("method", title="Baseline")]
    )
    line = base.mark_line().encode(strokeDash=dash)
    return alt.layer(
        rules.mark_rule(color="#555", strokeDash=[6, 3]),
        named.mark_rule(color="#999").encode(
            x=alt.value(width), x2=alt.value(width + 8), y=alt.Y("perplexity:Q", scale=scale), y2="place:Q"
        ),
        named.mark_text(align="left", dx=11, fontSize=10, color="#333").encode(x=alt.value(width), text="method:N"),
        # Once: the legend it is bound to is shared. Altair would name the view by where objects lie in memory.
        line.properties(name="curves").add_params(picked) if first else line,
        base.mark_point(filled=True, size=45).encode(shape=shape),
    ).properties(width=width, height=_HEIGHT)


def _ends(perplexities: list[float]) -> tuple[float, float]:
    """Ends of the axis, a little beyond all that is finite."""
    values = np.array(perplexities, dtype=float)
    values = values[np.isfinite(values)]
    return float(values.min() / 1.1), float(values.max() * 1.1)


def _dodged(references: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """The baselines with ``place``, the perplexity at whose height each name stands: none covers another."""
    table = references.sort_values("perplexity").reset_index(drop=True)
    pixels = np.log(table["perplexity"] / low) / np.log(high / low) * _HEIGHT
    for place in range(1, len(pixels)):
        pixels[place] = max(pixels[place], pixels[place - 1] + _NAME)
    return table.assign(place=low * (high / low) ** (pixels / _HEIGHT))
