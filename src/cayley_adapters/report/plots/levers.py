"""The picture of the levers: how far each moves the boundary, for every number of qubits."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
_OFFSET = 0.24
_BEYOND = {"above": 1.7, "below": 1 / 1.7}
_KINDS = (
    *("reference", "training", "ansatz", "synthesis", "device", "mitigation", "readout", "projections"),
    "combination",
)


def levers_figure(table: pd.DataFrame, model: str, backend: str, ratio: float) -> Figure:
    """λ_c with its interval by lever and number of qubits, on a logarithmic noise axis; the map's own on top.

    Args:
        table: rows of levers, see :func:`cayley_adapters.analysis.levers.columns_of`.
        model: its name.
        backend: the run's own device.
        ratio: compression ratio.
    """
    rows = table[table["kind"] != "control"]
    names = _order(rows)
    with canvas(6.9, 1.6 + 0.27 * len(names)) as figure:
        axes = figure.subplots()
        _draw(axes, rows, names)
        figure.suptitle(
            f"{model_title(model)}: the critical noise that each lever reaches", x=0.02, ha="left", fontweight="bold"
        )
        axes.set_xlabel(f"Critical noise λ$_c$, 95 % interval (1: {backend} as calibrated; other devices: their own)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.55 / figure.get_figheight()), ncols=3, frameon=False)
        figure.text(
            0.02,
            0.08 / figure.get_figheight(),
            f"Compression ratio {ratio:g}. Arrows: the boundary lies beyond the noise scales measured. Crosses at "
            "the left edge: blocks do not help even without noise.",
            fontsize=6.3,
            color="0.25",
        )
        figure.subplots_adjust(
            left=0.31, right=0.98, top=1 - 0.35 / figure.get_figheight(), bottom=0.95 / figure.get_figheight()
        )
    return figure


def _order(rows: pd.DataFrame) -> list[str]:
    """The reference first, then kinds in the order of the table, the strongest lever first in each."""
    first = rows.groupby("lever", sort=False).agg(kind=("kind", "first"), reach=("lambda_c", _reach))
    first["place"] = first["kind"].map(_KINDS.index)
    return list(first.sort_values(["place", "reach"], ascending=[True, False], kind="stable").index)


def _reach(values: pd.Series) -> float:
    return float(np.log(values.astype(float).clip(lower=1e-3)).mean())


def _draw(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    reached = rows["lambda_c"].astype(float).to_numpy()
    low = 0.7 * float(reached[reached > 0].min(initial=0.1))
    high = 2.0 * float(reached.max(initial=5.0))
    place = {name: -index for index, name in enumerate(names)}
    for qubits, (marker, colour, face) in _STYLES.items():
        mine = rows[rows["qubits"] == qubits]
        label: str | None = f"{qubits} qubits"
        for row in mine.itertuples():
            y = place[row.lever] + (3 - qubits) * _OFFSET
            if not row.lambda_c > 0:
                axes.plot([low * 1.06], [y], marker="x", color=colour, ms=4, ls="", clip_on=False)
                continue
            start = row.lambda_c_low if pd.notna(row.lambda_c_low) else low
            end = row.lambda_c_high if pd.notna(row.lambda_c_high) else high
            axes.plot([max(start, low), min(end, high)], [y, y], "-", color=colour, lw=1)
            axes.plot([row.lambda_c], [y], marker=marker, color=colour, mfc=face, ms=4.5, ls="", label=label)
            label = None
            if row.censored in _BEYOND:
                arrow = {"arrowstyle": "->", "color": colour, "lw": 1}
                axes.annotate("", (row.lambda_c * _BEYOND[row.censored], y), (row.lambda_c, y), arrowprops=arrow)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(-len(names) + 0.4, 0.6)
    axes.axvline(1, color="black", lw=0.8, ls="--")
    titles = rows.drop_duplicates("lever").set_index("lever")
    axes.set_yticks([place[name] for name in names], titles.loc[names, "title"])
    axes.tick_params(axis="y", length=0)
    for y in place.values():
        axes.axhline(y + 0.5, color="0.9", lw=0.5, zorder=0)
    axes.grid(axis="x", which="major", color="0.85", lw=0.5)
    axes.set_axisbelow(True)
