"""The phase diagram as a figure for print; :mod:`cayley_adapters.report.plots.phase_chart` is for the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.boundaries import boundary_table, device_column, letter_table
from cayley_adapters.report.plots.colours import colour_limit, colours, inked
from cayley_adapters.report.plots.files import canvas
from cayley_adapters.report.plots.grid import cell_table, reference_perplexities, short, text_shift
from cayley_adapters.report.plots.legend import THIN, draw_legend, legend_entries
from cayley_adapters.report.plots.marks import device_marks, draw_device_marks, mark_note
from cayley_adapters.report.plots.notes import describe, map_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["phase_diagram_figure"]

_CELL = (0.72, 0.66)  # inches: a number fits beside a line
_LEFT, _RIGHT, _BETWEEN = 1.36, 0.98, 0.3  # inches beside the panels
_TOP, _AXIS, _LINE, _ROWS_APART = 0.92, 0.72, 0.125, 1.15  # inches: heading, ticks, a line of the caption, between rows
_ENTRY = 0.168  # inches of a row of the legend
_WIDTHS = (6.6, 9.2)  # inches: the least, and from where the legend has three columns
_WIDEST = 12.5  # inches of panels in a row
_HEADING = 2.9  # inches, of a panel's heading and axis label, where another panel is beside it
_NUMBER, _LETTER, _MARK = 0.24, -0.1, -0.33  # heights in a row of numbers, of letters at thin lines, and of λ_c's mark


def phase_diagram_figure(
    cells: pd.DataFrame, baselines: pd.DataFrame, transition: Mapping[str, Any], title: str | None = None
) -> Figure:
    """Block dimension against noise scale, coloured by what blocks help or harm, one panel a compression ratio.

    The colour is nll minus that of the same compressed model without blocks, in nats a token: white is 0, blue helps,
    red harms. Each cell bears its perplexity, bold where its block is the best of the column; noise-dominated cells are
    hatched, and the line is λ_c with its 95 % interval.

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

    limit = colour_limit(table["against"])
    most = max(1, int(_WIDEST / max(_CELL[0] * len(axis), _HEADING)))
    across = min(len(ratios), most)
    down = -(-len(ratios) // across)
    beside = _LEFT + (across - 1) * _BETWEEN + _RIGHT
    least = (_WIDTHS[0] - beside) / across if across == 1 else _HEADING - _BETWEEN
    panel = np.array([max(_CELL[0] * len(axis), least), max(_CELL[1] * len(dims), 0.9)])
    width = beside + across * panel[0]
    note = describe(table, transition, width=int(width * 18.6), more=mark_note(measured))
    caption = _LINE * (2 + note.count("\n"))
    thin = [name for name in THIN if bounds[f"x_{name}"].notna().any()]
    entries = legend_entries(bool((bounds["censored"] != "no").any()), thin, bool(len(measured)))
    columns = 3 if width >= _WIDTHS[1] else 2
    bottom = caption + _ENTRY * -(-len(entries) // columns) + _AXIS
    size = np.array([width, _TOP + down * panel[1] + (down - 1) * _ROWS_APART + bottom])
    with canvas(*size) as figure:
        for place, ratio in enumerate(ratios):
            row, column = divmod(place, across)
            corner = [_LEFT + column * (panel[0] + _BETWEEN), bottom + (down - 1 - row) * (panel[1] + _ROWS_APART)]
            axes = figure.add_axes((*(corner / size), *(panel / size)), label=f"ratio {ratio:g}")
            of_ratio = table[table["compression_ratio"] == ratio]
            of_bounds = bounds[bounds["compression_ratio"] == ratio]
            _draw_cells(axes, of_ratio, of_bounds.set_index("block_dim"), dims, len(axis), limit)
            _draw_boundary(axes, of_bounds, dims, len(axis))
            draw_device_marks(axes, measured[measured["compression_ratio"] == ratio], dims)
            _dress(axes, axis, labels if column == 0 else labels.assign(label=""))
            _head(axes, ratio, references[references["compression_ratio"] == ratio], axis)
        low = bottom / size[1]
        right = _LEFT + across * panel[0] + (across - 1) * _BETWEEN + 0.16
        bar = figure.add_axes((right / size[0], low, 0.13 / size[0], 1 - _TOP / size[1] - low), label="colour bar")
        _colour_bar(figure, bar, limit, bool((table["against"] > limit).any()))
        figure.text(
            0.02,
            1 - 0.12 / size[1],
            title or map_title(table),
            va="top",
            fontsize=10.5,
            fontweight="bold",
        )
        draw_legend(figure, (0.012, caption / size[1]), entries, columns)
        figure.text(0.02, (caption - 0.06) / size[1], note, va="top", fontsize=7, color="0.25", linespacing=1.25)
    return figure


def _draw_cells(
    axes: Axes, table: pd.DataFrame, bounds: pd.DataFrame, dims: list[int], columns: int, limit: float
) -> None:
    """Coloured rectangles with their perplexity beside the boundary; hatched where noise dominates."""
    from matplotlib.patches import Rectangle

    axes.set_facecolor("0.92")
    for cell in table.itertuples():
        x, y = cell.column, dims.index(cell.block_dim)
        known = not np.isnan(cell.against)
        share = float(np.clip(cell.against / limit, -1, 1)) if known else 0.0
        colour = colours()((share + 1) / 2) if known else (0.75, 0.75, 0.75, 1.0)
        ink = inked(share)
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="0.6", linewidth=0.5))
        if cell.noise_dominated:
            hatch = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="////", linewidth=0, gid="noise-dominated")
            hatch.set_edgecolor((1, 1, 1, 0.7) if ink == "white" else (0, 0, 0, 0.45))
            hatch.set_hatch_linewidth(0.7)
            axes.add_patch(hatch)
        axes.text(
            x + text_shift(x, [bounds["x"][cell.block_dim]]),
            y + _NUMBER,
            cell.text,
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold" if cell.best else "normal",
            color=ink,
            zorder=6,
            bbox={"facecolor": colour, "edgecolor": "none", "boxstyle": "square,pad=0.12"},  # no hatching below it
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
    _thin_lines(axes, bounds, dims)
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


def _thin_lines(axes: Axes, bounds: pd.DataFrame, dims: list[int]) -> None:
    """Further boundaries of a block in the lower half of its row, below the numbers, each with its letter."""
    from matplotlib.patheffects import Normal, withStroke

    for row in letter_table(bounds).itertuples():
        y = dims.index(row.block_dim)
        axes.plot(
            [row.line, row.line],
            [y - 0.5, y],
            color="black",
            linewidth=1.0,
            linestyle=THIN[row.name],
            path_effects=[withStroke(linewidth=2.4, foreground="white"), Normal()],
            zorder=4,
            gid=row.name,
        )
        axes.text(
            row.place,
            y + _LETTER,
            row.letter,
            ha="center",
            va="center",
            fontsize=7,
            zorder=8,
            bbox={"facecolor": "white", "edgecolor": "none", "boxstyle": "square,pad=0.1", "alpha": 0.85},
        )


def _dress(axes: Axes, axis: np.ndarray, labels: pd.DataFrame) -> None:
    """Ticks and labels."""
    names = [f"{scale:g}\n{ {0: 'ideal', 1: 'device'}.get(scale, ' ') }" for scale in axis]
    axes.set_xticks(range(len(axis)), names)
    axes.set_yticks(range(len(labels)), labels["label"], linespacing=1.3)
    axes.tick_params(length=0, pad=3, labelsize=8)
    for name in axes.get_yticklabels():
        name.set_fontsize(8)
    axes.set_xlabel("Noise scale λ (1 = device as calibrated)", labelpad=2, fontsize=8.5)


def _head(axes: Axes, ratio: float, references: pd.DataFrame, axis: np.ndarray) -> None:
    """The panel's heading with its reference perplexities, and the mark of the device."""
    known = references.set_index("method")["perplexity"]
    text = f"uncompressed ppl {short(known['uncompressed'])} · compressed ppl {short(known['compressed'])}"
    heading: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom", "ha": "left"}
    axes.annotate(f"Compression ratio {ratio:g}", (0, 1), (0, 24), fontsize=9, fontweight="bold", **heading)
    axes.annotate(text, (0, 1), (0, 12.5), fontsize=8, **heading)
    if (x := device_column(axis)) is not None:
        across = axes.get_xaxis_transform()
        axes.plot(x, 1.035, "v", transform=across, clip_on=False, markersize=5, color="black", gid="device")


def _colour_bar(figure: Figure, axes: Axes, limit: float, clipped: bool) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), colours()), cax=axes)
    ticks = [-limit, -limit / 2, 0, limit / 2, limit]
    names = [f"{tick:+g}".replace("-", "−") if tick else "0" for tick in ticks]
    bar.set_ticks(ticks, labels=[*names[:-1], f"≥ {names[-1]}" if clipped else names[-1]], fontsize=7.5)
    bar.outline.set_linewidth(0.6)
    bar.ax.tick_params(length=2, width=0.6, pad=2)
    bar.set_label("← helps    nll (nats)    harms →", fontsize=8, labelpad=1)
