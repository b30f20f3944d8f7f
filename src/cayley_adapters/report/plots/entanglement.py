"""The picture of the blocks' operator entanglement by layer, beside random blocks of the same norm."""

from __future__ import annotations

import textwrap
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.report.names import model_title
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["entanglement_figure"]

# Line and marker tell kinds and dimensions apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_TRAINED: dict[str, Any] = {"color": "#0072B2", "linewidth": 1.2, "marker": "o", "markersize": 2.6}
_RANDOM: dict[str, Any] = {"color": "black", "linewidth": 0.9, "linestyle": (0, (4, 2)), "marker": "s", "markersize": 4}
_RANDOM |= {"markerfacecolor": "white", "markeredgewidth": 0.7}
_EDGE: dict[str, Any] = {"color": "black", "linewidth": 0.6, "linestyle": (0, (1, 2))}
_DIMENSIONS = [
    *(("black", "o"), ("#D55E00", "^"), ("#009E73", "D")),
    *(("#CC79A7", "v"), ("#E69F00", "P"), ("#56B4E9", "X"), ("0.5", "s")),
]
_ORDER = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_LEFT, _GAP, _RIGHT = 0.68, 0.42, 0.12  # inches: left of the panels, before the distances, right
_TOP, _BELOW, _LINE = 0.52, 0.74, 0.105  # inches: heading, axis and legend, a line of the caption
_TEXT = 0.28  # inches that the numbers take in a panel


