"""What the marks of the map mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from cayley_adapters.report.plots.boundaries import BOUNDARIES
from cayley_adapters.report.plots.marks import mark_handle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["THIN", "draw_legend", "legend_entries"]

THIN = {"repair": (0, (4, 1.5)), "identity": (0, (1, 1.2))}
"""Boundary beside λ_c → its dashes."""


def legend_entries(beyond: bool, thin: Collection[str], measured: bool) -> dict[str, Any]:
    """What a legend of a map explains, with handles.

    Args:
        beyond: whether a critical noise lies beyond the axis.
        thin: those of :data:`~cayley_adapters.report.plots.boundaries.BOUNDARIES` that are drawn.
        measured: whether a processor's measurement is.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    noise = Patch(facecolor="0.85", edgecolor="0.35", hatch="////", linewidth=0)
    noise.set_hatch_linewidth(0.7)
    line = Line2D([], [], color="black", linewidth=1.9, marker="o", markersize=4.6, markerfacecolor="white")
    interval = Line2D([], [], color="black", linewidth=1.1, marker="|", markersize=5)
    arrow = Line2D([], [], color="black", linewidth=1.2, marker=">", markersize=4, markevery=[1])
    arrow.set_data([0, 1], [0, 0])
    device = Line2D([], [], color="black", linestyle="none", marker="v", markersize=5)
    bold = Line2D([], [], color="black", linestyle="none", marker="$\\mathbf{28}$", markersize=8.5)
    bold.set_markeredgewidth(0)
    entries: dict[str, Any] = {
        "noise-dominated: worse than without blocks (C > G)": noise,
        "perplexity, bold: best block at this λ": bold,
        "device (λ = 1)": device,
    }
    if measured:
        entries["measured on a processor"] = mark_handle()
    entries |= {"critical noise λ$_c$": line, "its 95 % interval": interval}
    if beyond:
        entries["λ$_c$ beyond the axis"] = arrow
    return entries | {
        f"{letter}: {what}": Line2D([], [], color="black", linewidth=1, linestyle=THIN[name])
        for name, (letter, what) in BOUNDARIES.items()
        if name in thin
    }


def draw_legend(figure: Figure, corner: tuple[float, float], entries: Mapping[str, Any], columns: int) -> None:
    """Draw what :func:`legend_entries` returns; ``corner`` is the lower left one, in shares of the figure."""
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="lower left",
        bbox_to_anchor=corner,
        ncols=columns,
        fontsize=7.8,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.6,
        borderaxespad=0,
    )
