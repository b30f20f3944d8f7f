"""What the map says in a paragraph, and what it does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.report.captions.common import drifted
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.names import model_title
from cayley_adapters.report.words import count, interval, listing, perplexity, shots_text, significant, whole
from cayley_adapters.simulation.mitigations import MITIGATIONS

__all__ = ["VERDICTS", "at_the_device", "headline", "limits", "verdict", "verdicts"]

VERDICTS = ("helps", "harms", "undecided", "not measured")


def verdict(block: Mapping[str, Any], axis: Sequence[float]) -> str:
    """Say whether a block helps on the device as calibrated, that is whether λ_c > 1.

    Args:
        block: an entry of ``transition.json``'s ``blocks``.
        axis: the increasing noise scales of its cells, the first 0.

    Returns:
        One of :data:`VERDICTS`: ``undecided`` where the 95 % interval holds 1, ``not measured`` where the axis does not
        tell on which side of 1 λ_c lies.
    """
    critical, (low, high), censored = block["lambda_c"], block["ci95"], block["censored"]
    first, end = axis[min(1, len(axis) - 1)], axis[-1]
    if end == 0 or (censored == "above" and end < 1) or (censored == "below" and critical > 1):
        return "not measured"
    helps = critical > 1 or (censored == "above" and critical == 1)
    if low is None:
        return "helps" if helps else "harms"
    if helps:  # an interval that begins where the axis ends lies beyond it
        return "helps" if low > 1 or low == 1 == end else "undecided"
    # One that ends where the positive scales begin lies below them.
    return "harms" if high is not None and (high < 1 or high == 1 == first) else "undecided"


def drawn_ratios(evidence: Evidence) -> list[Mapping[str, Any]]:
    """The entries of ``transition.json`` of the map's own ratios."""
    drawn = set(evidence.map["compression_ratio"])
    return [part for part in evidence.transition["ratios"] if part["compression_ratio"] in drawn]


def verdicts(evidence: Evidence) -> pd.DataFrame:
    """One row a compression ratio and block dimension: perplexities, λ_c and what it means at λ = 1.

    Returns:
        ``compression_ratio, block_dim, qubits, two_qubit_gates, perplexity_compressed, perplexity_ideal,
        perplexity_device, lambda_c, lambda_c_ci95_low, lambda_c_ci95_high, at_device``; the perplexity with the
        device's noise is empty where λ = 1 is no cell.
    """
    table = evidence.map.set_index(["compression_ratio", "block_dim", "noise_scale"])["perplexity"]
    axis = sorted(float(scale) for scale in evidence.map["noise_scale"].unique())
    rows = []
    for part in drawn_ratios(evidence):
        ratio = part["compression_ratio"]
        for block in part["blocks"]:
            dim = block["block_dim"]
            rows.append(
                {
                    "compression_ratio": ratio,
                    "block_dim": dim,
                    "qubits": qubits_that_hold(dim),
                    "two_qubit_gates": block["two_qubit_gates"],
                    "perplexity_compressed": float(np.exp(part["nll_compressed"])),
                    "perplexity_ideal": table.get((ratio, dim, 0.0)),
                    "perplexity_device": table.get((ratio, dim, 1.0), np.nan),
                    "lambda_c": critical_noise(block, axis[-1]),
                    "lambda_c_ci95_low": block["ci95"][0],
                    "lambda_c_ci95_high": block["ci95"][1],
                    "at_device": verdict(block, axis),
                }
            )
    return pd.DataFrame(rows)


def critical_noise(block: Mapping[str, Any], end: float) -> str:
    """λ_c as written: ``1.15``, ``> 10`` and ``< 0.1`` where the axis ends before, ``0`` where nothing is gained."""
    if end == 0:
        return "–"
    sign = {"above": "> ", "below": "< ", None: ""}[block["censored"]]
    return sign + significant(block["lambda_c"])


def headline(evidence: Evidence) -> str:
    """One paragraph computed from the tables."""
    table, one = verdicts(evidence), evidence.cells.iloc[0]
    model = model_title(str(one["model"]))
    ratios = [part["compression_ratio"] for part in drawn_ratios(evidence)]
    lost = listing(f"{perplexity(evidence.perplexity('compressed', ratio))} at ratio {ratio:g}" for ratio in ratios)
    text = [
        f"{model} has perplexity {perplexity(evidence.perplexity('uncompressed'))} uncompressed; compressed by "
        f"{one['compression']} it has {lost}."
        if evidence.settings.compress.method != "none"
        else f"{model} has perplexity {perplexity(evidence.perplexity('uncompressed'))}; nothing was compressed."
    ]
    text += [at_the_device(evidence, table), _critical(table)] if evidence.noisy else [_without_noise(table)]
    return " ".join([*text, *_repaired(evidence), *_controls(evidence)])


