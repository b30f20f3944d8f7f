"""Of gain, cost and critical noise: what collapses, and what other blocks' costs predict."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.report.captions.common import device
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.words import interval, listing, shots_text, significant

__all__ = ["collapse_findings", "prediction_findings", "transition_caption"]

_X = {
    "noise_scale": "λ alone",
    "noise_scale * two_qubit_gates": "λ × two-qubit gates",
    "noise_scale * depth": "λ × depth",
    "noise_scale * error_budget": "λ × error budget",
}


def transition_caption(evidence: Evidence) -> list[str]:
    """Of gain, cost and critical noise."""
    transition = evidence.transition
    bootstrap, law = transition["bootstrap"], transition["scaling"]
    text = (
        "Gain G(n) = nll_compressed − nll(n, 0), cost C(n, λ) = nll(n, λ) − nll(n, 0) and critical noise λ_c "
        "for blocks "
        f"of d = {listing(evidence.settings.sweep.block_dim)} at ratio "
        f"{listing(evidence.settings.sweep.compression_ratio)}; readout {READOUTS[transition['readout']].title}, "
        f"{shots_text(transition['shots'])}; {device(evidence)}. "
        + (
            f"Intervals: 95 %, {bootstrap['replicates']:,} paired bootstrap replicates over {bootstrap['resampled']}."
            if bootstrap["documents"] > 1
            else "No intervals: one window of one document cannot be resampled."
        )
    )
    fit = (
        f"λ_c = {significant(law['a'])} · g^−{significant(law['b'])} describes {law['points']} points over g two-qubit "
        f"gates a block ({law['note']})."
        if law["a"] is not None and law["b"] is not None
        else f"The law λ_c = a · g^−b over g two-qubit gates a block is {law['note']}."
    )
    return [text, *collapse_findings(evidence), *prediction_findings(evidence), fit]


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


def _of_two_digits(low: float | None, high: float | None) -> str:
    return interval(low, high, lambda end: significant(end, 2))


def _with_readout(error: float | None) -> str:
    """What gates would need while readout stays as it is; nothing where that was not measured."""
    if error is None or np.isnan(error):
        return ""
    if error == 0:
        return ", none with readout as it is, which alone costs more than the gain"
    return f", {significant(error, 2)} with readout as it is"
