"""The picture of maps that are compared: their critical noise, and what perplexity they differ by."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.core.messages import printable
from cayley_adapters.report.plots.boundaries import boundary_table
from cayley_adapters.report.plots.encodings import COLOURS
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["comparison_figure", "perplexity_differences"]

# Marker and filling tell maps apart without colour; a seventh map begins again with the other filling.
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LEGEND = (
    "Bars: 95 % intervals. Arrows: λ_c lies beyond the noise scales measured. Crosses at the lower edge: no gain even "
    "without noise."
)
_LONGEST, _BESIDE = 44, 20  # characters of a label in the legend, and beside an axis
_WIDTH, _PANEL, _LINE = 3.3, 2.0, 0.118  # inches: of a ratio's panels, their height, a line of the notes
_BEYOND = {"above": 2.2, "below": 1 / 2.2}  # how far arrows reach


def comparison_figure(
    maps: Sequence[tuple[str, pd.DataFrame, Mapping[str, Any]]], differences: pd.DataFrame, notes: Sequence[str]
) -> Figure:
    """λ_c by block dimension, a series a map, and below it the perplexity against the first map's; a column a ratio.

    Args:
        maps: ``(label, rows of phase_diagram.csv, transition.json)`` of each map, the one compared with first.
        differences: rows of ``comparison_differences.csv``, each map by its label; the lower row is left out if none.
        notes: sentences of the caption.
    """
    labels = [label for label, _, _ in maps]
    bounds = pd.concat([
        boundary_table(told, np.sort(cells["noise_scale"].unique().astype(float))).assign(map=label)
        for label, cells, told in maps
    ])  # fmt: skip
    table = perplexity_differences(differences)
    table = table[table["noise_scale"] == _nearest_to_one(table["noise_scale"])]
    ratios = sorted(bounds["compression_ratio"].unique())
    width = max(_WIDTH * len(ratios) + 0.5, 5.2)
    lines = [line for note in (*notes, _LEGEND) for line in textwrap.wrap(_shown(note), int(21 * width))]
    entries = [_shown(_cut(label, _LONGEST)) for label in labels]
    columns = max(1, min(len(labels), int(width * 13 / (max(map(len, entries)) + 8))))
    rows = 1 if table.empty else 2
    below = 0.12 + _LINE * len(lines)
    legend = 0.12 + 0.17 * -(-len(labels) // columns)
    height = 0.45 + rows * _PANEL + 0.5 + legend + below
    with canvas(width, height) as figure:
        panels = figure.subplots(rows, len(ratios), squeeze=False, sharex=True, sharey="row")
        dims = sorted(bounds["block_dim"].unique())
        for column, ratio in enumerate(ratios):
            _critical(panels[0, column], bounds[bounds["compression_ratio"] == ratio], labels, dims)
            panels[0, column].set_title(f"Compression ratio {ratio:g}", fontsize=8)
            if rows > 1:
                _perplexity(panels[1, column], table[table["compression_ratio"] == ratio], labels, dims)
            panels[-1, column].set_xlabel("Block dimension d")
            panels[-1, column].set_xticks(range(len(dims)), [str(d) for d in dims])
            panels[-1, column].set_xlim(-0.5, len(dims) - 0.5)
        panels[0, 0].set_ylabel("Critical noise λ$_c$\n(1: device as calibrated)")
        if rows > 1:
            scale = table["noise_scale"].iloc[0]
            panels[1, 0].set_ylabel(f"Perplexity at λ = {scale:g}\nagainst {_shown(_cut(labels[0], _BESIDE))} (%)")
        figure.suptitle("Maps compared", x=0.012, ha="left", fontweight="bold", fontsize=9)
        handles = [_handle(place) for place in range(len(labels))]
        spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, below / height), "frameon": False}
        figure.legend(handles, entries, ncols=columns, fontsize=7, **spot)
        figure.text(0.012, 0.08 / height, "\n".join(lines), fontsize=6.3, color="0.25", linespacing=1.25)
        figure.subplots_adjust(
            left=0.8 / width, right=1 - 0.12 / width, top=1 - 0.45 / height, bottom=(below + legend + 0.4) / height,
            wspace=0.08, hspace=0.12,
        )  # fmt: skip
    return figure


def perplexity_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """The differences of nll with ``percent, low, high``: by how much perplexity is above the reference's, %."""
    table = differences[(differences["quantity"] == "nll_difference") & differences["estimate"].notna()]
    ends = {"percent": "estimate", "low": "ci95_low", "high": "ci95_high"}
    return table.assign(**{name: 100 * np.expm1(table[column].astype(float)) for name, column in ends.items()})


