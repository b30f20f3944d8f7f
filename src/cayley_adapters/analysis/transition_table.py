"""``transition.json`` as a table: one row a compression ratio and block, measured or predicted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.core.reading import damaged, load_json

__all__ = ["TRANSITION_COLUMNS", "load_transition", "transition_rows"]

_PAIRS = {"ci95": "lambda_c_ci95", "gain_ci95": "gain_ci95", "crossover_ci95": "crossover_ci95", "bracket": "bracket"}
_REPAIR = ("adaptation", "repair", "lambda_repair")
_PAIRS |= {f"{name}_ci95": f"{name}_ci95" for name in _REPAIR}
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
    *(f"{name}{end}" for name in _REPAIR for end in ("", "_ci95_low", "_ci95_high")),
    "lambda_repair_censored", "lambda_identity",
]  # fmt: skip
"""Units are those of ``transition.json``; ``lambda_c_predicted`` follows from the costs of the other blocks alone."""


_Number = Annotated[float, Field(allow_inf_nan=False)] | None
_Interval = Annotated[list[_Number], Field(min_length=2, max_length=2)]
_checked = with_config(ConfigDict(strict=True))


@_checked
class _Block(TypedDict):
    block_dim: int
    lambda_c: _Number
    ci95: _Interval
    censored: Literal["below", "above"] | None
    two_qubit_gates: _Number
    gain: _Number
    gain_ci95: _Interval
    bracket: _Interval | None
    crossover_decades: _Number
    crossover_ci95: _Interval
    depth: _Number
    error_budget: _Number
    seeds: int
    adaptation: _Number
    adaptation_ci95: _Interval | None
    repair: _Number
    repair_ci95: _Interval | None
    lambda_repair: _Number
    lambda_repair_ci95: _Interval | None
    lambda_repair_censored: Literal["below", "above"] | None
    lambda_identity: _Number


@_checked
class _Best(TypedDict):
    noise_scale: float
    block_dim: int | None


@_checked
class _Recovery(TypedDict):
    block_dim: int
    noise_scale: float
    value: _Number
    cost: _Number
    cost_ci95: _Interval
    nll_difference: _Number
    nll_difference_ci95: _Interval


@_checked
class _Ratio(TypedDict):
    compression_ratio: float
    nll_compressed: _Number
    blocks: list[_Block]
    best_block: list[_Best]
    recovery_nll: list[_Recovery]


@_checked
class _Collapse(TypedDict):
    x: str
    holds: bool | None
    residual_factor: _Number


@_checked
class _Prediction(TypedDict):
    compression_ratio: float
    block_dim: int
    qubits: int
    two_qubit_gates: _Number
    counted: str
    error_budget: _Number
    gain_of_block_dim: int
    affordable_budget: _Number
    lambda_c: _Number
    ci95: _Interval
    lambda_c_measured: _Number
    two_qubit_error: _Number
    two_qubit_error_needed: _Number
    two_qubit_error_needed_ci95: _Interval
    two_qubit_error_needed_readout_as_is: _Number


@_checked
class _Scaling(TypedDict):
    collapse: list[_Collapse]
    predictions: list[_Prediction]


@_checked
class _Transition(TypedDict):
    ratios: Annotated[list[_Ratio], Field(min_length=1)]
    scaling: _Scaling
    readout: str
    executor: str
    shots: int | Literal["inf"]
    nll_uncompressed: _Number
    bootstrap: dict[str, int | str]


_TRANSITION = TypeAdapter(_Transition)


def load_transition(path: Path) -> dict[str, Any]:
    """Read a ``transition.json``.

    Raises:
        CayleyError: it is missing, or not what :func:`cayley_adapters.analysis.transition.transition` returns.
    """
    found = load_json(path)
    try:
        _TRANSITION.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise damaged(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return found


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
        {"compression_ratio": ratio, "block_dim": dim, "qubits": qubits_that_hold(dim), **row}
        for (ratio, dim), row in sorted(rows.items(), key=lambda item: item[0])
    ]
