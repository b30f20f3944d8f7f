"""Of the noise budget by type of gate, and of the circuits."""

from __future__ import annotations

from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.report.captions.common import device, where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, listing, shots_text, significant

__all__ = ["budget_caption", "budget_findings"]


def budget_caption(evidence: Evidence) -> list[str]:
    """Of the noise budget by type of gate, and of the circuits."""
    settings = evidence.settings
    paragraphs = []
    if any(name.startswith("noise_budget") for name in evidence.files):
        paragraphs.append(
            f"What each kind of error of {device(evidence)} costs in nats a token; readout "
            f"{READOUTS[evidence.transition['readout']].title}, {shots_text(evidence.transition['shots'])}, mitigation "
            f"{settings.evaluate.mitigation}; blocks of d = {listing(settings.sweep.block_dim)} on "
            f"{where_adapted(evidence)}; {evidence.tokens:,} test tokens."
        )
        paragraphs += budget_findings(evidence)
    if "circuits.csv" in evidence.tables:
        beside = (
            f", beside Qiskit's own synthesis (optimisation level 3, the same line of qubits) of "
            f"{count(settings.transpile.compared_blocks, 'block')} of each cell"
            if settings.transpile.compared_blocks
            else ""
        )
        paragraphs.append(
            f"Circuits of all trained blocks ({settings.transpile.synthesis} synthesis, preparation included){beside}. "
            f"Gate fidelity is the product of 1 − error over the gates, on {settings.noise.backend} at λ = 1."
        )
    return paragraphs


def budget_findings(evidence: Evidence) -> list[str]:
    """Which source of errors costs most, for each number of qubits."""
    table = evidence.tables.get("noise_budget.csv")
    if table is None or not table["cost"].notna().any():
        return []
    parts = []
    for (ratio, n), rows in table.dropna(subset="cost").groupby(["compression_ratio", "qubits"]):
        cost = rows.groupby("source")["cost"].mean()
        alone = cost.drop("all").sort_values(ascending=False)
        sources = [f"{SOURCES[name].sentence} {significant(value, 2)}" for name, value in alone.items()]
        parts.append(f"n = {n} at ratio {ratio:g}: {listing(sources)}, together {significant(cost['all'], 2)}")
    return [f"Cost at λ = 1 of each source alone, nats a token: {'; '.join(parts)}."]
