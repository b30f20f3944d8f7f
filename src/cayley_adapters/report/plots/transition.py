"""The picture of the transition: gain, cost, its collapse, critical noise, and the errors that larger blocks need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.scaling import LARGEST_COST
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["transition_figure"]

# Marker and line tell blocks apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_FILLS = ("full", "none", "left", "top")
_BEYOND = {"above": 1.6, "below": 1 / 1.6}  # how far arrows reach


def transition_figure(transition: Mapping[str, Any], heading: str) -> Figure:
    """Six panels: what blocks gain, what noise costs them, and what follows for larger blocks.

    Args:
        transition: ``transition.json``.
        heading: model and device.
    """
    with canvas(7.6, 5.6, {"legend.frameon": False}) as figure:
        panels = figure.subplots(2, 3).ravel()
        _gain(panels[0], transition)
        costs = _costs(transition)
        fits = {entry["x"]: entry for entry in transition["scaling"]["collapse"]}
        _cost(panels[1], transition, costs, "two_qubit_gates", fits.get("noise_scale * two_qubit_gates"))
        _cost(panels[2], transition, costs, "error_budget", fits.get("noise_scale * error_budget"))
        predictions = pd.DataFrame(transition["scaling"]["predictions"])
        if len(predictions):
            predictions = predictions[predictions["lambda_c"].notna()]
        _critical(panels[3], transition, predictions)
        _needed(panels[4], predictions)
        _width(panels[5], transition)
        for axes, letter in zip(panels, "abcdef", strict=True):
            name = axes.get_title()
            axes.set_title("")
            axes.set_title(f"{letter}  {name}", fontsize=8, loc="left")
            axes.tick_params(width=0.6)
            if not axes.containers and not any(line.get_marker() not in ("None", "", None) for line in axes.lines):
                axes.text(0.5, 0.4, "nothing to show", transform=axes.transAxes, ha="center", color="0.35")
        figure.suptitle(heading, x=0.01, ha="left", fontweight="bold", fontsize=9)
        _legend(figure, transition)
        figure.tight_layout(rect=(0, 0.065, 1, 0.985), w_pad=1.4, h_pad=1.4)
    return figure


def _blocks(transition: Mapping[str, Any]) -> pd.DataFrame:
    """One row a ratio and block, with the ends of the intervals as columns of their own."""
    rows = []
    for part in transition["ratios"]:
        for block in part["blocks"]:
            ends = {
                f"{name}_{side}": block[key][index]
                for name, key in (("lambda_c", "ci95"), ("gain", "gain_ci95"), ("crossover", "crossover_ci95"))
                for index, side in enumerate(("low", "high"))
            }
            rows.append({"compression_ratio": part["compression_ratio"], **block, **ends})
    return pd.DataFrame(rows)


def _costs(transition: Mapping[str, Any]) -> pd.DataFrame:
    """One row a cell: ``cost``, the ends of its interval, and ``two_qubit_gates, error_budget`` of its circuit."""
    circuits = {(row.compression_ratio, row.block_dim): row for row in _blocks(transition).itertuples()}
    rows = []
    for part in transition["ratios"]:
        for entry in part["recovery_nll"]:
            block = circuits[part["compression_ratio"], entry["block_dim"]]
            low, high = entry["cost_ci95"]
            figures = {name: getattr(block, name) for name in ("two_qubit_gates", "error_budget")}
            ends = {"cost_ci95_low": low, "cost_ci95_high": high}
            rows.append({"compression_ratio": part["compression_ratio"], **entry, **figures, **ends})
    numbers = ["cost", "cost_ci95_low", "cost_ci95_high", "two_qubit_gates", "error_budget"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))


def _styles(transition: Mapping[str, Any]) -> tuple[dict[int, tuple[str, str]], dict[float, Any]]:
    """Colour and marker of each block dimension, fill of each ratio."""
    table = _blocks(transition)
    dims, ratios = sorted(table["block_dim"].unique()), sorted(table["compression_ratio"].unique())
    marks = {d: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]) for i, d in enumerate(dims)}
    return marks, {ratio: _FILLS[i % len(_FILLS)] for i, ratio in enumerate(ratios)}


def _bar(axes: Axes, x: float, row: Any, name: str, style: tuple[str, str], fill: str, value: float) -> None:
    """A point with its interval, which need not hold the estimate."""
    low, high = (getattr(row, f"{name}_{side}") for side in ("low", "high"))
    known = low is not None and high is not None and np.isfinite([low, high]).all()
    error = [[max(value - low, 0)], [max(high - value, 0)]] if known else None
    axes.errorbar(
        x, value, yerr=error, fmt=style[1], color=style[0], fillstyle=fill, markersize=4.5, elinewidth=0.8, capsize=1.8
    )  # fmt: skip


def _gain(axes: Axes, transition: Mapping[str, Any]) -> None:
    marks, fills = _styles(transition)
    for row in _blocks(transition).itertuples():
        if row.two_qubit_gates is not None:
            _bar(axes, row.two_qubit_gates, row, "gain", marks[row.block_dim], fills[row.compression_ratio], row.gain)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(xlabel="Two-qubit gates a block", ylabel="Gain G (nats a token)", title="Gain without noise")
    axes.set_xlim(left=-0.4)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))


def _cost(
    axes: Axes, transition: Mapping[str, Any], costs: pd.DataFrame, figure: str, fit: Mapping[str, Any] | None
) -> None:
    marks, fills = _styles(transition)
    shown = costs[(costs["noise_scale"] > 0) & (costs["cost"] > 0) & (costs[figure] > 0)]
    for row in shown.itertuples():
        x = row.noise_scale * getattr(row, figure)
        _bar(axes, x, row, "cost_ci95", marks[row.block_dim], fills[row.compression_ratio], row.cost)
    axes.set(xscale="log", yscale="log", ylabel="Cost C (nats a token)")
    names = {"two_qubit_gates": "gates", "error_budget": "error budget"}
    axes.set_xlabel(f"λ × {'two-qubit gates' if figure == 'two_qubit_gates' else 'error budget'} of a block")
    axes.set_title(f"Cost over λ × {names[figure]}")
    if not shown.empty:
        axes.set_ylim(shown["cost"].min() / 2.5, shown["cost"].max() * 2.5)
    if fit is not None:
        x = shown["noise_scale"] * shown[figure]
        logs = np.linspace(np.log(x.min()), np.log(x.max()), 60)
        line = sum(c * logs**power for power, c in enumerate(fit["coefficients"]))
        fitted = (np.gradient(line, logs) > 0) & (line < np.log(LARGEST_COST))
        axes.plot(np.exp(logs[fitted]), np.exp(line[fitted]), color="0.35", linewidth=1, zorder=0)
        verdict = {True: "one curve", False: "no single curve", None: "too few points to say"}[fit["holds"]]
        text = f"{verdict}: scatter ×{fit['residual_factor']:.2f}"
        if fit["sampling_factor"] is not None:
            text += f"\n(sampling alone ×{fit['sampling_factor']:.2f})"
        entangling = fit["residual_factor_with_two_qubit_gates"]
        if entangling is not None and len(fit["block_dims"]) > 2:
            text += f"\nwith two-qubit gates ×{entangling:.2f}"
        axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=6.5)
    for part in transition["ratios"] if not shown.empty else ():
        gains = [block["gain"] for block in part["blocks"] if (block["gain"] or 0) > 0]
        if gains:
            axes.axhspan(min(gains), max(gains), color="0.82", zorder=-1)


def _critical(axes: Axes, transition: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    marks, fills = _styles(transition)
    for row in _blocks(transition).itertuples():
        if row.error_budget is None or not row.lambda_c:
            continue
        style, fill = marks[row.block_dim], fills[row.compression_ratio]
        _bar(axes, row.error_budget, row, "lambda_c", style, fill, row.lambda_c)
        if row.censored in _BEYOND:  # not a number beside the words of others, where it is not
            end = row.lambda_c * _BEYOND[row.censored]
            axes.annotate(
                "", (row.error_budget, end), (row.error_budget, row.lambda_c),
                arrowprops={"arrowstyle": "-|>", "color": style[0]},
            )  # fmt: skip
    for _, part in predictions.groupby("compression_ratio") if not predictions.empty else ():
        for row in part[part["lambda_c_measured"].isna()].itertuples():
            low, high = (np.nan if end is None else end for end in row.ci95)
            axes.plot([row.error_budget] * 2, [low, high], color="0.35", linewidth=0.8)
        axes.plot(part["error_budget"], part["lambda_c"], "x--", color="0.35", markersize=4, linewidth=0.8, zorder=0)
    if not predictions.empty:
        for row in predictions.drop_duplicates("qubits").itertuples():
            near = (row.error_budget, predictions["lambda_c"].min() / 2)
            text = axes.annotate(f"n={row.qubits}", near, ha="center", va="top", fontsize=6, color="0.25", zorder=5)
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # open intervals run behind it
        axes.set_ylim(bottom=predictions["lambda_c"].min() / 5)
        axes.margins(x=0.1)
    axes.axhline(1, color="black", linewidth=0.8, linestyle=":")
    spot: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": 6.5}
    axes.annotate("device", (1, 1), (-1, 1.5), ha="right", **spot)
    axes.set(xscale="log", yscale="log", xlabel="Error budget of a block at λ = 1", ylabel="Critical noise λ$_c$")
    axes.set_title("Critical noise")


def _needed(axes: Axes, predictions: pd.DataFrame) -> None:
    axes.set(xlabel="Qubits n of a block", ylabel="Two-qubit gate error", title="Error at which blocks pay")
    if predictions.empty:
        return
    fills = dict(zip(sorted(predictions["compression_ratio"].unique()), _FILLS, strict=False))
    table = predictions[predictions["qubits"] > 1]
    for ratio, part in table.groupby("compression_ratio"):
        fill = fills[ratio]
        x = part["qubits"]
        axes.plot(x, part["two_qubit_error_needed"], "o-", color="#0072B2", fillstyle=fill, markersize=4.5, linewidth=1)
        as_is = part["two_qubit_error_needed_readout_as_is"].astype(float).replace(0, np.nan)  # none suffices
        axes.plot(x, as_is, "s--", color="#D55E00", fillstyle=fill, markersize=4.5, linewidth=1)
    axes.plot(table["qubits"], table["two_qubit_error"], "_", color="black", markersize=11)
    axes.set_yscale("log")
    axes.set_xticks(sorted(table["qubits"].unique()))
    handles = [
        axes.plot([], [], "_", color="black", markersize=9)[0],
        axes.plot([], [], "o-", color="#0072B2", markersize=4)[0],
        axes.plot([], [], "s--", color="#D55E00", markersize=4)[0],
    ]
    low, high = axes.get_ylim()
    axes.set_ylim(low * (low / high) ** 0.3, high)  # room for the legend
    axes.legend(handles, ["device today", "all errors shrink", "only gates improve"], fontsize=6, loc="lower left")


def _width(axes: Axes, transition: Mapping[str, Any]) -> None:
    marks, fills = _styles(transition)
    table = _blocks(transition)
    ratios = sorted(table["compression_ratio"].unique())
    for row in table.itertuples():
        if row.crossover_decades is not None and np.isfinite(row.crossover_decades):
            x = np.log2(row.block_dim) + 0.16 * (ratios.index(row.compression_ratio) - (len(ratios) - 1) / 2)
            style, fill = marks[row.block_dim], fills[row.compression_ratio]
            _bar(axes, x, row, "crossover", style, fill, row.crossover_decades)
    axes.axhline(np.log10(4), color="0.35", linewidth=0.8, linestyle=(0, (4, 2)))
    spot: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "fontsize": 6.5}
    axes.annotate("C ∝ λ", (1, np.log10(4)), (-2, 2), ha="right", **spot)
    axes.set(xlabel="Qubits n of a block", ylabel="Decades of λ from C = G/2 to 2G", title="Width of the crossover")
    qubits = np.log2(table["block_dim"])
    axes.set_xticks(sorted(set(qubits.astype(int))))
    axes.set_xlim(qubits.min() - 0.5, qubits.max() + 0.9)  # room for the label
    axes.set_ylim(0, max(axes.get_ylim()[1], 0.7))


def _legend(figure: Figure, transition: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    marks, fills = _styles(transition)
    entries = {
        f"d = {d}": Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=4.5)
        for d, (colour, marker) in marks.items()
    }
    if len(fills) > 1:
        entries |= {
            f"ratio {ratio:g}": Line2D(
                [], [], color="0.3", marker="o", fillstyle=fill, linestyle="none", markersize=4.5
            )
            for ratio, fill in fills.items()
        }
    entries["predicted from other blocks' costs"] = Line2D(
        [], [], color="0.35", marker="x", linestyle="--", markersize=4
    )
    spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.02), "ncols": len(entries)}
    figure.legend(list(entries.values()), list(entries), fontsize=6.8, frameon=False, columnspacing=1.4, **spot)
    note = (
        "Bars: 95 % intervals. Grey bands in b and c: gains; where a cost reaches its gain, λ = λ$_c$. "
        f"Lines in b and c: fits to costs up to {LARGEST_COST:g} nats."
    )
    figure.text(0.012, 0.012, note, fontsize=6.3, color="0.25")
