"""The picture of what adapters recover without noise, against the number of their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.report.names import model_title
from cayley_adapters.report.plots.files import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["recovery_figure"]

# Marker, line and grey tell the methods apart without colour (colours: Okabe and Ito, Color Universal Design, 2008).
_LOOKS = {("cayley", name): readout.look for name, readout in READOUTS.items()} | {
    (name, "signed"): control.look for name, control in CONTROLS.items()
}


def recovery_figure(table: pd.DataFrame, references: pd.DataFrame, model: str) -> Figure:
    """Recovered share of the perplexity lost to compression, over trainable parameters, a panel a compression ratio.

    Args:
        table: :data:`cayley_adapters.analysis.recovery.RECOVERY_COLUMNS`.
        references: ``compression_ratio, compressed, uncompressed`` perplexities.
        model: its name, for the heading.
    """
    ratios = [ratio for ratio in sorted(table["compression_ratio"].unique()) if ratio > 0]
    with canvas(0.9 + 3.1 * max(len(ratios), 1.5), 3.6) as figure:
        panels = np.atleast_1d(figure.subplots(1, max(len(ratios), 1), sharey=True, squeeze=True))
        for axes, ratio in zip(panels, ratios, strict=False):
            known = references[references["compression_ratio"] == ratio].iloc[0]
            _panel(axes, table[table["compression_ratio"] == ratio], known)
        panels[0].set_ylabel("Recovered share of the lost perplexity")
        figure.suptitle(
            f"{model_title(model)}: what adapters recover without noise", x=0.01, ha="left", fontweight="bold"
        )
        handles = {
            label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        note = (
            "Bars: 95 % paired bootstrap over test documents." if ratios else "Nothing was compressed, nor recovered."
        )
        figure.text(0.02, 0.015, note, fontsize=6.3, color="0.25")
        if handles:
            spot: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.01, 0.04)}
            figure.legend(list(handles.values()), list(handles), ncols=3, frameon=False, fontsize=6.8, **spot)
        figure.tight_layout(rect=(0, 0.07 + 0.042 * -(-len(handles) // 3), 1, 1))
    return figure


def _panel(axes: Axes, table: pd.DataFrame, known: pd.Series) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    span, compressed = known["compressed"] - known["uncompressed"], known["compressed"]
    for (method, readout), look in _LOOKS.items():
        of_method = table[(table["method"] == method) & (table["readout"] == readout)].sort_values("adapter_parameters")
        if of_method.empty:
            continue
        y = of_method["recovery"].to_numpy()
        # A percentile interval need not hold the estimate.
        error = np.maximum(np.stack([y - of_method["recovery_ci95_low"], of_method["recovery_ci95_high"] - y]), 0)
        axes.errorbar(
            of_method["adapter_parameters"],
            y,
            yerr=error,
            fmt=look.stroke,
            color=look.ink,
            fillstyle=look.filling,
            markersize=5,
            linewidth=1.2,
            elinewidth=0.7,
            capsize=2,
            label=look.in_legend,
        )
    lowest = table[table["method"] == "cayley"].groupby("block_dim")[["adapter_parameters", "recovery_ci95_low"]].min()
    lowest = lowest.fillna(table["recovery"].min())  # one document has no intervals
    for d, spot in lowest.iterrows():
        axes.annotate(
            f"d = {d:.0f}", tuple(spot), (0, -3), textcoords="offset points", ha="center", va="top", fontsize=6.5
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.12, y=0.15)
    for level, name in ((0, "compressed"), (1, "uncompressed")):
        axes.axhline(level, color="0.35", linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate(
            f"{name}: ppl {known[name]:.1f}",
            (0.99, level),
            (0, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=6.3,
            color="0.25",
        )
    axes.set_title(f"Compression ratio {known['compression_ratio']:g}", fontsize=8, loc="left")
    axes.set_xlabel("Free parameters of the adapters")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    right = axes.secondary_yaxis(
        "right", functions=(lambda share: compressed - share * span, lambda ppl: (compressed - ppl) / span)
    )
    right.set_ylabel("Perplexity")
