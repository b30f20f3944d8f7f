"""The phase diagram as interactive charts: tooltips with every number of a cell."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.boundaries import BOUNDARIES, boundary_table, device_column, letter_table
from cayley_adapters.report.plots.colours import colour_limit, shade_colour
from cayley_adapters.report.plots.curves_chart import curves_panel
from cayley_adapters.report.plots.encodings import CELL, noise_columns, numbers, plain, tooltips, width_of
from cayley_adapters.report.plots.grid import cell_table, reference_perplexities, short, text_shift, with_words
from cayley_adapters.report.plots.marks import device_marks, mark_layer, mark_note
from cayley_adapters.report.plots.notes import describe, map_title

if TYPE_CHECKING:
    import altair as alt

__all__ = ["phase_diagram_chart"]


def phase_diagram_chart(
    cells: pd.DataFrame, baselines: pd.DataFrame, transition: Mapping[str, Any], title: str | None = None
) -> alt.VConcatChart:
    """Heat maps of what blocks help or harm, and below them perplexity against noise, one panel a compression ratio.

    The lines show every readout and number of shots, the heat maps those of the transition; a click on a block in the
    legend picks its lines out. Rules mark the baselines.

    Args:
        cells: rows of ``phase_diagram.csv`` of one model.
        baselines: ``baselines.csv``.
        transition: ``transition.json``.
        title: the heading; the model's name unless given.

    Raises:
        CayleyError: no cell has the transition's readout and shots, or a baseline is missing.
    """
    import altair as alt

    table = with_words(cell_table(cells, transition))
    lines = with_words(cell_table(cells, transition, every=True))
    axis = np.sort(table["noise_scale"].unique().astype(float))
    bounds = boundary_table(transition, axis)
    bounds = bounds.merge(table[["block_dim", "block"]].drop_duplicates(), on="block_dim")
    references = reference_perplexities(baselines, transition)
    references["perplexity_text"] = references["perplexity"].map(short)
    measured = device_marks(cells, axis).merge(table[["block_dim", "block"]].drop_duplicates(), on="block_dim")
    ratios = sorted(table["compression_ratio"].unique())
    picked = alt.selection_point(fields=["block"], bind="legend", name="block")
    main = table["variant"].iloc[0]
    variants = sorted(lines["variant"].unique(), key=lambda name: (name != main, name))
    limit, width = colour_limit(table["against"]), width_of(axis, len(ratios))
    maps, curves = list[Any](), list[Any]()
    for ratio in ratios:
        inner = {"labels": False, "ticks": False, "minExtent": 70} if maps else {"labelLimit": 260, "minExtent": 195}
        known = _at(references, ratio)
        shown = _at(table, ratio), _at(bounds, ratio), known, axis, inner, _at(measured, ratio)
        maps.append(_heat_map(*shown, limit=limit, width=width))
        extent = inner["minExtent"]
        curves.append(
            curves_panel(_at(lines, ratio), known, axis, variants, picked, extent, width, first=len(maps) == 1)
        )
    letters = "; ".join(f"{letter}: {what}" for letter, what in BOUNDARIES.values())
    marks = (
        "Number: perplexity, bold for the best block at this noise. Hatched: noise-dominated, worse than the "
        f"compressed model without blocks (C > G). Black line: critical noise λ_c with its 95 % interval. {letters}. "
        "▼: the device as calibrated. Point at a cell for its numbers; click on a block in the legend for its lines."
    )
    wide = (len(ratios) * (width + 90) + 260) // 6  # characters
    heading = alt.TitleParams(
        title or map_title(table),
        subtitle=[
            *textwrap.wrap(marks, wide),
            *describe(table, transition, width=wide, more=mark_note(measured)).splitlines(),
        ],
        anchor="start",
        fontSize=16,
        subtitleColor="#555",
        offset=14,
    )
    chart: alt.VConcatChart = alt.vconcat(alt.hconcat(*maps), alt.hconcat(*curves), title=heading)
    chart = chart.resolve_scale(color="independent", shape="independent", strokeDash="independent")
    chart = chart.configure_view(strokeWidth=0.5)
    return chart


def _at(table: pd.DataFrame, ratio: float) -> pd.DataFrame:
    return table[table["compression_ratio"] == ratio]


def _heat_map(
    table: pd.DataFrame,
    bounds: pd.DataFrame,
    references: pd.DataFrame,
    axis: np.ndarray,
    side: dict[str, Any],
    measured: pd.DataFrame,
    limit: float,
    width: int,
) -> Any:
    """One ratio's cells with their boundary, and what a processor measured."""
    import altair as alt

    order = table.sort_values("block_dim", ascending=False)["block"].unique().tolist()
    rows = alt.Y("block:O", sort=order, title=None, axis=alt.Axis(**side))
    lines = table["block"].map(bounds.set_index("block")["x"])
    aside = [text_shift(column, [line]) for column, line in zip(table["column"], lines, strict=True)]
    table = table.assign(left=table["column"] - 0.5, right=table["column"] + 0.5, centre=table["column"] + aside)
    base = alt.Chart(plain(table)).encode(y=rows, tooltip=tooltips(table))
    heat = base.mark_rect(stroke="#999", strokeWidth=0.5).encode(
        x=noise_columns(alt, axis, "left"), x2="right:Q", color=shade_colour(alt, limit)
    )
    hatching, *texts = numbers(alt, base, limit, (width / len(axis), CELL[1]))
    hatching = hatching.encode(x=noise_columns(alt, axis))
    texts = [text.encode(x=noise_columns(alt, axis, "centre")) for text in texts]
    known = references.set_index("method")["perplexity_text"]
    heading = alt.TitleParams(
        f"Compression ratio {table['compression_ratio'].iloc[0]:g}",
        subtitle=f"uncompressed ppl {known['uncompressed']} · compressed ppl {known['compressed']}",
        anchor="start",
        frame="group",
        offset=16,
    )
    stars = [mark_layer(measured, noise_columns(alt, axis, "x"), rows)] if len(measured) else []
    layers = alt.layer(heat, hatching, *texts, *_boundaries(bounds, rows, axis), *_device(axis), *stars)
    return layers.properties(width=width, height=CELL[1] * len(order), title=heading)


