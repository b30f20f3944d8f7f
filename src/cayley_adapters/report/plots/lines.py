"""The picture of a device's lines: how many run at once, against how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["lines_figure"]

# Markers and dashes tell layouts apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_STYLES = {
    "dense": ("disjoint lines", "#0072B2", "o", "-"),
    "sparse": ("no two lines adjacent", "#E69F00", "s", "--"),
    "plain": ("plain matching: most pairs, errors not looked at", "black", "X", ""),
}
_NAMED = (0.25, 0.5, 0.75, 1.0)


def lines_figure(table: pd.DataFrame, heading: str, chosen: float | None = None) -> Figure:
    """Mean CZ error and mean estimated infidelity against the number of lines, a curve a layout.

    Args:
        table: rows of :func:`cayley_adapters.qpu.lines.line_tradeoff` for one number of qubits, dense and sparse.
        heading: device and number of qubits.
        chosen: the quality in use, which is circled.
    """
    quantities = {"cz_error": "Mean CZ error", "infidelity": "Mean estimated infidelity"}
    if table["cz_error"].isna().all():  # lines of one qubit have no coupler
        del quantities["cz_error"]
    with canvas(3.1 * len(quantities) + 0.2, 3.2) as figure:
        panels = figure.subplots(1, len(quantities), squeeze=False)[0]
        for axes, (name, title) in zip(panels, quantities.items(), strict=True):
            _curves(axes, table, name, chosen)
            axes.set(xlabel="Lines that run at once", ylabel=title)
            axes.set_ylim(0, 1.13 * table[name].max())
        if "cz_error" in quantities:
            median = table["median_cz_error"].iloc[0]
            panels[0].axhline(median, color="0.35", linewidth=0.9, linestyle=":", label="median of the device")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.suptitle(heading, x=0.01, ha="left", fontweight="bold", fontsize=9)
        spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.07)}
        figure.legend(handles, labels, ncols=2, fontsize=6.8, frameon=False, **spot)
        note = "Numbers: share of the device's lines, best first, that may be used"
        note += "." if chosen is None else f";\nring: share in use, {chosen:g}."
        figure.text(0.012, 0.012, note, fontsize=6.3, color="0.25")
        figure.tight_layout(rect=(0, 0.17, 1, 1), w_pad=1.6)
    return figure


def _curves(axes: Axes, table: pd.DataFrame, name: str, chosen: float | None) -> None:
    from matplotlib.patheffects import withStroke

    for layout, (label, colour, marker, dashes) in _STYLES.items():
        rows = table[table["layout"] == layout]
        if rows.empty:
            continue
        size = 6.5 if layout == "plain" else 3.6
        style: dict[str, Any] = {
            "linestyle": dashes or "none",
            "marker": marker,
            "markersize": size,
            "markeredgecolor": "white",
        }
        axes.plot(rows["lines"], rows[name], color=colour, linewidth=1.1, markeredgewidth=0.5, label=label, **style)
        for row in rows[rows["quality"].isin(_NAMED)].itertuples():
            place = (row.lines, getattr(row, name))
            above = layout == "sparse"
            axes.annotate(
                f"{row.quality:g}",
                place,
                (0, 7 if above else -7),
                textcoords="offset points",
                fontsize=6,
                ha="center",
                va="bottom" if above else "top",
                color="0.25",
                path_effects=[withStroke(linewidth=1.8, foreground="white")],
            )
        ring = rows[rows["quality"] == chosen]
        axes.plot(ring["lines"], ring[name], "o", markersize=8, fillstyle="none", color="black", markeredgewidth=0.9)
