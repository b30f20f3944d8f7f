"""Maps of several models side by side, as an interactive chart and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.report.plots.encodings import COLOURS, numbers, plain, recovery_colour, tooltips, width_of
from cayley_adapters.report.plots.grid import boundary_table, cell_table, with_words

if TYPE_CHECKING:
    import altair as alt

__all__ = ["models_chart"]


def models_chart(models: Sequence[tuple[str, pd.DataFrame, Mapping[str, Any]]]) -> alt.VConcatChart:
    """Models side by side: the heat map of each (a column) at each compression ratio (a row), and their critical noise.

    Args:
        models: ``(name, rows of phase_diagram.csv, transition.json)`` of each model, in the order to show.

    Raises:
        CayleyError: no model is given, two share a name, or one has no cell of its transition's readout and shots.
    """
    import altair as alt

    names = [name for name, _, _ in models]
    if not names or len(set(names)) < len(names):
        raise CayleyError(f"a comparison needs one or more models with names of their own, not {names}")
    table = pd.concat([with_words(cell_table(cells, part)).assign(model=name) for name, cells, part in models])
    axis = np.sort(table["noise_scale"].unique().astype(float))
    dims = [f"d = {dim}" for dim in sorted(table["block_dim"].unique(), reverse=True)]
    table["dim"] = "d = " + table["block_dim"].astype(str)
    base = alt.Chart(plain(table)).encode(
        x=alt.X("scale:O", sort=[f"{scale:g}" for scale in axis], title="Noise scale λ", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("dim:O", sort=dims, title=None),
        tooltip=tooltips(table),
    )
    heat = alt.layer(base.mark_rect().encode(color=recovery_colour(alt)), *numbers(alt, base)).properties(
        width=0.8 * width_of(axis), height=32 * len(dims)
    )
    facets = heat.facet(
        column=alt.Column(
            "model:N", sort=names, title=None, header=alt.Header(labelFontSize=13, labelFontWeight="bold")
        ),
        row=alt.Row("compression_ratio:O", title="Compression ratio"),
    )
    bounds = pd.concat([boundary_table(part, axis).assign(model=name) for name, _, part in models])
    bounds["from"] = bounds["low"].clip(bounds["lambda_c"].where(bounds["lambda_c"] > 0).min() / 3)  # log λ has no 0
    bounds["dim"] = "d = " + bounds["block_dim"].astype(str)
    points = alt.Chart(plain(bounds[bounds["lambda_c"] > 0])).encode(
        x=alt.X("dim:O", sort=dims[::-1], title="Block dimension", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=names),
        color=alt.Color("model:N", sort=names, title="Model", scale=alt.Scale(range=COLOURS)),
        tooltip=[
            alt.Tooltip(name, title=title, format=".3g" if name == "lambda_c" else alt.Undefined)
            for name, title in {
                "model": "Model", "dim": "Block", "two_qubit_gates": "Two-qubit gates a block", "lambda_c": "λ_c",
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
        "Where quantum-executed adapters help: " + ", ".join(names),
        subtitle="Number: perplexity; colour: recovered share of nll; cross: noise-dominated. Marker: λ_c with its "
        "95 % interval; λ_c = 0 (no gain without noise) is not drawn.",
        anchor="start",
        offset=14,
        fontSize=16,
        subtitleColor="#555",
    )
    chart: alt.VConcatChart = alt.vconcat(facets, below, title=heading)
    chart = chart.resolve_scale(color="independent", shape="independent")
    return chart
