"""The phase diagram as interactive charts: tooltips with every number of a cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.encodings import CELL, COLOURS, numbers, plain, recovery_colour, tooltips, width_of
from cayley_adapters.report.plots.grid import (
    boundary_table,
    cell_table,
    describe,
    reference_perplexities,
    short,
    text_shift,
    with_words,
)
from cayley_adapters.report.plots.marks import device_marks, mark_layer, mark_note

if TYPE_CHECKING:
    import altair as alt

__all__ = ["phase_diagram_chart"]


def phase_diagram_chart(
    cells: pd.DataFrame, baselines: pd.DataFrame, transition: Mapping[str, Any], title: str | None = None
) -> alt.VConcatChart:
    """Heat maps of the recovered share of nll, and below them perplexity against noise, one panel a compression ratio.

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
    maps, curves = list[Any](), list[Any]()
    for ratio in ratios:
        inner = {"labels": False, "ticks": False, "minExtent": 70} if maps else {"labelLimit": 260, "minExtent": 195}
        known = _at(references, ratio)
        maps.append(_heat_map(_at(table, ratio), _at(bounds, ratio), known, axis, inner, _at(measured, ratio)))
        extent = inner["minExtent"]
        curves.append(_curves(_at(lines, ratio), known, axis, variants, picked, extent, first=len(maps) == 1))
    heading = alt.TitleParams(
        title or str(table["model"].iloc[0]),
        subtitle=[
            *describe(table, transition, width=170, more=mark_note(measured)).splitlines(),
            "Number: perplexity. White cross: noise-dominated, nll above the compressed model (C > G). Black line: "
            "critical noise λ_c; bar: its 95 % interval. Thin black line: nothing is left of the repair. Thin "
            "grey one: the circuits alone, with blocks that have learnt nothing, cost the gain.",
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


def _columns(alt: Any, axis: np.ndarray, field: str = "column", title: str | None = "Noise scale λ") -> Any:
    """The horizontal axis: columns named by their noise scale."""
    names = json.dumps([f"{scale:g}" for scale in axis])
    ticks = alt.Axis(values=list(range(len(axis))), labelExpr=f"{names}[datum.value]", grid=False, title=title)
    return alt.X(f"{field}:Q", scale=alt.Scale(domain=[-0.5, len(axis) - 0.5], nice=False, zero=False), axis=ticks)


def _heat_map(
    table: pd.DataFrame,
    bounds: pd.DataFrame,
    references: pd.DataFrame,
    axis: np.ndarray,
    side: dict[str, Any],
    measured: pd.DataFrame,
) -> Any:
    """One ratio's cells with their boundary, and what a processor measured."""
    import altair as alt

    order = table.sort_values("block_dim", ascending=False)["block"].unique().tolist()
    rows = alt.Y("block:O", sort=order, title=None, axis=alt.Axis(**side))
    lines = table["block"].map(bounds.set_index("block")["x"])
    aside = [text_shift(*pair) for pair in zip(table["column"], lines, strict=True)]
    table = table.assign(left=table["column"] - 0.5, right=table["column"] + 0.5, centre=table["column"] + aside)
    base = alt.Chart(plain(table)).encode(y=rows, tooltip=tooltips(table))
    columns = base.encode(x=_columns(alt, axis, "centre"))
    heat = base.mark_rect(stroke="white", strokeWidth=0.5).encode(
        x=_columns(alt, axis, "left"), x2="right:Q", color=recovery_colour(alt)
    )
    line = alt.Chart(bounds).encode(
        y=rows,
        tooltip=[alt.Tooltip("block", title="Block"), alt.Tooltip("lambda_c", title="λ_c", format=".3g")]
        + [alt.Tooltip(f"{name}_text", title=f"95 % {name}") for name in ("low", "high")]
        + [
            alt.Tooltip("censored", title="Beyond the axis"),
            alt.Tooltip("repair_text", title="Nothing left of the repair at λ"),
            alt.Tooltip("identity_text", title="The circuit alone costs the gain at λ"),
        ],
    )
    marks = [
        line.mark_tick(orient="vertical", size=CELL[1], thickness=width, color=colour, opacity=1).encode(
            x=_columns(alt, axis, "x")
        )
        for width, colour in ((6, "white"), (3, "black"))
    ]
    bar = line.mark_rule(strokeWidth=2, color="black", yOffset=13).encode(x=_columns(alt, axis, "x_low"), x2="x_high:Q")
    marks += [
        line.mark_tick(orient="vertical", size=CELL[1], thickness=1.5, color=colour, opacity=1)
        .transform_filter(f"isValid(datum.x_{name})")
        .encode(x=_columns(alt, axis, f"x_{name}"))
        for name, colour in (("repair", "black"), ("identity", "#777"))
    ]
    known = references.set_index("method")["perplexity_text"]
    heading = alt.TitleParams(
        f"Compression ratio {table['compression_ratio'].iloc[0]:g}",
        subtitle=f"uncompressed ppl {known['uncompressed']} · compressed ppl {known['compressed']}",
        anchor="start",
        frame="group",
    )
    stars = [mark_layer(measured, _columns(alt, axis, "x"), rows)] if len(measured) else []
    layers = alt.layer(heat, *numbers(alt, columns), *marks, bar, *stars)
    return layers.properties(width=width_of(axis), height=CELL[1] * len(order), title=heading)


def _curves(
    lines: pd.DataFrame,
    references: pd.DataFrame,
    axis: np.ndarray,
    variants: list[str],
    picked: Any,
    extent: int,
    first: bool,
) -> Any:
    """Perplexity against noise for one ratio, each block and each readout, over the baselines."""
    import altair as alt

    order = lines.sort_values("block_dim")["block"].unique().tolist()
    side = alt.Axis(minExtent=extent, titleX=-52, gridOpacity=0.4, tickCount=6)
    height = alt.Y("perplexity:Q", scale=alt.Scale(type="log", nice=False, padding=10), title="Perplexity", axis=side)
    base = alt.Chart(plain(lines)).encode(
        x=_columns(alt, axis),
        y=height,
        color=alt.Color(
            "block:N",
            sort=order,
            title="Block",
            scale=alt.Scale(domain=order, range=COLOURS),
            legend=alt.Legend(labelLimit=300),
        ),
        opacity=alt.when(picked).then(alt.value(1)).otherwise(alt.value(0.12)),
        tooltip=tooltips(lines),
    )
    shape = alt.Shape("variant:N", sort=variants, title="Readout, shots, executor", legend=alt.Legend(labelLimit=300))
    dash = alt.StrokeDash("variant:N", sort=variants, legend=None)
    rules = alt.Chart(references).encode(
        y=height,
        tooltip=[
            alt.Tooltip("method", title="Baseline"),
            alt.Tooltip("perplexity", title="Perplexity", format=",.4g"),
            alt.Tooltip("adapter_parameters", title="Adapter parameters", format=",.0f"),
        ],
    )
    # Controls lie close together: their lines are named by their tooltips alone.
    named = [
        rules.transform_filter(f"datum.method == '{method}'")
        .mark_text(align="left", dx=4, dy=dy, color="#555")
        .encode(x=alt.value(0), text="method:N")
        for method, dy in (("compressed", -6), ("uncompressed", 8))
    ]
    line = base.mark_line().encode(strokeDash=dash)
    return alt.layer(
        rules.mark_rule(color="#555", strokeDash=[6, 3]),
        *named,
        # Once: the legend it is bound to is shared. Altair would name the view by where objects lie in memory.
        line.properties(name="curves").add_params(picked) if first else line,
        base.mark_point(filled=True, size=45).encode(shape=shape),
    ).properties(width=width_of(axis), height=260)
