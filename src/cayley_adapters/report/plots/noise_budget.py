"""The picture of the noise budget: what gates and readout cost each block, measured and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.circuits.noise.budget import Circuit
from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["noise_budget_figure"]

# Hatches tell sources apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_STYLES = {
    **{name: (source.title, source.look.ink, source.look.hatching) for name, source in SOURCES.items()},
    "all": ("all together", "0.25", ""),
}
_WIDTH = 0.17
_NORMAL = 1.96  # standard errors from the middle to an end of a 95 % interval


def noise_budget_figure(table: pd.DataFrame, gains: pd.DataFrame, circuits: Sequence[Circuit], heading: str) -> Figure:
    """What each source of errors costs alone at noise scale 1, a panel a ratio, and the errors counted for any n.

    Args:
        table: ``compression_ratio, qubits, source, cost, cost_se``, nats a token, averaged over seeds.
        gains: ``compression_ratio, qubits, gain``, nats a token.
        circuits: whose errors are counted in the last panel.
        heading: model and device.
    """
    from matplotlib.patches import Patch

    ratios = sorted(table["compression_ratio"].unique())
    with canvas(3.1 * len(ratios) + 3.2, 3.6, {"hatch.linewidth": 0.6}) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(ratios) + 1))
        for axes, ratio in zip(panels, ratios, strict=False):
            _costs(axes, table[table["compression_ratio"] == ratio], gains[gains["compression_ratio"] == ratio])
            axes.set_title(f"Cost at λ = 1, ratio {ratio:g}", fontsize=9, loc="left")
        if ratios:  # one axis, with room for the numbers
            ends = np.array([axes.get_ylim() for axes in panels[:-1]])
            low, high = min(ends[:, 0].min(), 0.0), ends[:, 1].max()
            for axes in panels[:-1]:
                axes.set_ylim(low, high + 0.16 * (high - low))
        _counted(panels[-1], circuits)
        entries = {"gain without noise": Patch(facecolor="white", edgecolor="black", linewidth=1)}
        entries |= {
            label: Patch(facecolor=colour, hatch=hatch, edgecolor="white") for label, colour, hatch in _STYLES.values()
        }
        figure.suptitle(heading, x=0.01, ha="left", fontweight="bold", fontsize=10)
        spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.05), "ncols": 3}
        figure.legend(list(entries.values()), list(entries), fontsize=7.8, frameon=False, **spot)
        note = (
            "Each source alone, the others ideal; bars: 95 % intervals over documents (1.96 standard errors). "
            "Right: sums of errors."
        )
        figure.text(0.012, 0.018, note, fontsize=7, color="0.25")
        figure.tight_layout(rect=(0, 0.17, 1, 0.99), w_pad=1.2)
    return figure


def _costs(axes: Axes, table: pd.DataFrame, gains: pd.DataFrame) -> None:
    """Gain and costs of each number of qubits side by side, each with its number above."""
    numbers = sorted(table["qubits"].unique())
    for place, n in enumerate(numbers):
        gain = float(gains.loc[gains["qubits"] == n, "gain"].mean())
        first = place - 2 * _WIDTH
        if np.isfinite(gain):
            axes.bar(first, gain, 0.88 * _WIDTH, color="white", edgecolor="black", linewidth=1)
            _number(axes, first, gain, gain)
        rows = table[table["qubits"] == n].set_index("source")
        for index, (source, (_, colour, hatch)) in enumerate(_STYLES.items(), 1):
            if source not in rows.index or not np.isfinite(rows.loc[source, "cost"]):
                continue
            x = first + index * _WIDTH
            cost, error = rows.loc[source, "cost"], _NORMAL * rows.loc[source, "cost_se"]
            axes.bar(x, cost, _WIDTH, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4)
            if np.isfinite(error):
                axes.errorbar(x, cost, yerr=error, color="black", elinewidth=0.9, capsize=2)
            _number(axes, x, cost, cost + (error if np.isfinite(error) else 0))
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(numbers)), [f"n = {n}" for n in numbers], fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.set(xlabel="Qubits of a block", ylabel="Cost (nats a token)")


def _number(axes: Axes, x: float, value: float, top: float) -> None:
    """A bar's number, above it and its interval: small bars are not to be measured on the axis."""
    text = f"{value:.2g}".replace("-", "−")
    spot: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom", "rotation": 90}
    axes.annotate(text, (x, max(top, 0)), (0, 4), fontsize=6.8, **spot)


def _counted(axes: Axes, circuits: Sequence[Circuit]) -> None:
    """Errors of a circuit, those of one source on top of another's, with their sum above."""
    for place, circuit in enumerate(circuits):
        total = 0.0
        for source in SOURCES:
            _, colour, hatch = _STYLES[source]
            if (error := circuit.errors.get(source, 0)) > 0:
                axes.bar(place, error, 0.6, total, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4)
                total += error
        spot: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 7}
        axes.annotate(f"{total:.2g}", (place, total), (0, 2), **spot)
    axes.margins(y=0.12)
    names = [f"{circuit.qubits}{'*' if circuit.counted != 'circuit' else ''}" for circuit in circuits]
    axes.set_xticks(range(len(circuits)), names, fontsize=8)
    axes.set(xlabel="Qubits n of a block", ylabel="Error budget of a circuit at λ = 1")
    axes.set_title("Errors counted", fontsize=9, loc="left")
    if any(circuit.counted != "circuit" for circuit in circuits):
        axes.text(0.03, 0.97, "* at least, by parameter count", transform=axes.transAxes, va="top", fontsize=7)
