"""Of the operator Schmidt decomposition of the trained blocks."""

from __future__ import annotations

from cayley_adapters.report.captions.common import where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, interval, listing, share, significant

__all__ = ["entanglement_caption", "entanglement_findings"]


def entanglement_caption(evidence: Evidence) -> list[str]:
    """Of the operator Schmidt decomposition of the trained blocks."""
    settings = evidence.settings
    return [
        f"Operator Schmidt decomposition of the trained blocks of d = {listing(settings.sweep.block_dim)} on "
        f"{where_adapted(evidence)} (ansatz {settings.train.ansatz}, {count(settings.train.steps, 'step')}, "
        f"{'seed' if len(settings.sweep.seed) == 1 else 'seeds'} {listing(settings.sweep.seed)}): entropy and "
        "effective bond dimension.",
        *entanglement_findings(evidence),
    ]


def entanglement_findings(evidence: Evidence) -> list[str]:
    """Trained blocks against random ones of the same norm."""
    table = evidence.tables.get("entanglement_differences.csv")
    if table is None:
        return []
    rows = table[(table["measure"] == "entropy") & (table["bipartition"] == "all") & (table["projection"] == "all")]
    parts = [
        f"d = {row.block_dim} at ratio {row.compression_ratio:g}: {significant(row.trained)} bits, {share(row.ratio)} "
        f"({interval(row.ratio_ci95_low, row.ratio_ci95_high, share)}) times that of random blocks"
        for row in rows.itertuples()
    ]
    if not parts:
        return []
    seeds = count(int(rows["seeds"].max()), "seed")
    return [
        f"Entropy, mean over bipartitions, projections and blocks ({seeds}): {'; '.join(parts)}. Random blocks have "
        "the norm of the trained ones and a random direction; 95 % intervals by a bootstrap over layers."
    ]