def entanglement_figure(table: pd.DataFrame, differences: pd.DataFrame, model: str, ansatz: str) -> Figure:
    """Operator entropy and distance from the identity over decoder layers, a row of panels a projection.

    Entropy has a panel for each block dimension that is 4, 8, … or 64, and is each block's mean over all bipartitions.
    In it stand the effective bond dimension, and the trained blocks' entropy over the random ones', with its interval.
    The last panel has the distances of all block dimensions. The smallest compression ratio is drawn, averaged over
    seeds.

    Args:
        table: :data:`cayley_adapters.analysis.entanglement.ENTANGLEMENT_COLUMNS`.
        differences: :data:`cayley_adapters.analysis.entanglement.DIFFERENCE_COLUMNS`.
        model, ansatz: names, for heading and caption.
    """
    ratios = sorted(table["compression_ratio"].unique().tolist())
    table, differences = (
        frame[(frame["compression_ratio"] == ratios[0]) & (frame["bipartition"] == "all")]
        for frame in (table, differences)
    )
    projections = sorted(table["projection"].unique(), key=_ORDER.index)
    dims = sorted(table["block_dim"].unique().tolist())
    entangled = sorted(table.loc[table["entropy_mean"].notna(), "block_dim"].unique().tolist())
    across = len(entangled) + 1
    panel = np.array([max(1.2, min(1.9, 5.6 / across)), 1.5 if len(projections) <= 3 else 0.9])
    width = max(_LEFT + _GAP + _RIGHT + across * panel[0], 5.0)
    note = textwrap.fill(_caption(table, differences, ratios, ansatz), int(21.5 * width))
    below = _BELOW + _LINE * (1 + note.count("\n"))
    height = _TOP + len(projections) * panel[1] + below
    with canvas(width, height) as figure:
        panels = _panels(figure, len(projections), across, below / height)
        answers = differences.set_index(["block_dim", "projection", "measure"]).sort_index()
        for row, projection in zip(panels, projections, strict=True):
            mine = table[table["projection"] == projection]
            every = -(-mine["layer"].nunique() // int(17 * panel[0]))  # so that markers do not touch
            for axes, d in zip(row, entangled, strict=False):
                _entropy(axes, mine[mine["block_dim"] == d], answers.loc[(d, projection)], every)
            _distances(row[-1], mine, dims, every)
        _dress(panels, projections, entangled, 1 - _TEXT / panel[1])
        heading = f"{model_title(model)}: operator entanglement of the blocks by layer"
        left = 0.1 / width
        figure.text(left, 1 - 0.1 / height, heading, va="top", fontsize=9, fontweight="bold")
        _legend(figure, dims, bool(entangled), (left, (below - 0.4) / height))
        figure.text(left, (below - 0.62) / height, note, va="top", fontsize=6.3, color="0.25", linespacing=1.2)
    return figure


def _caption(table: pd.DataFrame, differences: pd.DataFrame, ratios: list[float], ansatz: str) -> str:
    blocks = table[table["kind"] == "trained"]
    counts = [f"{count:,} of d = {d}" for d, count in blocks.groupby("block_dim")["blocks"].sum().items()]
    seeds = blocks["seed"].nunique()
    distances = differences.loc[differences["measure"] == "distance", "ratio"]
    apart = 100 * (distances - 1).abs().max() if distances.notna().any() else 0.0
    sampled = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    text = f"Compression ratio {ratios[0]:g}; ansatz {ansatz}; blocks: {', '.join(counts)}; {sampled}. "
    if blocks["entropy_mean"].notna().any():
        text += (
            "Entropy: of the operator Schmidt spectrum, mean over all bipartitions; shaded (trained) and dotted "
            "(random): 5 to 95 % of the blocks. χ: effective bond dimension of the trained blocks, 2 to the power of "
            "the entropy. Below it: entropy of trained over random blocks, with its 95 % bootstrap interval over "
            "layers. "
        )
    text += (
        "Random blocks have the norm ‖theta‖ of the trained ones, in a random direction; their mean distance from the "
        f"identity, not drawn, is the same{f' within {apart:.1g} %' if apart > 1e-9 else ''}."
    )
    others = ", ".join(f"{ratio:g}" for ratio in ratios[1:])
    return text + (f" Compression ratio {others}: in entanglement.csv." if others else "")


def _panels(figure: Figure, down: int, across: int, bottom: float) -> np.ndarray:
    """Panels ``(down, across)``; the last column has a scale of its own, and room for its numbers."""
    width, height = figure.get_size_inches()
    step = (width - _LEFT - _GAP - _RIGHT) / across
    split = _LEFT + step * (across - 1)
    panels = np.empty((down, across), dtype=object)
    for columns, left, right in (
        (slice(across - 1), _LEFT, split),
        (slice(across - 1, across), split + _GAP * (across > 1), width - _RIGHT),
    ):
        if count := len(panels[0, columns]):
            edges = {"left": left / width, "right": right / width, "bottom": bottom, "top": 1 - _TOP / height}
            grid = figure.add_gridspec(down, count, hspace=0.12, wspace=0.08, **edges)
            panels[:, columns] = grid.subplots(squeeze=False)
    return panels


def _by_layer(table: pd.DataFrame, measure: str, kind: str) -> pd.DataFrame:
    """Mean over seeds of the mean and quantiles over blocks."""
    names = {f"{measure}_{statistic}": statistic for statistic in ("mean", "q05", "q95")}
    return table[table["kind"] == kind].groupby("layer")[list(names)].mean().rename(columns=names)


def _entropy(axes: Axes, table: pd.DataFrame, answer: pd.DataFrame, every: int) -> None:
    trained, random = (_by_layer(table, "entropy", kind) for kind in ("trained", "random"))
    shade: dict[str, Any] = {"color": _TRAINED["color"], "alpha": 0.2}
    if len(trained) > 1:
        axes.fill_between(trained.index, trained["q05"], trained["q95"], linewidth=0, **shade)
        for edge in ("q05", "q95"):
            axes.plot(random.index, random[edge], **_EDGE)
    else:  # one layer is no area
        axes.vlines(trained.index, trained["q05"], trained["q95"], linewidth=6, **shade)
    axes.plot(random.index, random["mean"], markevery=every, **_RANDOM)
    axes.plot(trained.index, trained["mean"], markevery=every, **_TRAINED)
    found = answer.loc["entropy"]
    low, high = found["ratio_ci95_low"], found["ratio_ci95_high"]
    interval = "" if np.isnan(low) else f" ({low:.3f}–{high:.3f})"
    lines = [f"χ = {answer.loc['effective_bond_dimension', 'trained']:.3f}"]
    lines += [] if np.isnan(found["ratio"]) else [f"{found['ratio']:.3f}{interval}"]
    corner: dict[str, Any] = {
        "transform": axes.transAxes,
        "ha": "right",
        "va": "top",
        "fontsize": 6.5,
        "linespacing": 1.2,
    }
    axes.text(0.98, 0.97, "\n".join(lines), **corner)


def _distances(axes: Axes, table: pd.DataFrame, dims: list[int], every: int) -> None:
    for index, ((colour, marker), d) in enumerate(zip(cycle(_DIMENSIONS), dims, strict=False)):
        trained = _by_layer(table[table["block_dim"] == d], "distance", "trained")
        # Lines that lie close have their markers in turn.
        spots = (index, max(every, len(dims))) if len(trained) > 2 * len(dims) else every
        style: dict[str, Any] = {"color": colour, "linewidth": 0.9, "marker": marker, "markersize": 3}
        axes.plot(trained.index, trained["mean"], markevery=spots, **style)


def _dress(panels: np.ndarray, projections: list[str], entangled: list[int], share: float) -> None:
    """Common scales, ticks and labels; the numbers stand above ``share`` of an entropy panel."""
    from matplotlib.ticker import MaxNLocator

    for group, room in ((panels[:, :-1], share), (panels[:, -1:], 1.0)):
        top = max((axes.dataLim.y1 for axes in group.flat), default=0.0) or 1.0
        for axes in group.flat:
            axes.set_ylim(0, 1.08 * top / room)
            axes.set_xlim(axes.dataLim.x0 - 0.6, axes.dataLim.x1 + 0.6)
    for (row, column), axes in np.ndenumerate(panels):
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(4 if len(panels) <= 3 else 3))
        axes.tick_params(length=2, width=0.6, pad=2, labelsize=6.8)
        axes.tick_params(labelleft=column in (0, panels.shape[1] - 1), labelbottom=row == len(panels) - 1)
        if row == len(panels) - 1:
            axes.set_xlabel("Decoder layer", labelpad=2)
    for axes, projection in zip(panels[:, 0], projections, strict=True):
        axes.set_ylabel(f"{projection}\n{'Entropy (bits)' if entangled else 'Distance'}", linespacing=1.25)
    titles = [f"d = {d} ({qubits_that_hold(d)} qubits)" for d in entangled]
    for axes, title in zip(panels[0], [*titles, "Distance ‖Q − I‖$_F$/√d"], strict=True):
        axes.set_title(title, fontsize=7.5, loc="left", pad=3)


def _legend(figure: Figure, dims: list[int], entangled: bool, corner: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    kinds = {"trained": Line2D([], [], **_TRAINED), "random of the same norm": Line2D([], [], **_RANDOM)}
    entries = kinds if entangled else {}
    for (colour, marker), d in zip(cycle(_DIMENSIONS), dims, strict=False):
        entries[f"d = {d}"] = Line2D([], [], color=colour, linewidth=0.9, marker=marker, markersize=3.2)
    spacing: dict[str, Any] = {"columnspacing": 1.2, "handlelength": 2.6, "borderpad": 0, "borderaxespad": 0}
    spot: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": corner}
    figure.legend(
        list(entries.values()), list(entries), ncols=len(entries), frameon=False, fontsize=6.8, **spot, **spacing
    )
