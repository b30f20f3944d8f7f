"""The phase diagram as a figure for print; :mod:`cayley_adapters.report.plots.phase_chart` is for the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.files import canvas
from cayley_adapters.report.plots.grid import (
    boundary_table,
    cell_table,
    column_of,
    describe,
    reference_perplexities,
    short,
    text_shift,
)
from cayley_adapters.report.plots.marks import device_marks, draw_device_marks, mark_handle, mark_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["phase_diagram_figure"]

_CELL = (0.44, 0.46)  # inches
_LEFT, _RIGHT, _BETWEEN = 1.12, 0.78, 0.22  # inches beside the panels
_TOP, _AXIS, _LINE, _ROWS_APART = 0.8, 0.58, 0.105, 1.0  # inches: heading, ticks, a line of the caption, between rows
_WIDTHS = (4.9, 6.4)  # inches: the least, and from where the legend has three columns
_PANELS_A_ROW = 3
_HEADING = 2.35  # inches, of a panel's heading and axis label, where another panel is beside it
_MAP = "viridis"  # luminance rises along it, so that grey print keeps the order
_THIN = {"repair": (0, (4, 1.5)), "identity": (0, (1, 1.2))}
_MARK = -0.27  # where in a cell the boundary's marker and interval lie, in row heights


def phase_diagram_figure(
    cells: pd.DataFrame, baselines: pd.DataFrame, transition: Mapping[str, Any], title: str | None = None
) -> Figure:
    """Block dimension against noise scale, coloured by the recovered share of nll, one panel a compression ratio.

    The colour is (nll_compressed − nll) / (nll_compressed − nll_uncompressed), clipped to [−1, 1]: 1 is the
    uncompressed model, 0 the compressed one without blocks. Each cell bears its perplexity, bold where its block is
    the best of the column; noise-dominated cells are hatched, and the line is λ_c with its 95 % interval.

    Args:
        cells: rows of ``phase_diagram.csv`` of one model; those of the transition's readout and shots are drawn,
            averaged over seeds.
        baselines: ``baselines.csv``.
        transition: ``transition.json``.
        title: the heading; the model's name unless given.

    Raises:
        CayleyError: no cell has the transition's readout and shots, or a baseline is missing.
    """
    table = cell_table(cells, transition)
    axis = np.sort(table["noise_scale"].unique().astype(float))
    labels = table.drop_duplicates("block_dim").sort_values("block_dim")
    dims = labels["block_dim"].tolist()
    ratios = sorted(table["compression_ratio"].unique())
    references = reference_perplexities(baselines, transition)
    bounds = boundary_table(transition, axis)
    measured = device_marks(cells, axis)

    across = min(len(ratios), _PANELS_A_ROW)
    down = -(-len(ratios) // across)
    beside = _LEFT + (across - 1) * _BETWEEN + _RIGHT
    least = (_WIDTHS[0] - beside) / across if across == 1 else _HEADING - _BETWEEN
    panel = np.array([max(_CELL[0] * len(axis), least), max(_CELL[1] * len(dims), 0.9)])
    width = beside + across * panel[0]
    note = describe(table, transition, width=int(width * 21.5), more=mark_note(measured))
    caption = _LINE * (2 + note.count("\n"))
    bottom = caption + (0.43 if width >= _WIDTHS[1] else 0.58) + _AXIS
    size = np.array([width, _TOP + down * panel[1] + (down - 1) * _ROWS_APART + bottom])
    with canvas(*size) as figure:
        for place, ratio in enumerate(ratios):
            row, column = divmod(place, across)
            corner = [_LEFT + column * (panel[0] + _BETWEEN), bottom + (down - 1 - row) * (panel[1] + _ROWS_APART)]
            axes = figure.add_axes((*(corner / size), *(panel / size)), label=f"ratio {ratio:g}")
            of_ratio = table[table["compression_ratio"] == ratio]
            of_bounds = bounds[bounds["compression_ratio"] == ratio]
            _draw_cells(axes, of_ratio, dict(zip(of_bounds["block_dim"], of_bounds["x"], strict=True)), dims, len(axis))
            _draw_boundary(axes, of_bounds, dims, len(axis))
            draw_device_marks(axes, measured[measured["compression_ratio"] == ratio], dims)
            _dress(axes, axis, labels if column == 0 else labels.assign(label=""))
            _head(axes, ratio, references[references["compression_ratio"] == ratio], axis)
        low = bottom / size[1]
        right = _LEFT + across * panel[0] + (across - 1) * _BETWEEN + 0.14
        bar = figure.add_axes((right / size[0], low, 0.11 / size[0], 1 - _TOP / size[1] - low), label="colour bar")
        _colour_bar(figure, bar, bool((table["recovery_nll"] < -1).any()))
        figure.text(
            0.02, 1 - 0.12 / size[1], title or str(table["model"].iloc[0]), va="top", fontsize=9, fontweight="bold"
        )
        _legend(figure, (0.012, caption / size[1]), width >= _WIDTHS[1], bool(len(measured)))
        figure.text(0.02, (caption - 0.06) / size[1], note, va="top", fontsize=6, color="0.25", linespacing=1.25)
    return figure


def _draw_cells(axes: Axes, table: pd.DataFrame, lines: dict[int, float], dims: list[int], columns: int) -> None:
    """Coloured rectangles with their perplexity beside the boundary; hatched where noise dominates."""
    import matplotlib as mpl
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    colours = mpl.colormaps[_MAP]
    axes.set_facecolor("0.92")
    for cell in table.itertuples():
        x, y = cell.column, dims.index(cell.block_dim)
        share = np.clip(cell.recovery_nll, -1, 1) if not np.isnan(cell.recovery_nll) else np.nan
        colour = (0.75, 0.75, 0.75, 1.0) if np.isnan(share) else colours((share + 1) / 2)
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.5))
        if cell.noise_dominated:
            hatch = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="/////", linewidth=0, gid="noise-dominated")
            hatch.set_edgecolor((1, 1, 1, 0.55))
            hatch.set_hatch_linewidth(0.6)
            axes.add_patch(hatch)
        light = np.dot(colour[:3], (0.299, 0.587, 0.114)) > 0.48
        axes.text(
            x + text_shift(x, lines[cell.block_dim]),
            y + 0.13,
            cell.text,
            ha="center",
            va="center",
            fontsize=7.5,
            fontweight="bold" if cell.best else "normal",
            color="black" if light else "white",
            zorder=6,
            path_effects=[withStroke(linewidth=2.2, foreground=colour)],
        )
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(-0.5, len(dims) - 0.5))


def _draw_boundary(axes: Axes, bounds: pd.DataFrame, dims: list[int], columns: int) -> None:
    """λ_c as a thick line over the rows, with a marker, its interval and an arrow where it is censored."""
    from matplotlib.patheffects import Normal, withStroke

    halo = [withStroke(linewidth=4.2, foreground="white"), Normal()]
    thin = [withStroke(linewidth=2.8, foreground="white"), Normal()]
    rows = [(dims.index(bound.block_dim), bound) for bound in bounds.itertuples()]
    line = np.array([(bound.x, y + side) for y, bound in rows for side in (-0.5, 0.5)])
    axes.plot(*line.T, color="black", linewidth=1.9, path_effects=halo, zorder=4, clip_on=False, gid="boundary")
    for name, dashes in _THIN.items():
        for y, bound in rows:
            axes.plot(
                [getattr(bound, f"x_{name}")] * 2,
                [y - 0.5, y + 0.5],
                color="black",
                linewidth=0.9,
                linestyle=dashes,
                path_effects=[withStroke(linewidth=2.2, foreground="white"), Normal()],
                zorder=4,
                gid=name,
            )
    for y, bound in rows:
        mark = y + _MARK
        axes.plot(
            [bound.x_low, bound.x_high] if bound.x_low < bound.x_high else [],
            [mark, mark] if bound.x_low < bound.x_high else [],
            color="black",
            linewidth=1.1,
            marker="|",
            markersize=4.5,
            markeredgewidth=1.1,
            path_effects=thin,
            zorder=5,
            clip_on=False,
            gid="interval",
        )
        if bound.censored != "no":
            step = -0.42 if bound.censored == "below" else 0.42
            start = bound.x if bound.censored == "below" else columns - 0.5 - step
            axes.annotate(
                "",
                xy=(start + step, mark),
                xytext=(start, mark),
                arrowprops={"arrowstyle": "-|>", "color": "black", "linewidth": 1.2, "path_effects": thin},
                zorder=7,
            )
        else:
            axes.plot(
                bound.x, mark, "o", markersize=4.6, color="white", markeredgecolor="black", zorder=7, clip_on=False
            )


def _dress(axes: Axes, axis: np.ndarray, labels: pd.DataFrame) -> None:
    """Ticks and labels."""
    names = [f"{scale:g}\n{ {0: 'ideal', 1: 'device'}.get(scale, ' ') }" for scale in axis]
    axes.set_xticks(range(len(axis)), names)
    axes.set_yticks(range(len(labels)), labels["label"], linespacing=1.3)
    axes.tick_params(length=0, pad=3)
    for name in axes.get_yticklabels():
        name.set_fontsize(7)
    axes.set_xlabel("Noise scale λ (1 = device as calibrated)", labelpad=2)


def _head(axes: Axes, ratio: float, references: pd.DataFrame, axis: np.ndarray) -> None:
    """The panel's heading with its reference perplexities, and the mark of the device."""
    known = references.set_index("method")["perplexity"]
    text = f"uncompressed ppl {short(known['uncompressed'])} · compressed ppl {short(known['compressed'])}"
    heading: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom", "ha": "left"}
    axes.annotate(f"Compression ratio {ratio:g}", (0, 1), (0, 21), fontsize=8, fontweight="bold", **heading)
    axes.annotate(text, (0, 1), (0, 11.5), fontsize=6.8, **heading)
    if len(axis) > 1 and axis[1] <= 1 <= axis[-1]:
        x = len(axis) - 1 if axis[-1] == 1 else column_of(axis, 1.0)
        across = axes.get_xaxis_transform()
        axes.plot(x, 1.035, "v", transform=across, clip_on=False, markersize=5, color="black", gid="device")


