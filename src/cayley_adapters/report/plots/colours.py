"""The map's colours: zero is the compressed model without blocks, blue what helps it, red what harms.

Both arms grow dark evenly from white, so that grey print keeps the order within each; which arm a cell is on then shows
by its hatching. Red and blue are told apart with every common colour blindness (Brewer's RdBu).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["DARK", "colour_limit", "colours", "inked", "shade_colour"]

_STEPS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
DARK = 0.62
"""Share of the scale from which numbers are white."""


def colour_limit(against: pd.Series) -> float:
    """Where both ends of the colours lie: the largest gain, rounded up; what harms more has the last colour.

    Args:
        against: nll minus that of the compressed model, nats a token; where nothing is gained, the largest harm counts,
            of 1 nat at most.
    """
    values = against.to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    largest = -values.min(initial=0.0) or min(values.max(initial=0.0), 1.0) or 0.1
    power = 10.0 ** np.floor(np.log10(largest))
    return float(next(step for step in _STEPS if step * power >= largest * (1 - 1e-9)) * power)


def colours() -> Any:
    """Matplotlib's colour map, from help to harm."""
    import matplotlib as mpl

    return mpl.colormaps["RdBu_r"]


def inked(share: float) -> str:
    """Colour of a number on a cell, ``share`` of the scale from white."""
    return "white" if abs(share) > DARK else "black"


def shade_colour(alt: Any, limit: float) -> Any:
    """The same colours for a chart's field ``shade``."""
    scale = alt.Scale(scheme="redblue", reverse=True, domain=[-limit, limit], clamp=True)
    legend = alt.Legend(values=[-limit, -limit / 2, 0, limit / 2, limit], format="+.2~f", gradientLength=130)
    return alt.Color("shade:Q", scale=scale, legend=legend, title=["nll − compressed", "(nats a token):", "< 0 helps"])