def _device(axis: np.ndarray) -> list[Any]:
    """The mark of the device as calibrated, above its column."""
    import altair as alt

    if (x := device_column(axis)) is None:
        return []
    mark = alt.Chart(pd.DataFrame({"x": [x]})).mark_text(text="▼", fontSize=12, baseline="bottom")
    return [mark.encode(x=noise_columns(alt, axis, "x"), y=alt.value(0))]


def _boundaries(bounds: pd.DataFrame, rows: Any, axis: np.ndarray) -> list[Any]:
    """λ_c with its interval, and the thin lines with their letters below the numbers."""
    import altair as alt

    shown = {
        "block": "Block", "lambda_c": "λ_c", "low_text": "95 % low", "high_text": "95 % high",
        "censored": "Beyond the axis", "repair_text": "Nothing left of the repair at λ",
        "identity_text": "Circuits that learnt nothing cost the gain at λ",
    }  # fmt: skip
    told = [
        alt.Tooltip(name, title=title, format=".3g" if name == "lambda_c" else alt.Undefined)
        for name, title in shown.items()
    ]
    height, below = CELL[1], 0.33 * CELL[1]
    line = alt.Chart(bounds).encode(y=rows, tooltip=told)
    marks = [
        line.mark_tick(orient="vertical", size=height, thickness=width, color=colour, opacity=1).encode(
            x=noise_columns(alt, axis, "x")
        )
        for width, colour in ((6, "white"), (3, "black"))
    ]
    interval = line.mark_rule(strokeWidth=2, color="black", yOffset=below)
    marks.append(interval.encode(x=noise_columns(alt, axis, "x_low"), x2="x_high:Q"))
    ends = alt.Scale(domain=["no", "above", "below"], range=["circle", "triangle-right", "triangle-left"])
    mark = line.mark_point(filled=True, fill="white", stroke="black", size=45, opacity=1, yOffset=below)
    marks.append(mark.encode(x=noise_columns(alt, axis, "x"), shape=alt.Shape("censored:N", scale=ends, legend=None)))
    if len(lettered := letter_table(bounds)):
        thin = alt.Chart(lettered).encode(y=rows, tooltip=told)
        ticks: dict[str, Any] = {"orient": "vertical", "size": height / 2, "yOffset": height / 4, "opacity": 1}
        marks += [
            thin.mark_tick(thickness=width, color=colour, **ticks).encode(x=noise_columns(alt, axis, "line"))
            for width, colour in ((3.5, "white"), (1.5, "black"))
        ]
        letters = thin.encode(x=noise_columns(alt, axis, "place"), text="letter:N")
        marks += [
            letters.mark_text(fontSize=10, fontWeight="bold", yOffset=6, stroke=stroke, strokeWidth=3, color="black")
            for stroke in ("white", None)
        ]
    return marks
