"""Captions that state the configuration really used; each takes the evidence and gives paragraphs of plain text."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cayley_adapters.report.page.evidence import Evidence
from cayley_adapters.report.page.findings import (
    budget_findings,
    collapse_findings,
    entanglement_findings,
    prediction_findings,
    question_findings,
)
from cayley_adapters.report.page.words import count, interval, listing, perplexity, share, significant, whole

__all__ = [
    "budget_caption",
    "device",
    "entanglement_caption",
    "phase_diagram_caption",
    "processor_caption",
    "questions_caption",
    "recovery_caption",
    "shots_text",
    "transition_caption",
    "where_adapted",
]

CONTROL_NAMES = {
    "lora": "LoRA",
    "oft": "OFT",
    "boft": "BOFT",
    "ia3": "a trained scale (IA3)",
    "cayley": "blocks",
}
READOUTS = {
    "signed": "signed (exact arithmetic)",
    "sign_constrained": "sign-constrained",
    "characterised": "characterised (maps measured once)",
    "ideal_sign": "ideal signs",
}


def where_adapted(evidence: Evidence) -> str:
    """``v_proj and o_proj of all layers``."""
    train = evidence.settings.train
    layers = "all layers" if train.layers is None else f"layer{'s' * (len(train.layers) > 1)} {listing(train.layers)}"
    return f"{listing(train.targets)} of {layers}"


def device(evidence: Evidence) -> str:
    """``FakeFez (layout median, without idle noise)``."""
    noise = evidence.settings.noise
    layout = noise.layout if isinstance(noise.layout, str) else str(evidence.settings.leaf("noise.layout"))
    return f"{noise.backend} (layout {layout}, {'with' if noise.idle else 'without'} idle noise)"


def shots_text(shots: int | float | str) -> str:
    """``8,192 shots`` or ``unlimited shots``."""
    return "unlimited shots" if str(shots) == "inf" else count(int(shots), "shot")


def phase_diagram_caption(evidence: Evidence) -> list[str]:
    """Of the interactive chart and its printed form."""
    settings, transition = evidence.settings, evidence.transition
    sweep, evaluate = settings.sweep, settings.evaluate
    noise = (
        f"; λ = 0 is ideal, λ = 1 {device(evidence)} as calibrated" if evidence.noisy else "; no noise was evaluated"
    )
    text = (
        f"Perplexity with blocks of d = {listing(sweep.block_dim)} on {where_adapted(evidence)}, at noise scale λ = "
        f"{listing(sweep.noise_scale)}{noise}. {settings.model.name}, compression {settings.compress.method} at ratio "
        f"{listing(sweep.compression_ratio)} on {listing(settings.compress.targets)}; ansatz {settings.train.ansatz}; "
        f"readout {READOUTS[transition['readout']]}, {shots_text(transition['shots'])}, mitigation "
        f"{evaluate.mitigation}, executor {transition['executor']}; "
        f"{'seed' if len(sweep.seed) == 1 else 'mean of seeds'} {listing(sweep.seed)}; {evidence.tokens:,} test tokens "
        f"of {count(evidence.documents, 'document')}."
    )
    marks = (
        "Numbers are perplexities, colours the recovered share of nll within ±1. Left of the black line (λ_c; "
        "the bar is "
        "its 95 % interval) blocks help: expressive, gain G above cost C. Right of it the compressed model is better "
        "without them: noise-dominated, C above G, marked by crosses (hatched in print)."
    )
    if (evidence.cells["executor"] == "qpu").any():
        marks += " A star is what a processor measured, on blocks and a text of its own: white where they helped there."
    use = (
        "On the screen, point at a cell or a mark to see its numbers; a click on a block in the legend picks out its "
        "lines."
    )
    return [text, marks, use]


def transition_caption(evidence: Evidence) -> list[str]:
    """Of gain, cost and critical noise."""
    transition = evidence.transition
    bootstrap, law = transition["bootstrap"], transition["scaling"]
    text = (
        "Gain G(n) = nll_compressed − nll(n, 0), cost C(n, λ) = nll(n, λ) − nll(n, 0) and critical noise λ_c "
        "for blocks "
        f"of d = {listing(evidence.settings.sweep.block_dim)} at ratio "
        f"{listing(evidence.settings.sweep.compression_ratio)}; readout {READOUTS[transition['readout']]}, "
        f"{shots_text(transition['shots'])}; {device(evidence)}. "
        + (
            f"Intervals: 95 %, {bootstrap['replicates']:,} paired bootstrap replicates over "
            f"{count(bootstrap['documents'], 'document')}."
            if bootstrap["documents"] > 1
            else "No intervals: one document cannot be resampled."
        )
    )
    fit = (
        f"λ_c = {significant(law['a'])} · g^−{significant(law['b'])} describes {law['points']} points over g two-qubit "
        f"gates a block ({law['note']})."
        if law["a"] is not None and law["b"] is not None
        else f"The law λ_c = a · g^−b over g two-qubit gates a block is {law['note']}."
    )
    return [text, *collapse_findings(evidence), *prediction_findings(evidence), fit]


def recovery_caption(evidence: Evidence) -> list[str]:
    """Of what blocks and controls recover without noise."""
    settings = evidence.settings
    train, controls = settings.train, settings.control.methods
    sized = [CONTROL_NAMES[name] for name in controls if name != "ia3"]
    beside = (
        " No classical controls were trained (control.methods is empty)."
        if not controls
        else " Controls, by PEFT on the same projections, text and steps: "
        f"{listing(CONTROL_NAMES[name] for name in controls)}"
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
        f"{count(evidence.documents, 'test document')}; they do not cover the spread over seeds "
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
            name = f"blocks{size}" if kind else CONTROL_NAMES[row["method"]]
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


def budget_caption(evidence: Evidence) -> list[str]:
    """Of the noise budget by type of gate, and of the circuits."""
    settings = evidence.settings
    paragraphs = []
    if any(name.startswith("noise_budget") for name in evidence.files):
        paragraphs.append(
            f"What each kind of error of {device(evidence)} costs in nats a token; readout "
            f"{READOUTS[evidence.transition['readout']]}, {shots_text(evidence.transition['shots'])}, mitigation "
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


def questions_caption(evidence: Evidence) -> list[str]:
    """Of the multiple-choice questions."""
    settings = evidence.settings
    return [
        f"Multiple-choice questions answered by {settings.model.name}: uncompressed, compressed by "
        f"{settings.compress.method}, and with adapters on {where_adapted(evidence)}.",
        *question_findings(evidence),
    ]


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


def processor_caption(evidence: Evidence) -> list[str]:
    """Of what a processor measured."""
    settings, arms = evidence.settings, evidence.tables["inference.csv"].set_index("arm")
    qpu, measured, row = settings.qpu, arms.loc["qpu"], evidence.cells[evidence.cells["executor"] == "qpu"].iloc[0]
    where = "the offline twin of the service" if qpu.service == "twin" else "IBM Quantum"
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
