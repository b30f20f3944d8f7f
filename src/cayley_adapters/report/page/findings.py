"""What the tables of a run say, as sentences under the captions of their sections."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cayley_adapters.report.page.evidence import Evidence
from cayley_adapters.report.page.words import count, interval, listing, share, significant

__all__ = ["budget_findings", "collapse_findings", "entanglement_findings", "prediction_findings", "question_findings"]

_X = {
    "noise_scale": "λ alone",
    "noise_scale * two_qubit_gates": "λ × two-qubit gates",
    "noise_scale * depth": "λ × depth",
    "noise_scale * error_budget": "λ × error budget",
}
_SOURCES = {"cz": "two-qubit gates", "sx": "one-qubit gates", "readout": "readout"}


def collapse_findings(evidence: Evidence) -> list[str]:
    """Whether the costs of all blocks lie on one curve, over what."""
    entries = evidence.transition["scaling"]["collapse"]
    if not entries:
        return [
            "Costs of two or more block dimensions, known well enough, would be needed to compare them over circuits."
        ]
    parts = []
    for entry in entries:
        alone = "" if entry["sampling_factor"] is None else f", {entry['sampling_factor']:.2f} from sampling alone"
        entangling = entry["residual_factor_with_two_qubit_gates"]
        only = "" if entangling is None else f"; {entangling:.2f} of blocks with two-qubit gates"
        dims = f"d = {listing(entry['block_dims'])}"
        parts.append(f"over {_X[entry['x']]} within a factor of {entry['residual_factor']:.2f} ({dims}{alone}{only})")
    holding = [_X[entry["x"]] for entry in entries if entry["holds"]]
    unknown = [_X[entry["x"]] for entry in entries if entry["holds"] is None]
    verdict = f"They collapse over {listing(holding)}." if holding else "They collapse over none of these."
    if unknown:
        verdict += f" Over {listing(unknown)} blocks share too little of the axis to say."
    return [
        f"Costs lie on one curve {'; '.join(parts)}. {verdict} The error budget of a block is the sum of "
        "−ln(1 − error) over its circuit's gates, and of its qubits' mean readout flips, at λ = 1."
    ]


def _of_two_digits(low: float | None, high: float | None) -> str:
    return interval(low, high, lambda end: significant(end, 2))


def prediction_findings(evidence: Evidence) -> list[str]:
    """What other blocks' costs predict, beside what was measured, and the gate errors at which blocks would pay."""
    scaling, paragraphs = evidence.transition["scaling"], []
    table = pd.DataFrame(scaling["predictions"])
    for ratio, rows in table.groupby("compression_ratio") if len(table) else ():
        measured = [
            f"n = {row.qubits}: {significant(row.lambda_c)} ({interval(*row.ci95)}), measured "
            f"{significant(row.lambda_c_measured)}"
            for row in rows[rows["lambda_c_measured"].notna()].itertuples()
        ]
        needed = [
            f"{significant(row.two_qubit_error_needed, 2)} "
            f"({_of_two_digits(*row.two_qubit_error_needed_ci95)}) for n = {row.qubits}"
            + _with_readout(row.two_qubit_error_needed_readout_as_is)
            for row in rows[(rows["qubits"] > 2) & rows["two_qubit_error_needed"].notna()].itertuples()
        ]
        text = f"Ratio {ratio:g}."
        if measured:
            text += f" λ_c as the costs of the other blocks predict it: {listing(measured)}."
        if needed:
            today = rows["two_qubit_error"].dropna().mean()
            text += (
                f" For blocks to pay at λ = 1, with all errors shrinking alike, the device's two-qubit error of "
                f"{significant(today, 2)} would have to be {listing(needed)}."
            )
        paragraphs.append(text)
    if paragraphs:
        scatter = scaling["prediction_scatter_factor"]
        missed = "" if scatter is None else f" Predictions miss what was measured by a factor of {scatter:.2f}, which "
        paragraphs.append(
            f"{missed}{'is part of their intervals. ' if missed else ''}Blocks that were not trained are taken to gain "
            "what the largest trained ones do; those of more than five qubits to have no more gates than their "
            "parameters need.".strip()
        )
    return [paragraph.strip() for paragraph in paragraphs]


def _with_readout(error: float | None) -> str:
    """What gates would need while readout stays as it is; nothing where that was not measured."""
    if error is None or np.isnan(error):
        return ""
    if error == 0:
        return ", none with readout as it is, which alone costs more than the gain"
    return f", {significant(error, 2)} with readout as it is"


def budget_findings(evidence: Evidence) -> list[str]:
    """Which source of errors costs most, for each number of qubits."""
    table = evidence.tables.get("noise_budget.csv")
    if table is None or not table["cost"].notna().any():
        return []
    parts = []
    for (ratio, n), rows in table.dropna(subset="cost").groupby(["compression_ratio", "qubits"]):
        cost = rows.groupby("source")["cost"].mean()
        alone = cost.drop("all").sort_values(ascending=False)
        sources = [f"{_SOURCES[name]} {significant(value, 2)}" for name, value in alone.items()]
        parts.append(f"n = {n} at ratio {ratio:g}: {listing(sources)}, together {significant(cost['all'], 2)}")
    return [f"Cost at λ = 1 of each source alone, nats a token: {'; '.join(parts)}."]


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
    return {"blocks_exact": "exact blocks", "lora": "LoRA"}.get(name, name)


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