def _percent(value: float) -> str:
    text = f"{value:+.0f}" if abs(value) < 1e5 else f"{value:+.0e}".replace("e+", "e")
    return text.replace("-", "−") if value else "0"


def _nearest_to_one(scales: pd.Series) -> float:
    """The noise scale that is drawn: the device as calibrated, or what comes nearest to it; 0 where there is none."""
    known = sorted(scales.unique())
    return float(min(known, key=lambda scale: abs(np.log(max(scale, 1e-9))))) if known else 0.0


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _shown(text: str) -> str:
    """A text of a stranger: no formula of Matplotlib's, and nothing that it would leave out of a legend."""
    text = " ".join(printable(text).split()).replace("$", r"\$")
    return f"\u2009{text}" if text.startswith("_") else text


def _style(place: int) -> dict[str, Any]:
    colour = COLOURS[place % len(COLOURS)]
    empty = place // len(_MARKERS) % 2
    return {"marker": _MARKERS[place % len(_MARKERS)], "color": colour, "mfc": "white" if empty else colour, "ms": 5}


def _handle(place: int) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", **_style(place))


def _shift(place: int, maps: int) -> float:
    """How far a map's marker lies beside its block dimension."""
    return (place - (maps - 1) / 2) * min(0.16, 0.7 / maps)


def _critical(axes: Axes, rows: pd.DataFrame, labels: Sequence[str], dims: Sequence[int]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    for row in rows.itertuples():
        place = labels.index(row.map)
        x, style = dims.index(row.block_dim) + _shift(place, len(labels)), _style(place)
        if not row.lambda_c > 0:  # no logarithm: at the lower edge, whatever the axis
            at: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot([x], [0.02], marker="x", color=style["color"], ms=4.5, ls="none", **at)
            continue
        axes.plot([x, x], [max(row.low, row.lambda_c / 2), row.high], "-", color=style["color"], lw=1.2)
        if row.censored in _BEYOND:
            end = row.lambda_c * _BEYOND[row.censored]
            arrow = {"arrowstyle": "-|>", "color": style["color"], "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (x, end), (x, row.lambda_c), arrowprops=arrow)
            axes.plot([x], [end], alpha=0)  # room for the arrow
        axes.plot([x], [row.lambda_c], ls="none", **style)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.axhline(1, color="0.35", lw=0.8, ls="--", zorder=0)
    axes.grid(axis="y", which="major", color="0.88", lw=0.5)
    axes.set_axisbelow(True)


def _perplexity(axes: Axes, rows: pd.DataFrame, labels: Sequence[str], dims: Sequence[int]) -> None:
    for row in rows.itertuples():
        place = labels.index(row.map)
        x, style = dims.index(row.block_dim) + _shift(place, len(labels)), _style(place)
        axes.plot([x, x], [row.low, row.high], "-", color=style["color"], lw=1.2)
        axes.plot([x], [row.percent], ls="none", **style)
    axes.set_yscale("symlog", linthresh=1.0)  # differences of a hundredth and of factors in one panel
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -1), max(high, 1))  # where losses are the same there would be no axis
    axes.yaxis.set_major_formatter(lambda value, _: _percent(value))
    axes.axhline(0, color="0.35", lw=0.8, ls="--", zorder=0)
    axes.grid(axis="y", color="0.88", lw=0.5)
    axes.set_axisbelow(True)
