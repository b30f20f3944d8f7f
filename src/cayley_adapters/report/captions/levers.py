"""What the report says of the levers."""

from __future__ import annotations

import json
from typing import Any

from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import count, interval, listing, perplexity, significant
from cayley_adapters.settings.levers import LEVERS

__all__ = ["levers_caption"]

SERVED = {"per_token": "with circuits for every token", "characterised": "with blocks that the device measures once"}


def levers_caption(evidence: Evidence) -> list[str]:
    """How levers are compared, and what of the goal is reached; paragraphs of plain text."""
    table, sweep = evidence.tables["levers.csv"], evidence.settings.sweep
    names = [name for name in table.loc[table["kind"] != "control", "lever"].unique() if name != "plain"]
    text = (
        f"Critical noise λ_c of blocks of d = {listing(sweep.block_dim)} at ratio {listing(sweep.compression_ratio)}, "
        f"as the map has it and with each of {count(len(names), 'lever')}; "
        f"{'seed' if len(sweep.seed) == 1 else 'mean of seeds'} {listing(sweep.seed)}, "
        f"{evidence.resampled}, intervals 95 %. Beside each stands the identity block, which "
        "has learnt nothing, in the same circuits on the same device (identity), and the same blocks without any "
        "circuit (perplexity_exact); models without blocks are the last rows."
    )
    return [text, *map(_goal, json.loads(evidence.files["levers.json"])["goals"])]


def _goal(goal: dict[str, Any]) -> str:
    d, scale, rival = goal["block_dim"], goal["noise_scale"], goal["two_qubits"]
    verdict = "reached" if goal["reached"] else "not reached"
    if goal["reached"] and not goal["certain"]:
        verdict = "reached, but not for certain"
    text = (
        f"Blocks of d = {d} at λ = {scale:g} {SERVED[goal['serving']]}: {verdict}. The best, "
        f"{LEVERS[goal['lever']].title}, has perplexity {perplexity(goal['perplexity'])} there and λ_c = "
        f"{significant(goal['lambda_c'])} ({interval(*goal['ci95'])})"
    )
    if rival:
        text += f"; the best of two qubits, {LEVERS[rival['lever']].title}, {perplexity(rival['perplexity'])}"
    if goal["reached"]:
        return f"{text}."
    needed, today = goal["two_qubit_error_needed"], significant(goal["two_qubit_error"], 2)
    if needed is None:
        return f"{text}. No device with smaller errors would reach it: two qubits are better on that as well."
    return (
        f"{text}. A device of smaller errors would reach it, two-qubit gates with {significant(needed, 2)} instead of "
        f"{today} and all others alike."
    )