def _colour_bar(figure: Figure, axes: Axes, clipped: bool) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(-1, 1), _MAP)
    bar = figure.colorbar(scale, cax=axes, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_linewidth(0.6)
    names = ["≤ −1" if clipped else "−1", "−0.5", "0", "0.5", "1"]
    bar.ax.set_yticklabels(names, fontsize=6.8)
    bar.ax.tick_params(length=2, width=0.6, pad=2)
    bar.set_label("Recovered share of nll", fontsize=7, labelpad=1)


def _legend(figure: Figure, corner: tuple[float, float], wide: bool, measured: bool) -> None:
    """Explain hatching and marks; ``corner`` is the lower left one, in shares of the figure."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    noise = Patch(facecolor="0.35", edgecolor="white", hatch="/////", linewidth=0)
    noise.set_hatch_linewidth(0.6)
    line = Line2D([], [], color="black", linewidth=1.9, marker="o", markersize=4.6, markerfacecolor="white")
    interval = Line2D([], [], color="black", linewidth=1.1, marker="|", markersize=5)
    beyond = Line2D([], [], color="black", linewidth=1.2, marker=">", markersize=4, markevery=[1])
    beyond.set_data([0, 1], [0, 0])
    device = Line2D([], [], color="black", linestyle="none", marker="v", markersize=5)
    bold = Line2D([], [], color="black", linestyle="none", marker="$\\mathbf{28}$", markersize=8.5)
    bold.set_markeredgewidth(0)
    entries: dict[str, Any] = {
        "noise-dominated: nll above the compressed model (C > G)": noise,
        "critical noise λ$_c$": line,
        "its 95 % interval": interval,
        "number: perplexity, bold for the best block at this λ": bold,
        "λ$_c$ beyond the axis": beyond,
        "device (λ = 1)": device,
        "nothing left of the repair": Line2D([], [], color="black", linewidth=0.9, linestyle=_THIN["repair"]),
        "the circuit alone, nothing learnt, costs G": Line2D(
            [], [], color="black", linewidth=0.9, linestyle=_THIN["identity"]
        ),
    }
    if measured:
        entries["device (λ = 1); star: measured"] = (entries.pop("device (λ = 1)"), mark_handle())
    order = [0, 3, 5, 1, 2, 4, 6, 7] if wide else [0, 3, 5, 7, 1, 2, 4, 6]  # a legend is filled column by column
    names = list(entries)
    figure.legend(
        [entries[names[index]] for index in order],
        [names[index] for index in order],
        loc="lower left",
        bbox_to_anchor=corner,
        ncols=3 if wide else 2,
        fontsize=6.6,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.6,
        borderaxespad=0,
    )
