"""Of what a processor measured."""

from __future__ import annotations

import pandas as pd

from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, listing, shots_text, significant, whole

__all__ = ["processor_caption"]

_WHERE = {
    "twin": "the offline twin of the service",
    "ibm": "IBM Quantum",
    "local": "Qiskit's local mode",
}


def processor_caption(evidence: Evidence) -> list[str]:
    """Of what a processor measured."""
    settings, arms = evidence.settings, evidence.tables["inference.csv"].set_index("arm")
    qpu, measured, row = settings.qpu, arms.loc["qpu"], evidence.cells[evidence.cells["executor"] == "qpu"].iloc[0]
    where = _WHERE[qpu.service]
    lines = str(row["layout"]).count(";") + 1
    how = (
        "every slice of the text is a circuit"
        if qpu.mode == "per_token"
        else "each block is measured once, and the maps found serve every token"
    )
    layers = "all layers" if pd.isna(row["layers"]) else f"layer {listing(str(row['layers']).split())}"

    def exactly(arm: str) -> str:  # such perplexities may differ in their fourth digit
        return significant(arms.perplexity[arm], 4)

    return [
        f"Blocks of d = {whole(row['block_dim'])} on {listing(row['targets'].split())} of {layers} at compression "
        f"ratio {row['compression_ratio']:g}, run on {qpu.backend} through {where}, {count(lines, 'line')} of qubits "
        f"at once (spacing {qpu.spacing}, quality {qpu.quality:g}), {shots_text(measured['shots'])} a circuit, "
        f"mitigation {qpu.mitigation}; mode {qpu.mode}: {how}. {count(int(measured['tokens']), 'scored token')}.",
        f"Perplexity {exactly('qpu')} as measured, {exactly('simulated')} as "
        "the simulator predicts it on the same qubits and with as many shots, "
        f"{exactly('exact')} in exact arithmetic, "
        f"{exactly('without_blocks')} without blocks and "
        f"{exactly('uncompressed')} uncompressed. Counts against the simulator's probabilities: "
        f"χ² = {significant(measured['chi_square'], 5)} for {whole(measured['degrees'])} degrees of freedom, "
        f"p = {significant(measured['p_value'], 2)}.",
    ]
