"""Of the multiple-choice questions: how many each model answers, and which differences are more than luck."""

from __future__ import annotations

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.report.captions.common import where_adapted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.names import model_title
from cayley_adapters.report.words import count, listing, significant

__all__ = ["question_findings", "questions_caption"]


def questions_caption(evidence: Evidence) -> list[str]:
    """Of the multiple-choice questions."""
    settings = evidence.settings
    return [
        f"Multiple-choice questions answered by {model_title(settings.model.name)}: uncompressed, compressed by "
        f"{settings.compress.method}, and with adapters on {where_adapted(evidence)}.",
        *question_findings(evidence),
    ]


def question_findings(evidence: Evidence) -> list[str]:
    """How many questions each model answers, and which differences are more than luck."""
    table, pairs = (evidence.tables.get(f"{name}.csv") for name in ("questions", "question_comparisons"))
    if table is None or pairs is None or not len(table):
        return []
    one = table.iloc[0]
    rights = [
        f"{_arm(row.arm)} {100 * row.accuracy:.1f} % "
        f"({100 * row.accuracy_ci95_low:.1f} to {100 * row.accuracy_ci95_high:.1f})"
        for row in table.itertuples()
    ]
    text = (
        f"Right answers to {count(int(one['questions']), 'question')} of {one['question_set']} (version "
        f"{one['question_set_version']}, format {one['format']}; chance {100 * one['chance']:.0f} %), 95 % Wilson "
        f"intervals: {listing(rights)}."
    )
    flips = [
        f"{_arm(row.first)} → {_arm(row.second)}: {row.only_first} lost, {row.only_second} won (p = "
        f"{significant(row.mcnemar_p_holm, 2)})"
        for row in pairs[pairs["first"] != "uncompressed"].itertuples()
    ]
    tested = (
        f"Exact McNemar tests, p adjusted for {int(pairs['comparisons'].iloc[0])} comparisons (Holm): "
        f"{'; '.join(flips)}. They cover questions, not training seeds."
    )
    return [text, tested] if flips else [text]


def _arm(name: str) -> str:
    """``blocks_noise1`` as ``blocks at λ = 1``."""
    if name.startswith("blocks_noise"):
        return f"blocks at λ = {name.removeprefix('blocks_noise')}"
    if name in CONTROLS:
        return CONTROLS[name].title
    return {"blocks_exact": "exact blocks"}.get(name, name)
