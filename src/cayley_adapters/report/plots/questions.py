"""The picture of the answers: accuracy of each arm, and how many questions change between neighbouring arms."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["neighbours", "questions_figure"]

# Marker and grey tell the methods apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_STYLES = {
    "uncompressed": ("D", "black", "full"),
    "compressed": ("D", "black", "none"),
    "exact": ("o", "#0072B2", "full"),
    "noisy": ("o", "#0072B2", "none"),
    **{name: (control.look.stroke[0], control.look.ink, control.look.filling) for name, control in CONTROLS.items()},
}
_ROW = 0.36  # inches
_TOP, _BOTTOM = 0.48, 0.86


def neighbours(arms: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs that the picture shows: to compressed, from there to each adapter, between these, along the noise."""
    names = {method: group["arm"].tolist() for method, group in arms.groupby("method", sort=False)}
    blocks, lora = names.get("cayley", []), names.get("lora", [])
    pairs = [("uncompressed", "compressed"), *(("compressed", arm) for arm in [*blocks[:1], *lora])]
    return pairs + [(blocks[0], arm) for arm in lora] + list(pairwise(blocks))


def questions_figure(table: pd.DataFrame, comparisons: pd.DataFrame) -> Figure:
    """Accuracy with 95 % intervals and the line of chance, beside the flips in both directions.

    Args:
        table: :data:`cayley_adapters.questions.tables.TABLE_COLUMNS`.
        comparisons: :data:`cayley_adapters.questions.statistics.COMPARISON_COLUMNS`.
    """
    pairs = neighbours(table)
    labels = {row.arm: _label(row) for row in table.itertuples()}
    height = _TOP + _ROW * max(len(table), len(pairs)) + _BOTTOM
    with canvas(7.3, height) as figure:
        low, tall = _BOTTOM / height, 1 - (_TOP + _BOTTOM) / height
        left = figure.add_axes((0.168, low, 0.26, tall), label="accuracy")
        right = figure.add_axes((0.655, low, 0.245, tall), label="flips")
        _accuracy(left, table, labels)
        _flips(right, comparisons.set_index(["first", "second"]).loc[pairs], labels)
        model = str(table["model"].iloc[0])
        figure.suptitle(f"{model}: multiple-choice questions", x=0.01, ha="left", fontweight="bold", fontsize=8.5)
        figure.text(0.01, 0.012, _note(table, comparisons), fontsize=6.2, color="0.25", linespacing=1.3, va="bottom")
    return figure


def _kind(row: Any) -> str:
    if row.method != "cayley":
        return str(row.method)
    return "exact" if pd.isna(row.backend) else "noisy"


def _label(row: Any) -> str:
    kind = _kind(row)
    if kind in ("exact", "noisy"):
        return f"blocks d = {row.block_dim:.0f}, {'exact' if kind == 'exact' else f'λ = {row.noise_scale:g}'}"
    return CONTROLS[kind].title if kind in CONTROLS else kind


def _accuracy(axes: Axes, table: pd.DataFrame, labels: dict[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.axvline(100 * table["chance"].iloc[0], color="0.35", linewidth=0.9, linestyle=(0, (4, 2)))
    axes.annotate(
        "chance",
        (100 * table["chance"].iloc[0], 1),
        (0, 2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        fontsize=6.5,
        color="0.25",
    )
    for place, row in enumerate(table.itertuples()):
        marker, colour, fill = _STYLES[_kind(row)]
        value = 100 * row.accuracy
        axes.errorbar(
            value,
            place,
            xerr=[[value - 100 * row.accuracy_ci95_low], [100 * row.accuracy_ci95_high - value]],
            fmt=marker,
            color=colour,
            fillstyle=fill,
            markersize=5,
            elinewidth=1.1,
            capsize=2.5,
        )
        axes.annotate(f"{value:.1f}", (value, place), (0, 5), textcoords="offset points", ha="center", fontsize=6.8)
    names = [
        labels[row.arm] + (f"\n{row.adapter_parameters:,} parameters" if row.adapter_parameters else "")
        for row in table.itertuples()
    ]
    axes.set_yticks(range(len(table)), names)
    axes.set(ylim=(len(table) - 0.5, -0.65), xlabel="Right answers in % (95 % interval)")
    ends = 100 * table[["accuracy_ci95_low", "accuracy_ci95_high", "chance"]].to_numpy()
    axes.set_xlim(max(ends.min() - 5, 0), min(ends.max() + 5, 100))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=2, width=0.6)


def _flips(axes: Axes, pairs: pd.DataFrame, labels: dict[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator

    places = np.arange(len(pairs))
    lost = axes.barh(places, -pairs["only_first"], height=0.55, color="white", edgecolor="black", hatch="////", lw=0.7)
    gained = axes.barh(places, pairs["only_second"], height=0.55, color="#0072B2", edgecolor="black", lw=0.7)
    for bar in lost:
        bar.set_hatch_linewidth(0.6)
    axes.bar_label(lost, labels=[str(value) for value in pairs["only_first"]], padding=2, fontsize=6.8)
    axes.bar_label(gained, labels=[str(value) for value in pairs["only_second"]], padding=2, fontsize=6.8)
    widest = max(pairs[["only_first", "only_second"]].to_numpy().max(), 1)
    axes.set_xlim(-1.45 * widest, 1.45 * widest)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(places, [f"{labels[first]}\n→ {labels[second]}" for first, second in pairs.index])
    axes.set_ylim(len(pairs) - 0.5, -0.65)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    axes.set_xlabel("Questions that flip")
    axes.tick_params(length=2, width=0.6)
    heading: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "fontsize": 6.8}
    axes.annotate("← right → wrong", (-0.08 * widest, 1), (0, 2), ha="right", **heading)
    axes.annotate("wrong → right →", (0.08 * widest, 1), (0, 2), ha="left", **heading)
    for place, p in zip(places, pairs["mcnemar_p_holm"], strict=True):
        text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
        axes.annotate(
            text,
            (1, place),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
        )


def _note(table: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    first = table.iloc[0]
    compressed = table[table["method"] != "uncompressed"].iloc[0]
    lines = [
        f"{first['questions']:,} questions of {first['question_set']} (version {first['question_set_version']}, "
        f"format: {first['format']}), the same for all; compression ratio {compressed['compression_ratio']:g}.",
    ]
    noisy = table[(table["method"] == "cayley") & table["backend"].notna()]
    if len(noisy):
        row = noisy.iloc[0]
        shots = "unlimited" if np.isinf(row["shots"]) else f"{row['shots']:,.0f}"
        lines.append(
            f"λ: noise scale of {row['backend']}, readout {row['readout']}, mitigation {row['mitigation']}, "
            f"{shots} shots; exact: signed, no shots."
        )
    lines.append(
        f"Intervals: Wilson. p: exact McNemar test, adjusted for {len(comparisons)} comparisons (Holm). "
        "They cover questions, not training seeds."
    )
    return "\n".join(lines)
