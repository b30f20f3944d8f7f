"""Figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.core.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["save_figure"]


def save_figure(figure: Figure, png: Path | str, svg: Path | str) -> None:
    """Write a figure as PNG (300 dots an inch) and SVG; the same figure gives the same bytes, without dates.

    Args:
        figure: a figure of matplotlib.
        png, svg: where to; folders are made, and a file appears whole or not at all.
    """
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "cayley-adapters", "svg.fonttype": "path"}):
        with atomic_file(png) as temporary:
            figure.savefig(temporary, format="png", dpi=300, metadata={"Software": None})
        with atomic_file(svg) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
