"""Of what blocks and controls recover without noise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.report.captions.common import where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, interval, listing, perplexity, share, significant, whole

__all__ = ["recovery_caption"]


def recovery_caption(evidence: Evidence) -> list[str]:
    """Of what blocks and controls recover without noise."""
    settings = evidence.settings
    train, controls = settings.train, settings.control.methods
    sized = [CONTROLS[name].title for name in controls if CONTROLS[name].sized]
    beside = (
        " No classical controls were trained (control.methods is empty)."
        if not controls
        else " Controls, by PEFT on the same projections, text and steps: "
        f"{listing(CONTROLS[name].title for name in controls)}"
        + (
            f"; {listing(sized)} with about as many parameters as d = {listing(settings.control.block_dims)}."
            if sized
            else "."
        )
    )
    text = (
        f"Share of the perplexity lost to compression that adapters on {where_adapted(evidence)} recover without noise "
        f"(λ = 0), after {count(train.steps, 'step')} of {count(train.batch_windows * settings.data.window, 'token')}; "
        f"blocks of d = {listing(settings.sweep.block_dim)}.{beside} Intervals: 95 %, paired bootstrap over "
        f"{evidence.resampled}; they do not cover the spread over seeds "
        f"({listing(settings.sweep.seed)} here)."
    )
    table = evidence.tables.get("recovery.csv")
    return [text] if table is None else [text, *_best(table), *_reversals(evidence)]


def _best(table: pd.DataFrame) -> list[str]:
    """The best blocks and the best control of each ratio."""
    parts = []
    for ratio, group in table[table["readout"] == "signed"].groupby("compression_ratio"):
        best = {}
        for kind, of_kind in group.groupby(group["method"] == "cayley"):
            row = of_kind.loc[of_kind["nll"].idxmin()]
            size = "" if np.isnan(row["block_dim"]) else f" of d = {row['block_dim']:.0f}"
            name = f"blocks{size}" if kind else CONTROLS[row["method"]].title
            recovered = "" if np.isnan(row["recovery"]) else f", recovery {share(row['recovery'])}"
            best[kind] = (
                f"{name} (perplexity {perplexity(row['perplexity'])}{recovered}, "
                f"{whole(row['adapter_parameters'])} parameters)"
            )
        beside = f", of the controls {best[False]}" if False in best else ""
        parts.append(f"At ratio {ratio:g}, in exact arithmetic, the best blocks are {best[True]}{beside}.")
    return [" ".join(parts)] if parts else []


def _reversals(evidence: Evidence) -> list[str]:
    """Whether larger blocks were ever worse."""
    table = evidence.tables.get("recovery_differences.csv")
    if table is None or not len(neighbours := table[table["other_method"] == "cayley"]):
        return []
    worse = neighbours[neighbours["reversal"].astype(str).str.lower() == "true"]
    if worse.empty:
        return [f"No reversal: in all {len(neighbours)} comparisons larger blocks have the lower nll."]
    named = [
        f"d = {row.block_dim:.0f} against {row.other_block_dim:.0f} at ratio {row.compression_ratio:g}, {row.readout} "
        f"({significant(row.nll_difference)} nats, 95 % {interval(row.ci95_low, row.ci95_high)})"
        for row in worse.itertuples()
    ]
    return [f"Reversals, where larger blocks have the higher nll: {listing(named)}."]
