"""A stage's figures: drawn one after the other from what the stage has at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cayley_adapters.core.registry import load
from cayley_adapters.report.contents import Figure
from cayley_adapters.report.plots.files import save_figure, save_html

__all__ = ["draw_figures", "files_of", "pictures_of"]


def draw_figures(figures: Sequence[Figure], outputs: Mapping[str, Path], given: Mapping[str, Any]) -> None:
    """Draw all figures of a stage.

    Args:
        figures: its list in :mod:`cayley_adapters.report.figures`.
        outputs: of the stage, the figures' among them.
        given: what figures may take: tables by their names, and what else the stage knows.
    """
    for figure in figures:
        values = [given[name] for name in figure.takes]
        if "png" in figure.kinds:
            save_figure(load(figure.drawn)(*values), *(outputs[f"{figure.name}_{kind}"] for kind in ("png", "svg")))
        if "html" in figure.kinds:
            save_html(load(figure.chart)(*values), outputs[f"{figure.name}_html"], figure.title)


def pictures_of(figures: Sequence[Figure], outputs: Mapping[str, Path]) -> dict[str, Path]:
    """The pictures that a stage's run shows in W&B: key → PNG."""
    return {figure.picture: outputs[f"{figure.name}_png"] for figure in figures if "png" in figure.kinds}


def files_of(figures: Sequence[Figure], outputs: Mapping[str, Path]) -> list[Path]:
    """All files of a stage's figures."""
    return [outputs[name] for figure in figures for name in figure.paths()]
