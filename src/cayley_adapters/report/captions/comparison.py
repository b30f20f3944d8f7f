"""What is said of maps that are compared: notes for picture and page, and tables to read in a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cayley_adapters.analysis.comparison import REPLICATES, Comparison
from cayley_adapters.core.messages import text_table
from cayley_adapters.report.words import count, interval, listing, significant, whole

__all__ = ["comparison_notes", "comparison_text"]

QUANTITIES = {"nll_difference": "Δ nll at λ = {:g}", "gain_difference": "Δ gain", "lambda_c_ratio": "λ_c ratio"}
SHOWN_KEYS = 6
"""Differing settings that the notes name."""


def comparison_notes(found: Comparison) -> list[str]:
    """What differs between the maps, how they were compared, and what came of it; sentences of plain text."""
    labels, keys, table = found.labels, found.keys, found.differences
    shown = [f"{key} ({', '.join(values)})" for key, values in list(keys.items())[:SHOWN_KEYS]]
    if len(keys) > SHOWN_KEYS:
        shown.append(f"{len(keys) - SHOWN_KEYS} more")
    notes = [f"Settings that differ between {listing(labels.values())}: {listing(shown) if keys else 'none'}."]
    if not table.empty:
        real = table[table["p_holm"] < 0.05]
        notes.append(_paired(found, len(real)))
        largest = real[real["quantity"] == "lambda_c_ratio"]
        if len(largest):
            row = largest.loc[largest["estimate"].astype(float).map(lambda ratio: max(ratio, 1 / ratio)).idxmax()]
            notes.append(
                f"The largest change of λ_c among them: {labels[row['map']]}, d = {row['block_dim']} at ratio "
                f"{row['compression_ratio']:g}, {significant(row['estimate'])} times that of {labels[found.reference]} "
                f"({interval(row['ci95_low'], row['ci95_high'])})."
            )
    elif not found.unpaired:
        notes.append("The maps have no compression ratio and block dimension in common, so there are no differences.")
    return notes + list(found.unpaired.values())


def _paired(found: Comparison, real: int) -> str:
    """How the differences came about, ``real`` of which are below 0.05."""
    text = f"Differences to {found.labels[found.reference]} are of the same {found.resampled}"
    if found.clusters < 2:
        return f"{text}, which cannot be resampled: no intervals."
    tried = int(found.differences["comparisons"].iloc[0])
    if not tried:
        return f"{text}, and their losses are the same at all noise scales that the maps share."
    comparisons = count(tried, "comparison")
    return (
        f"{text}: intervals 95 %, each alone, from {whole(REPLICATES)} paired draws of these; p-values are Holm's "
        f"for all {comparisons}, of which {real} {'is' if real == 1 else 'are'} below 0.05."
    )


def comparison_text(found: Comparison) -> str:
    """Settings that differ, the numbers of all maps, and their differences, as tables of text."""
    labels = list(found.labels.values())
    settings = [{"setting": key, **dict(zip(labels, values, strict=True))} for key, values in found.keys.items()]
    numbers = [*map(_numbers, found.table.to_dict("records"))]
    shown = found.differences.assign(map=found.differences["map"].map(found.labels))
    differences = [*map(_difference, shown.to_dict("records"))]
    parts = [text_table(settings, ["setting", *labels])] if settings else []
    for rows in filter(None, (numbers, differences)):
        names = [name for name in rows[0] if any(row[name] not in ("", "–") for row in rows)]
        parts.append(text_table(rows, names, set(names) - {"map", "model"}))
    return "\n\n".join([*parts, *comparison_notes(found)])


def _numbers(row: dict[str, Any]) -> dict[str, str]:
    known: dict[str, Any] = {name: None if pd.isna(value) else value for name, value in row.items()}
    size = "" if known["block_dim"] is None else f" d = {known['block_dim']:.0f}"
    critical = significant(known["lambda_c"])
    if known["censored"]:
        critical = f"{'>' if known['censored'] == 'above' else '<'} {critical}"
    scales = {name.removeprefix("perplexity_at_"): name for name in row if name.startswith("perplexity_at_")}
    seconds = {name.partition("_")[0]: name for name in row if name.endswith("_cpu_seconds")}
    return {
        "map": known["title"],
        "ratio": f"{known['compression_ratio']:g}",
        "model": f"{'blocks' if known['method'] == 'cayley' else known['method']}{size}",
        "λ_c": critical,
        "λ_c 95 %": interval(known["lambda_c_low"], known["lambda_c_high"]),
        "gain": significant(known["gain"]),
        "gain 95 %": interval(known["gain_low"], known["gain_high"]),
        **{f"ppl at {scale}": significant(known[name], 4) for scale, name in scales.items()},
        "gates": significant(known["two_qubit_gates"]),
        "parameters": whole(known["adapter_parameters"]),
        **{f"{part} s": significant(known[name]) for part, name in seconds.items()},
    }


def _difference(row: dict[str, Any]) -> dict[str, str]:
    return {
        "map": row["map"],
        "ratio": f"{row['compression_ratio']:g}",
        "d": str(row["block_dim"]),
        "to reference": QUANTITIES[row["quantity"]].format(row["noise_scale"]),
        "estimate": significant(row["estimate"]),
        "95 %": interval(row["ci95_low"], row["ci95_high"]),
        "p (Holm)": significant(row["p_holm"], 2),
    }
