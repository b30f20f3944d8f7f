"""The picture of the levers: how far each moves the boundary, for every number of qubits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.names import model_title
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["levers_figure"]

# Marker and filling tell numbers of qubits apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_STYLES = {2: ("o", "#0072B2", "white"), 3: ("s", "#D55E00", "#D55E00"), 4: ("^", "black", "0.6")}
_OFFSET = 0.26
_KINDS = (
    "reference",
    "training",
    "ansatz",
    "synthesis",
    "device",
    "mitigation",
    "readout",
    "projections",
    "combination",
)
_ARROW = 1.35  # length of an arrow beyond the axis, as a factor of the noise scale


def levers_figure(table: pd.DataFrame, model: str, backend: str, ratio: float) -> Figure:
    """λ_c with its interval by lever and number of qubits, on a logarithmic noise axis; the map's own on top.

    Levers of one kind stand together, those that reach furthest first. What lies beyond the noise scales measured is an
    arrow from where they end.

    Args:
        table: rows of levers, see :func:`cayley_adapters.analysis.levers.columns_of`.
        model: its name.
        backend: the run's own device.
        ratio: compression ratio.
    """
    rows = table[table["kind"] != "control"]
    order = _order(rows)
    with canvas(8.2, 1.9 + 0.3 * len(order)) as figure:
        height = figure.get_figheight()
        axes = figure.subplots()
        _draw(axes, rows, order)
        heading = f"{model_title(model)}: the critical noise that each lever reaches"
        figure.suptitle(heading, x=0.02, y=1 - 0.12 / height, va="top", ha="left", fontweight="bold", fontsize=10)
        axes.set_xlabel(f"Critical noise λ$_c$, 95 % interval (1: {backend} as calibrated; other devices: their own)")
        spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.02, 0.32 / height)}
        axes.legend(ncols=3, frameon=False, fontsize=8, borderaxespad=0, bbox_transform=figure.transFigure, **spot)
        note = (
            f"Compression ratio {ratio:g}. Arrows: λ$_c$ lies beyond the noise scales measured; at the left edge: "
            "blocks do not help even without noise."
        )
        figure.text(0.02, 0.12 / height, note, fontsize=7, color="0.25")
        figure.subplots_adjust(left=0.4, right=0.98, top=1 - 0.6 / height, bottom=1.05 / height)
    return figure


def _order(rows: pd.DataFrame) -> pd.DataFrame:
    """Titles and kinds of the levers: kinds in the order of the table, in each what reaches furthest first."""
    scales = rows["lambda_c"].astype(float).clip(lower=1e-3)
    # Not all levers are measured for all numbers of qubits: each is taken beside the reference of its own.
    plain = scales[rows["kind"] == "reference"].set_axis(rows.loc[rows["kind"] == "reference", "qubits"])
    reach = np.log(scales) - np.log(rows["qubits"].map(plain).fillna(1.0))
    levers = rows.assign(reach=reach).groupby("lever", sort=False)
    order = levers.agg(title=("title", "first"), kind=("kind", "first"), reach=("reach", "mean"))
    order["place"] = order["kind"].map(_KINDS.index)
    return order.sort_values(["place", "reach"], ascending=[True, False], kind="stable")


def _draw(axes: Axes, rows: pd.DataFrame, order: pd.DataFrame) -> None:
    reached = rows["lambda_c"].astype(float).to_numpy()
    low = 0.6 * float(reached[reached > 0].min(initial=0.1))
    high = 1.6 * float(max(reached.max(initial=1.0), 1.0))
    place = {name: -index for index, name in enumerate(order.index)}
    for qubits, (marker, colour, face) in _STYLES.items():
        mine = rows[rows["qubits"] == qubits]
        for row in mine.itertuples():
            _lever(axes, row, place[row.lever] + (3 - qubits) * _OFFSET, (low, high), (marker, colour, face))
        if len(mine):
            axes.plot([], [], marker=marker, color=colour, mfc=face, ms=5, ls="", label=f"{qubits} qubits")
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(-len(order) + 0.4, 0.6)
    axes.axvline(1, color="black", lw=0.9, ls="--", zorder=1)
    above: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center"}
    axes.annotate("device", (1, 1), (0, 2), **above)
    axes.set_yticks(list(place.values()), order["title"], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x", which="major", color="0.85", lw=0.5)
    axes.set_axisbelow(True)
    left: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontweight": "bold"}
    for kind, group in order.groupby("kind", sort=False):
        axes.axhline(place[group.index[-1]] - 0.5, color="0.7", lw=0.6, zorder=0)
        axes.text(-0.64, place[group.index[0]], kind, fontsize=8, **left)


def _lever(axes: Axes, row: Any, y: float, ends: tuple[float, float], style: tuple[str, str, str]) -> None:
    """One lever at one number of qubits: its interval, and a point or, where it lies beyond the axis, an arrow."""
    (low, high), (marker, colour, face) = ends, style
    critical = row.lambda_c
    beyond = "below" if not critical > 0 else row.censored
    if beyond in ("above", "below"):
        start = critical if critical > 0 else low * _ARROW
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (start * _ARROW if beyond == "above" else start / _ARROW, y), (start, y), arrowprops=arrow)
    else:
        axes.plot([critical], [y], marker=marker, color=colour, mfc=face, ms=5, ls="", zorder=3)
    known = [end for end in (row.lambda_c_low, row.lambda_c_high) if pd.notna(end)]
    if known and critical > 0:  # an interval that is open above ends with the axis
        top = min(max(known), high) if pd.notna(row.lambda_c_high) or beyond == "above" else high
        axes.plot([max(min(known), low), max(top, critical)], [y, y], "-", color=colour, lw=1.2)
