"""What the W&B report says of the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["critical_noise_table", "findings", "reading"]


def findings(result: Mapping[str, Any]) -> list[str]:
    """What the map shows, a sentence a compression ratio.

    Args:
        result: ``transition.json``.
    """
    sentences = []
    for ratio in result["ratios"]:
        parts = [
            f"blocks of d = {block['block_dim']} "
            + (
                f"help up to noise scale {_critical(block)}"
                if (block["gain"] or 0) > 0
                else "do not help even without noise"
            )
            for block in ratio["blocks"]
        ]
        sentences.append(f"Compression ratio {ratio['compression_ratio']:g}: {'; '.join(parts)}.")
    return sentences


def critical_noise_table(result: Mapping[str, Any]) -> str:
    """Critical noise of each block dimension, as a Markdown table."""
    lines = [
        "| compression ratio | d | two-qubit gates a block | gain (nats a token) | λ_c | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for ratio in result["ratios"]:
        for block in ratio["blocks"]:
            low, high = block["ci95"]
            interval = "–" if low is None else f"above {low:.3g}" if high is None else f"{low:.3g} to {high:.3g}"
            lines.append(
                f"| {ratio['compression_ratio']:g} | {block['block_dim']} | {_text(block['two_qubit_gates'])} | "
                f"{_text(block['gain'])} | {_critical(block)} | {interval} |"
            )
    return "\n".join(lines)


def _critical(block: Mapping[str, Any]) -> str:
    mark = {"above": "above ", "below": "below "}.get(block["censored"], "")
    return mark + _text(block["lambda_c"])


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def reading(cells: pd.DataFrame, result: Mapping[str, Any]) -> str:
    """How the map is to be read.

    Args:
        cells: ``phase_diagram.csv``.
        result: ``transition.json``.
    """
    device = cells["backend"].dropna().unique()
    where = f", on the calibration of {', '.join(device)}" if len(device) else ""
    return (
        "λ_c is the first noise scale at which the model with blocks is no better than the compressed model without "
        f"them; readout {result['readout']}, {result['shots']} shots{where}. The interval holds test documents, shots "
        "and, with several of them, training seeds. The gain without noise needs no device: the same "
        "blocks in exact arithmetic have it."
    )
