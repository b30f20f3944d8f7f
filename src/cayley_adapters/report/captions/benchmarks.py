"""Of benchmarks: which models, which tasks, and which differences are more than luck."""

from __future__ import annotations

from cayley_adapters.report.captions.common import where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.names import model_title
from cayley_adapters.report.words import interval, listing, shots_text, significant

__all__ = ["benchmark_findings", "benchmarks_caption"]

ALPHA, MOST = 0.05, 12
"""The level of the tests, and how many differences are told in words."""


def benchmarks_caption(evidence: Evidence) -> list[str]:
    """Of benchmarks."""
    settings = evidence.settings
    asked, limit = settings.benchmarks, settings.benchmarks.limit
    shots = listing([shots_text(count) for count in asked.shots])
    noisy = (
        f"; under noise with {shots} a circuit and the readout {listing(asked.readout)}" if asked.noise_scale else ""
    )
    whole = "all their documents" if limit is None else f"the first {limit:,} documents of each"
    return [
        f"{model_title(settings.model.name)} on {listing(asked.tasks)}, {whole}: tasks, prompts, metrics and scores "
        f"are those of lm-evaluation-harness. Adapters are on {where_adapted(evidence)}{noisy}. Shots are drawn for "
        "each request anew, so that no score depends on what else is asked.",
        *benchmark_findings(evidence),
    ]


def benchmark_findings(evidence: Evidence) -> list[str]:
    """How many comparisons there are, and which differ by more than luck would have it."""
    pairs = evidence.tables.get("benchmark_comparisons.csv")
    if pairs is None or not len(pairs):
        return []
    apart = pairs[pairs["p_holm"] < ALPHA]
    told = [
        f"{row.task}, {row.first} → {row.second}: {significant(row.difference)} "
        f"({interval(row.difference_ci95_low, row.difference_ci95_high)}; p = {significant(row.p_holm, 2)})"
        for row in apart.head(MOST).itertuples()
    ]
    told += [f"{len(apart) - MOST:,} more in the table below"] if len(apart) > MOST else []
    found = "; ".join(told) if told else "none"
    return [
        "Each model is compared with what it was made of, and exact blocks with noisy ones and LoRA, on the same "
        f"documents: exact McNemar tests of right answers, a bootstrap over documents of all else, p adjusted for "
        f"{len(pairs):,} comparisons (Holm). Told apart at {ALPHA:g} are: {found}. Differences are of the mean score, "
        "the second model's less the first's. They cover documents, not training seeds."
    ]
