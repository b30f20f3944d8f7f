"""The three sentences that a report begins with."""

from __future__ import annotations

from typing import Any

import numpy as np

from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.names import model_title
from cayley_adapters.report.page.headline import at_the_device, verdicts
from cayley_adapters.report.words import count, interval, perplexity

__all__ = ["summary"]


def summary(evidence: Evidence) -> list[str]:
    """What was lost and what blocks bring back, whether they help on the device, and how much noise they bear.

    The first and the last are of the largest compression ratio of the map; all numbers stand in the headline.
    """
    table = verdicts(evidence)
    ratio = float(table["compression_ratio"].max())
    rows = table[table["compression_ratio"] == ratio]
    best = rows.loc[rows["perplexity_ideal"].astype(float).idxmin()]
    model = model_title(str(evidence.cells["model"].iloc[0]))
    text = f"{model} has perplexity {perplexity(evidence.perplexity('uncompressed'))}"
    if evidence.settings.compress.method != "none":
        text += f", {perplexity(evidence.perplexity('compressed', ratio))} once compressed (ratio {ratio:g})"
    blocks = f"blocks of {count(best['qubits'], 'qubit')}"
    text += f", and {perplexity(best['perplexity_ideal'])} with {blocks} in it, without noise."
    if not evidence.noisy:
        return [text, "No noise was evaluated: where it drowns this gain is not known."]
    ends = [_end(row) for row in rows.iloc[np.unique([0, len(rows) - 1])].itertuples()]
    return [text, at_the_device(evidence, table), f"At ratio {ratio:g} the help ends {', and '.join(ends)}."]


def _end(row: Any) -> str:
    """``at λ = 1.28 (95 % interval 1.17 to 1.43) with 3 qubits``."""
    low, high, critical = row.lambda_c_ci95_low, row.lambda_c_ci95_high, str(row.lambda_c)
    qubits = count(row.qubits, "qubit")
    if critical.startswith(">"):
        return f"beyond λ = {critical.strip('> ')}, the strongest noise measured, with {qubits}"
    if critical.startswith("<"):
        return f"below λ = {critical.strip('< ')}, the weakest noise measured, with {qubits}"
    ends = interval(low, high)
    return f"at λ = {critical}{'' if ends == '–' else f' (95 % interval {ends})'} with {qubits}"