def at_the_device(evidence: Evidence, table: pd.DataFrame) -> str:
    """Whether blocks help on the device as calibrated, in one sentence; ``table`` is that of :func:`verdicts`."""
    noise = evidence.settings.noise
    # Most often all ratios say the same of a block: then it is said once.
    said: dict[str, list[str]] = {name: [] for name in VERDICTS}
    for qubits, group in table.groupby("qubits"):
        for name in VERDICTS:
            here = group[group["at_device"] == name]["compression_ratio"]
            if len(here):
                where = "" if len(here) == len(group) else f" (ratio {listing(here)})"
                said[name].append(f"n = {qubits}{where}")
    words = {
        "helps": "blocks of {} qubits help",
        "harms": "blocks of {} qubits do harm",
        "undecided": "the interval does not decide for {}",
        "not measured": "the noise axis does not tell for {}",
    }
    parts = [words[name].format(listing(blocks)) for name, blocks in said.items() if blocks]
    how = f"{READOUTS[evidence.transition['readout']].title} readout, {shots_text(evidence.transition['shots'])}"
    return f"Under the noise of {noise.backend} as calibrated (λ = 1; {how}), {'; '.join(parts)}."


def _critical(table: pd.DataFrame) -> str:
    parts = []
    for ratio, group in table.groupby("compression_ratio"):
        values = [
            f"{row.lambda_c} ({interval(row.lambda_c_ci95_low, row.lambda_c_ci95_high)}) for n = {row.qubits}"
            for row in group.itertuples()
        ]
        parts.append(f"{listing(values)} at ratio {ratio:g}")
    return f"The critical noise λ_c, at which the help is used up, is (95 % interval) {'; '.join(parts)}."


def _without_noise(table: pd.DataFrame) -> str:
    parts = []
    for ratio, group in table.groupby("compression_ratio"):
        values = [f"{perplexity(row.perplexity_ideal)} for d = {row.block_dim}" for row in group.itertuples()]
        parts.append(f"{listing(values)} at ratio {ratio:g}")
    return f"With blocks, and without noise, it is {'; '.join(parts)}. No noise was evaluated, so there is no λ_c."


def _repaired(evidence: Evidence) -> list[str]:
    """What of the gain is repair."""
    parts = []
    for part in evidence.transition["ratios"]:
        for block in part["blocks"]:
            if block["repair"] is not None and part["compression_ratio"] > 0:
                low, high = (None if end is None else 100 * end for end in block["repair_ci95"])
                n = qubits_that_hold(block["block_dim"])
                parts.append(
                    f"{100 * block['repair']:.0f} % ({interval(low, high)}) for n = {n} at ratio "
                    f"{part['compression_ratio']:g}"
                )
    if not parts:
        return []
    return [
        "The same blocks gain on the uncompressed model as well, which is adaptation to the text; what they repair of "
        f"the damage beyond it is, without noise, {listing(parts)}."
    ]


def _controls(evidence: Evidence) -> list[str]:
    """What the best classical adapter reaches, where there are any."""
    trained = evidence.baselines[~evidence.baselines["method"].isin(["uncompressed", "compressed"])]
    parts = []
    drawn = set(evidence.map["compression_ratio"])
    for ratio, group in trained[trained["compression_ratio"].isin(drawn)].groupby("compression_ratio"):
        nll = group.groupby(["method", "adapter_parameters"])["nll"].mean()  # over seeds
        (method, size), best = nll.idxmin(), nll.min()
        name = CONTROLS[method].title
        parts.append(f"{name} with {perplexity(np.exp(best))} ({whole(size)} parameters) at ratio {ratio:g}")
    if not parts:
        return []
    return [f"The best classical adapter on the same projections, which needs no device, is {listing(parts)}."]


def limits(evidence: Evidence) -> str:
    """What the numbers do not show, for this configuration."""
    settings, seeds = evidence.settings, evidence.settings.sweep.seed
    text = [
        "Nothing here is a quantum advantage: every gain at λ = 0 is that of a classical computation, with the same "
        "parameters and no shots."
    ]
    if evidence.noisy:
        noise = settings.noise
        figures = "medians" if noise.medians else "calibration"
        left = "" if noise.idle else ", nor is the relaxation of waiting qubits"
        left = ", nor is relaxation" if noise.medians else left
        drifts = bool(noise.drift or noise.drift_shared)
        text.append(
            f"The device is simulated from the {figures} of {noise.backend}: "
            f"crosstalk{' and' if drifts else ', drift and'} leakage are not in the model{left}."
        )
        mitigation = MITIGATIONS[settings.evaluate.mitigation]
        if mitigation.undoes and not mitigation.measures and not drifted(noise):
            text.append("Mitigation uses the very calibration that the noise is made from; a real device's drifts.")
    spread = "one seed was trained" if len(seeds) == 1 else f"the {len(seeds)} seeds are averaged"
    text.append(
        f"Intervals are over {evidence.resampled}"
        + (", not over training seeds: one seed was trained." if len(seeds) == 1 else f" and {len(seeds)} seeds.")
        if evidence.clusters > 1
        else f"There are no intervals, since the test text is one window of one document; {spread}."
    )
    layers = settings.train.layers
    where = "" if layers is None else f" of layer{'s' * (len(layers) > 1)} {listing(layers)}"
    text.append(
        f"The map holds for blocks on {listing(settings.train.targets)}{where}, trained for "
        f"{count(settings.train.steps, 'step')} of "
        f"{count(settings.train.batch_windows * settings.data.window, 'token')}: "
        "other projections, synthesis, qubits and readouts move the boundary."
    )
    if (settings.sweep.compression_ratio[-1] > 0) and "recovery.csv" in evidence.tables:
        text.append("Recovery counts what training teaches of the text's style as well, and may exceed 1.")
    if settings.model.source == "random":
        text.append("The model's weights are random: its numbers mean nothing.")
    return " ".join(text)
