"""Maps side by side, as an interactive chart."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.boundaries import boundary_table
from cayley_adapters.report.plots.colours import colour_limit, shade_colour
from cayley_adapters.report.plots.comparison import perplexity_differences
from cayley_adapters.report.plots.encodings import COLOURS, numbers, plain, tooltips, width_of
from cayley_adapters.report.plots.grid import cell_table, with_words

if TYPE_CHECKING:
    import altair as alt

__all__ = ["comparison_chart"]

_LINE = 150  # characters of the heading's notes
_ROW = 40  # pixels


def comparison_chart(
    maps: Sequence[tuple[str, pd.DataFrame, Mapping[str, Any]]], differences: pd.DataFrame, notes: Sequence[str]
) -> alt.VConcatChart:
    """Maps side by side: the heat map of each (a column) at each compression ratio (a row), and their critical noise.

    Below stand the differences of perplexity to the first map, where there are any.

    Args:
        maps: ``(label, rows of phase_diagram.csv, transition.json)`` of each map, in the order to show; labels differ.
        differences: rows of ``comparison_differences.csv``, each map by its label.
        notes: sentences for the heading.

    Raises:
        CayleyError: a map has no cell of its transition's readout and shots.
    """
    import altair as alt

    names = [name for name, _, _ in maps]
    table = pd.concat([with_words(cell_table(cells, part)).assign(map=name) for name, cells, part in maps])
    axis = np.sort(table["noise_scale"].unique().astype(float))
    dims = [f"d = {dim}" for dim in sorted(table["block_dim"].unique(), reverse=True)]
    table["dim"] = "d = " + table["block_dim"].astype(str)
    base = alt.Chart(plain(table)).encode(
        x=alt.X("scale:O", sort=[f"{scale:g}" for scale in axis], title="Noise scale λ", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("dim:O", sort=dims, title=None),
        tooltip=tooltips(table),
    )
    limit, width = colour_limit(table["against"]), 0.8 * width_of(axis)
    cells = base.mark_rect(stroke="#999", strokeWidth=0.5).encode(color=shade_colour(alt, limit))
    drawn = numbers(alt, base, limit, (width / len(axis), _ROW))
    heat = alt.layer(cells, *drawn).properties(width=width, height=_ROW * len(dims))
    facets = heat.facet(
        column=alt.Column(
            "map:N",
            sort=names,
            title=None,
            header=alt.Header(labelFontSize=13, labelFontWeight="bold", labelLimit=width),
        ),
        row=alt.Row("compression_ratio:O", title="Compression ratio"),
    )
    bounds = pd.concat([boundary_table(part, axis).assign(map=name) for name, _, part in maps])
    bounds["from"] = bounds["low"].clip(bounds["lambda_c"].where(bounds["lambda_c"] > 0).min() / 3)  # log λ has no 0
    bounds["dim"] = "d = " + bounds["block_dim"].astype(str)
    points = alt.Chart(plain(bounds[bounds["lambda_c"] > 0])).encode(
        x=alt.X("dim:O", sort=dims[::-1], title="Block dimension", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("map:N", sort=names),
        color=alt.Color("map:N", sort=names, title="Map", scale=alt.Scale(range=COLOURS)),
        tooltip=[
            alt.Tooltip(name, title=title, format=".3g" if name == "lambda_c" else alt.Undefined)
            for name, title in {
                "map": "Map", "dim": "Block", "two_qubit_gates": "Two-qubit gates a block", "lambda_c": "λ_c",
                "low_text": "95 % from", "high_text": "95 % to", "censored": "Beyond the axis",
            }.items()
        ],
    )  # fmt: skip
    scale = alt.Scale(type="log", nice=False, padding=10)
    marks = alt.Scale(domain=["no", "above", "below"], range=["circle", "triangle-up", "triangle-down"])
    critical = alt.layer(
        points.mark_rule(strokeWidth=2).encode(y=alt.Y("from:Q", scale=scale), y2="high:Q"),
        points.mark_point(size=80, filled=True, opacity=1).encode(
            y=alt.Y("lambda_c:Q", title="Critical noise λ_c", scale=scale),
            shape=alt.Shape("censored:N", title="Beyond the axis", scale=marks),
        ),
    ).properties(width=60 * len(dims) + 60, height=180)
    below = critical.facet(column=alt.Column("compression_ratio:O", title="Critical noise at compression ratio"))
    heading = alt.TitleParams(
        "Where quantum-executed adapters help",
        subtitle=[
            "Number: perplexity, bold for the best block; colour: nll minus that without blocks, blue helps and red "
            "harms; hatched: noise-dominated.",
            "Marker: λ_c with its 95 % interval; λ_c = 0 (no gain without noise) is not drawn.",
            *(line for note in notes for line in textwrap.wrap(note, _LINE)),
        ],
        anchor="start",
        offset=14,
        fontSize=16,
        subtitleColor="#555",
    )
    parts = [facets, below, *_differences(alt, perplexity_differences(differences), names)]
    chart: alt.VConcatChart = alt.vconcat(*parts, title=heading)
    chart = chart.resolve_scale(color="independent", shape="independent", xOffset="independent")
    return chart


def _differences(alt: Any, table: pd.DataFrame, names: Sequence[str]) -> list[Any]:
    """Perplexity against that of the first map: a panel a noise scale and compression ratio; none without rows."""
    if table.empty:
        return []
    table = table.assign(
        dim="d = " + table["block_dim"].astype(str),
        scale=table["noise_scale"].map("λ = {:g}".format),
        interval=table["low"].map("{:+.2f}".format) + " to " + table["high"].map("{:+.2f} %".format),
    )
    columns = ["map", "compression_ratio", "dim", "scale", "percent", "low", "high", "interval", "estimate", "p_holm"]
    shown = {
        "map": "Map", "dim": "Block", "scale": "Noise scale", "percent": "Perplexity, % more", "interval": "95 %",
        "estimate": "Δ nll (nats a token)", "p_holm": "p (Holm)",
    }  # fmt: skip
    others = names[1:]
    colours = [COLOURS[place % len(COLOURS)] for place in range(1, len(names))]  # those that the maps have above
    base = alt.Chart(plain(table[columns])).encode(
        x=alt.X("dim:O", sort=list(table["dim"].unique()), title="Block dimension", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("map:N", sort=others),
        color=alt.Color("map:N", title="Map", scale=alt.Scale(domain=others, range=colours)),
        tooltip=[
            alt.Tooltip(name, title=title, format=".3g" if name in ("percent", "estimate", "p_holm") else alt.Undefined)
            for name, title in shown.items()
        ],
    )
    drawn = table[["low", "percent", "high"]].to_numpy(float)
    ends = float(np.nanmin(drawn, initial=-1.0)), float(np.nanmax(drawn, initial=1.0))
    scale = alt.Scale(type="symlog", constant=1, domain=ends)  # a hundredth and factors in one panel
    ticks = [*(-(10**power) for power in (2, 1, 0)), 0, *(10**power for power in range(7))]
    title = f"Perplexity against {names[0]} on the same documents, at noise scale"
    marks = alt.layer(
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.mark_point(size=80, filled=True, opacity=1).encode(
            y=alt.Y("percent:Q", title="Perplexity (% more)", scale=scale, axis=alt.Axis(values=ticks, format="+,d")),
            shape=alt.Shape("map:N", title="Map", scale=alt.Scale(domain=others)),
        ),
    ).properties(width=45 * table["dim"].nunique() + 20, height=150)
    return [
        marks.facet(
            column=alt.Column("scale:N", sort=list(table["scale"].unique()), title=title),
            row=alt.Row("compression_ratio:O", title="Compression ratio"),
        )
    ]
