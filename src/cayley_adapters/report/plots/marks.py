"""What a processor measured, as marks on the phase diagram: rows of ``phase_diagram.csv`` with executor ``qpu``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.report.plots.boundaries import column_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["device_marks", "draw_device_marks", "mark_handle", "mark_layer", "mark_note"]

_PLACE = (-0.38, -0.36)  # of a mark, from the middle of its cell, in columns and rows


def device_marks(cells: pd.DataFrame, axis: np.ndarray) -> pd.DataFrame:
    """The rows that a processor measured, and where they belong.

    Args:
        cells: Rows of ``phase_diagram.csv``.
        axis: The increasing noise scales of the map.

    Returns:
        The rows with ``x`` (their column, at the processor's own noise), ``without_blocks`` (perplexity on the same
        tokens), ``helps`` (whether the measured one is below it) and texts for a tooltip; none if λ = 1 is beyond the
        axis.
    """
    rows = cells[(cells["executor"] == "qpu") & (cells["noise_scale"] <= axis[-1])]
    if rows.empty:
        return rows.reindex(columns=[*rows.columns, "x", "without_blocks", "helps", "lines", "where"])
    columns = {scale: float(place) for place, scale in enumerate(axis)}
    without = np.exp(rows["nll_compressed"].astype(float))
    return rows.assign(
        x=[columns.get(scale, column_of(axis, scale)) for scale in rows["noise_scale"]],
        without_blocks=without,
        helps=rows["perplexity"] < without,
        lines=rows["layout"].str.count(";") + 1,
        where=rows["targets"] + rows["layers"].map(lambda layers: "" if pd.isna(layers) else f" of layer {layers}"),
    ).reset_index(drop=True)


def mark_note(marks: pd.DataFrame) -> str:
    """One sentence for the caption; empty without marks."""
    return "".join(
        f" Star ({'white, blocks helped' if mark.helps else 'black, blocks did not help'}): {mark.where} measured on "
        f"{mark.backend}, readout {mark.readout}, {int(mark.tokens):,} tokens, perplexity {mark.perplexity:.2f} "
        f"against {mark.without_blocks:.2f} without blocks."
        for mark in marks.itertuples()
    )


def draw_device_marks(axes: Axes, marks: pd.DataFrame, dims: list[int]) -> None:
    """Stars in the cells of the processor's noise: white where blocks helped there, black where they did not."""
    for mark in marks.itertuples():
        axes.plot(
            mark.x + _PLACE[0],
            dims.index(mark.block_dim) + _PLACE[1],
            "*",
            markersize=8,
            markerfacecolor="white" if mark.helps else "black",
            markeredgecolor="black" if mark.helps else "white",
            markeredgewidth=0.7,
            zorder=9,
            clip_on=False,
            gid="measured",
        )


def mark_handle() -> Any:
    """The entry of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="white", linestyle="none", marker="*", markersize=8, markeredgecolor="black")


def mark_layer(marks: pd.DataFrame, x: Any, y: Any) -> Any:
    """The marks as a layer of an interactive map.

    Args:
        marks: :func:`device_marks`, with the fields that ``x`` and ``y`` name.
        x, y: Altair's encodings of the map.
    """
    import altair as alt

    shown = {
        "where": "Measured blocks", "backend": "Processor", "lines": "Lines of qubits at once", "readout": "Readout",
        "shots": "Shots", "mitigation": "Mitigation", "tokens": "Tokens", "perplexity_text": "Perplexity",
        "without_text": "Without blocks, same tokens",
    }  # fmt: skip
    table = marks.assign(
        perplexity_text=marks["perplexity"].map("{:,.4g}".format),
        without_text=marks["without_blocks"].map("{:,.4g}".format),
        face=np.where(marks["helps"], "white", "black"),
        edge=np.where(marks["helps"], "black", "white"),
    )[["x", "block", "face", "edge", *shown]]
    star = "M0,-1L0.22,-0.31L0.95,-0.31L0.36,0.12L0.59,0.81L0,0.38L-0.59,0.81L-0.36,0.12L-0.95,-0.31L-0.22,-0.31Z"
    return (
        alt.Chart(table)
        .mark_point(shape=star, size=260, filled=True, opacity=1, strokeWidth=1, xOffset=-25, yOffset=18)
        .encode(
            x=x,
            y=y,
            fill=alt.Fill("face:N", scale=None),
            stroke=alt.Stroke("edge:N", scale=None),
            tooltip=[alt.Tooltip(name, title=title) for name, title in shown.items()],
        )
    )
