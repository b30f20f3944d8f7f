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
_WIDTH = 0.2


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
    with canvas(2.5 * (len(ratios) + 1) + 0.3, 3.3, {"hatch.linewidth": 0.6}) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(ratios) + 1))
        for axes, ratio in zip(panels, ratios, strict=False):
            _costs(axes, table[table["compression_ratio"] == ratio], gains[gains["compression_ratio"] == ratio])
            axes.set_title(f"Cost at λ = 1, ratio {ratio:g}", fontsize=8, loc="left")
        if ratios:
            low = min(axes.get_ylim()[0] for axes in panels[:-1])
            high = max(axes.get_ylim()[1] for axes in panels[:-1])
            for axes in panels[:-1]:
                axes.set_ylim(low, high)
        _counted(panels[-1], circuits)
        entries = {
            label: Patch(facecolor=colour, hatch=hatch, edgecolor="white") for label, colour, hatch in _STYLES.values()
        }
        entries["gain without noise"] = panels[-1].plot([], [], "_", color="black", markersize=12, markeredgewidth=1.6)[
            0
        ]
        figure.suptitle(heading, x=0.01, ha="left", fontweight="bold", fontsize=9)
        spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.035)}
        figure.legend(list(entries.values()), list(entries), ncols=len(entries), fontsize=6.8, frameon=False, **spot)
        note = "Each source alone, the others ideal; bars: standard error over documents. Right: sums of errors."
        figure.text(0.012, 0.015, note, fontsize=6.3, color="0.25")
        figure.tight_layout(rect=(0, 0.1, 1, 0.99), w_pad=1.2)
    return figure


def _costs(axes: Axes, table: pd.DataFrame, gains: pd.DataFrame) -> None:
    numbers = sorted(table["qubits"].unique())
    for place, n in enumerate(numbers):
        rows = table[table["qubits"] == n].set_index("source")
        for index, (source, (_, colour, hatch)) in enumerate(_STYLES.items()):
            if source in rows.index and rows.loc[source, "cost"] > 0:
                x = place + (index - 1.5) * _WIDTH
                cost, error = rows.loc[source, "cost"], rows.loc[source, "cost_se"]
                axes.bar(x, cost, _WIDTH, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4)
                if np.isfinite(error):
                    axes.errorbar(x, cost, yerr=min(error, 0.9 * cost), color="black", elinewidth=0.7, capsize=1.5)
        for gain in gains.loc[gains["qubits"] == n, "gain"]:
            if gain > 0:
                axes.plot([place - 2 * _WIDTH, place + 2 * _WIDTH], [gain, gain], color="black", linewidth=1.6)
    axes.set_yscale("log")
    axes.set_xticks(range(len(numbers)), [f"n = {n}" for n in numbers])
    axes.set(xlabel="Qubits of a block", ylabel="Cost (nats a token)")


def _counted(axes: Axes, circuits: Sequence[Circuit]) -> None:
    for place, circuit in enumerate(circuits):
        for index, source in enumerate(SOURCES):
            _, colour, hatch = _STYLES[source]
            if circuit.errors.get(source, 0) > 0:
                x = place + (index - 1) * 0.27
                axes.bar(x, circuit.errors[source], 0.27, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4)
    axes.set_yscale("log")
    names = [f"{circuit.qubits}{'*' if circuit.counted != 'circuit' else ''}" for circuit in circuits]
    axes.set_xticks(range(len(circuits)), names)
    axes.set(xlabel="Qubits n of a block", ylabel="Error budget of a circuit at λ = 1")
    axes.set_title("Errors counted", fontsize=8, loc="left")
    if any(circuit.counted != "circuit" for circuit in circuits):
        axes.text(0.03, 0.97, "* at least, by parameter count", transform=axes.transAxes, va="top", fontsize=6.3)
