"""``transition.json`` as a table: one row a compression ratio and block, measured or predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TRANSITION_COLUMNS", "transition_rows"]

_PAIRS = {"ci95": "lambda_c_ci95", "gain_ci95": "gain_ci95", "crossover_ci95": "crossover_ci95", "bracket": "bracket"}
_PREDICTED = (
    "gain_of_block_dim", "affordable_budget", "two_qubit_error", "two_qubit_error_needed",
    "two_qubit_error_needed_ci95_low", "two_qubit_error_needed_ci95_high", "two_qubit_error_needed_readout_as_is",
    "counted",
)  # fmt: skip
TRANSITION_COLUMNS = [
    "compression_ratio", "block_dim", "qubits", "two_qubit_gates", "depth", "error_budget", "seeds",
    "gain", "gain_ci95_low", "gain_ci95_high", "lambda_c", "lambda_c_ci95_low", "lambda_c_ci95_high", "censored",
    "bracket_low", "bracket_high", "crossover_decades", "crossover_ci95_low", "crossover_ci95_high",
    "lambda_c_predicted", "lambda_c_predicted_ci95_low", "lambda_c_predicted_ci95_high", *_PREDICTED,
]  # fmt: skip
"""Units are those of ``transition.json``; ``lambda_c_predicted`` follows from the costs of the other blocks alone."""


def transition_rows(transition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of :data:`TRANSITION_COLUMNS`, by ratio and block dimension; what was not measured is left out of a row."""
    rows: dict[tuple[float, int], dict[str, Any]] = {}
    for part in transition["ratios"]:
        for block in part["blocks"]:
            key = part["compression_ratio"], block["block_dim"]
            rows[key] = {name: value for name, value in block.items() if name not in _PAIRS}
            for name, column in _PAIRS.items():
                low, high = block[name] or (None, None)
                rows[key] |= {f"{column}_low": low, f"{column}_high": high}
    for entry in transition["scaling"]["predictions"]:
        row = rows.setdefault((entry["compression_ratio"], entry["block_dim"]), {})
        row.setdefault("two_qubit_gates", entry["two_qubit_gates"])
        row.setdefault("error_budget", entry["error_budget"])
        low, high = entry["ci95"]
        row |= {
            f"lambda_c_predicted{end}": value
            for end, value in (("", entry["lambda_c"]), ("_ci95_low", low), ("_ci95_high", high))
        }
        needed = dict(zip(("low", "high"), entry["two_qubit_error_needed_ci95"], strict=True))
        entry = entry | {f"two_qubit_error_needed_ci95_{end}": value for end, value in needed.items()}
        row |= {name: entry[name] for name in _PREDICTED}
    return [
        {"compression_ratio": ratio, "block_dim": dim, "qubits": dim.bit_length() - 1, **row}
        for (ratio, dim), row in sorted(rows.items(), key=lambda item: item[0])
    ]
