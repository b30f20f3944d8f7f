"""The picture of benchmarks: every model's score on every task, with intervals and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.report import words
from cayley_adapters.report.names import model_title
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["benchmarks_figure", "model_labels", "shown_metrics"]

# Marker and grey tell the methods apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_STYLES = {
    "uncompressed": ("D", "black", "full"),
    "compressed": ("D", "black", "none"),
    "exact": ("o", "#0072B2", "full"),
    "noisy": ("o", "#0072B2", "none"),
    **{name: (control.look.stroke[0], control.look.ink, control.look.filling) for name, control in CONTROLS.items()},
}
FIRST = ("word_perplexity", "acc", "exact_match")
"""Metrics that stand for a task, the first that it has; any other is its first one."""

_ACROSS, _ROW = 3, 0.24
_LEFT, _TOP, _BOTTOM, _BETWEEN = 1.75, 0.5, 0.15, 0.62  # inches
_WIDEST = 20
"""Times by which perplexities differ at most on an even axis."""


def shown_metrics(table: pd.DataFrame, tasks: Sequence[str]) -> list[tuple[str, str, str]]:
    """Task, metric and filter of each panel: of the tasks and groups that were asked for, one metric each."""
    found = []
    for task in tasks:
        rows = table[table["task"] == task]
        metrics = list(dict.fromkeys(zip(rows["metric"], rows["filter"], strict=True)))
        ranked = sorted(metrics, key=lambda key: FIRST.index(key[0]) if key[0] in FIRST else len(FIRST))
        found += [(task, *ranked[0])] if ranked else []
    return found


def model_labels(models: pd.DataFrame) -> list[str]:
    """What each model is called: ``ratio 0.2, blocks d = 4, λ = 1``, with shots and readout where there are several."""
    noisy = models[models["executor"] == "noisy"]
    several = {name for name in ("shots", "readout") if noisy[name].nunique() > 1}
    return [_label(row, several) for row in models.itertuples()]


def _label(row: Any, several: set[str]) -> str:
    start = f"ratio {row.compression_ratio:g}" if row.compression_ratio else "uncompressed"
    if row.method in ("uncompressed", "compressed"):
        return start
    if row.method != "cayley":
        return f"{start}, {CONTROLS[row.method].title if row.method in CONTROLS else row.method}"
    blocks = f"{start}, blocks d = {row.block_dim:.0f}"
    if row.executor == "exact":
        return f"{blocks}, exact"
    shots = f", {row.shots:,.0f} shots" if "shots" in several else ""
    return f"{blocks}, λ = {row.noise_scale:g}{shots}" + (f", {row.readout}" if "readout" in several else "")


def benchmarks_figure(table: pd.DataFrame, tasks: Sequence[str]) -> Figure:
    """A panel a task, a row a model, with 95 % intervals; a dashed line where guessing would be.

    Args:
        table: :data:`cayley_adapters.questions.benchmarks.tables.BENCHMARK_COLUMNS`.
        tasks: tasks and groups that were asked for.
    """
    panels = shown_metrics(table, tasks)
    models = table.drop_duplicates("arm")
    down = -(-len(panels) // _ACROSS)
    tall = _ROW * len(models) + 0.1
    height = _TOP + down * (tall + _BETWEEN) + _BOTTOM
    width = 7.3
    wide = (width - _LEFT - 0.15) / _ACROSS
    with canvas(width, height) as figure:
        for place, (task, metric, filtered) in enumerate(panels):
            row, column = divmod(place, _ACROSS)
            low = height - _TOP - row * (tall + _BETWEEN) - tall - 0.1
            box = ((_LEFT + column * wide) / width, low / height, (wide - 0.18) / width, tall / height)
            axes = figure.add_axes(box, label=task)
            one = table[(table["task"] == task) & (table["metric"] == metric) & (table["filter"] == filtered)]
            rows = one.set_index("arm").reindex(models["arm"]).reset_index()
            _panel(axes, rows, models, column == 0, metric.endswith("perplexity"))
            better = "→ better" if bool(one["higher_is_better"].iloc[0]) else "← better"
            axes.set_title(f"{task}\n{metric}, n = {one['documents'].iloc[0]:,.0f}, {better}", fontsize=6.4, loc="left")
        name = model_title(str(table["model"].iloc[0]))
        figure.suptitle(f"{name}: benchmarks", x=0.01, ha="left", fontweight="bold", fontsize=8.5)
        note = "95 % intervals over documents; dashed: chance. Tasks, prompts and scores are lm-evaluation-harness's."
        figure.text(0.01, 0.012, note, fontsize=6.2, color="0.25", va="bottom")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, models: pd.DataFrame, first: bool, perplexity: bool) -> None:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    write = words.perplexity if perplexity else words.share
    chance = rows["chance"].dropna()
    if len(chance):
        axes.axvline(chance.iloc[0], color="0.35", linewidth=0.9, linestyle=(0, (4, 2)))
    for place, (row, model) in enumerate(zip(rows.itertuples(), models.itertuples(), strict=True)):
        if pd.isna(row.value):
            continue
        kind = str(model.method) if model.method != "cayley" else str(model.executor)
        marker, colour, fill = _STYLES.get(kind, _STYLES["exact"])
        if pd.notna(row.value_ci95_low):
            axes.plot([row.value_ci95_low, row.value_ci95_high], [place, place], color=colour, linewidth=1.1)
        axes.plot([row.value], [place], marker, color=colour, fillstyle=fill, markersize=4.5)
        axes.annotate(
            write(row.value),
            (row.value, place),
            (0, 4.2),
            textcoords="offset points",
            ha="center",
            size=5.6,
            path_effects=[withStroke(linewidth=1.8, foreground="white")],  # the line of chance may lie behind it
        )
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.set_yticks(range(len(rows)), model_labels(models) if first else [])
    axes.margins(x=0.12)
    ends = rows[["value_ci95_low", "value_ci95_high", "value"]].to_numpy(float)
    if perplexity and np.nanmax(ends) > _WIDEST * np.nanmin(ends) > 0:
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=2, width=0.6, labelsize=6)
