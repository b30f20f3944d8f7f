"""Whether larger blocks pay at the device's noise: the goal, what reaches it, and what forbids it otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cayley_adapters.analysis import GOALS
from cayley_adapters.analysis.crossing import curve_at
from cayley_adapters.analysis.levers import Arm, nll_at
from cayley_adapters.analysis.resampling import finite, interval

__all__ = ["SEEDS", "describe_goal"]

SEEDS = 3
"""Training seeds without which nothing is called certain."""

_DEFINITION = (
    "For each block dimension the lever with the lowest nll at the goal's noise scale, on the run's own device, "
    "among those that run circuits for every token (per_token) and those that measure each block once "
    "(characterised); two_qubits is the same with blocks of two qubits of either kind, two_qubits_same_serving "
    "of the same kind. reached: lambda_c is at or beyond the noise scale and nll there below that of "
    "two_qubits. certain: the lower end of ci95 is at or beyond it, too, the upper end of nll_difference_ci95 "
    "below 0, and there are three seeds or more. The interval is a paired bootstrap over test documents, with "
    "the spread over seeds where there are several, that chooses the best levers anew in each replicate. "
    "two_qubit_error is the mean error of the two-qubit gates on the device as calibrated, and "
    "two_qubit_error_needed that of a device, all of whose errors are smaller alike, on which the goal would be "
    "reached: where blocks help at the goal's noise scale and have a lower nll than those of two qubits on the "
    "same device; null where not even errors of a hundredth suffice. two_qubit_error_needed_same_serving compares "
    "with two_qubits_same_serving. errors are -ln(1 - error) summed over a block's circuit by source, at the "
    "noise scale."
)


def describe_goal(
    arms: Sequence[Arm], backend: str, two_qubit_errors: Mapping[tuple[str, int], float], clusters: int
) -> dict[str, Any]:
    """The content of ``levers.json``.

    Args:
        arms: all levers'.
        backend: the run's own device; levers on others do not count.
        two_qubit_errors: lever and block dimension → mean error of its couplers' gates.
        clusters: test documents.
    """
    own = [arm for arm in arms if arm.cells["backend"].iloc[0] == backend]
    small, goals = [arm for arm in own if arm.block_dim == 4], []
    for d, scale in GOALS.items():
        for serving in ("per_token", "characterised"):
            larger = [arm for arm in own if arm.block_dim == d and arm.per_token == (serving == "per_token")]
            if larger:
                same = [arm for arm in small if arm.per_token == (serving == "per_token")]
                error = two_qubit_errors[_best(larger, scale).name, d]
                goals.append({"serving": serving} | _goal(larger, small, same, scale, error, clusters))
    return {"backend": backend, "goals": goals, "definition": _DEFINITION, "units": {"nll_difference": "nats a token"}}


def _best(arms: Sequence[Arm], scale: float) -> Arm:
    return min(arms, key=lambda arm: nll_at(arm, scale)[0])


def _named(arms: Sequence[Arm], scale: float) -> dict[str, Any] | None:
    if not arms:
        return None
    best = _best(arms, scale)
    return {"lever": best.name, "perplexity": math.exp(nll_at(best, scale)[0])}


def _needed(larger: Sequence[Arm], small: Sequence[Arm], scale: float, error: float) -> float | None:
    """The error of two-qubit gates at which some larger blocks help and beat all small ones; None if at none."""
    shares = np.linspace(1, 0, 101)[:-1]

    def lowest(arms: Sequence[Arm]) -> np.ndarray:
        curves = [_curve_at(arm, shares * scale) for arm in arms]
        return np.min(curves, axis=0) if curves else np.full(len(shares), np.inf)

    level = larger[0].curve.level[0]
    reached = np.flatnonzero(lowest(larger) < np.minimum(level, lowest(small)))
    return float(shares[reached[0]] * error) if len(reached) else None


def _curve_at(arm: Arm, scales: np.ndarray) -> np.ndarray:
    """The estimated nll between the noise scales measured; below the smallest positive one the cost is linear."""
    axis, nll = arm.curve.axis, arm.curve.nll[:, 0]
    found = curve_at(axis, nll, np.clip(scales, axis[1], axis[-1]), arm.curve.gain[0])
    curve: np.ndarray = nll[0] + np.minimum(scales / axis[1], 1.0) * (found - nll[0])
    return curve


def _goal(
    larger: Sequence[Arm], small: Sequence[Arm], same: Sequence[Arm], scale: float, error: float, clusters: int
) -> dict[str, Any]:
    best = _best(larger, scale)
    critical, _ = best.curve.critical()
    low, high = best.curve.critical_interval(clusters)
    entry: dict[str, Any] = {
        "block_dim": best.block_dim,
        "noise_scale": scale,
        "seeds": best.curve.seeds,
        "lever": best.name,
        "lambda_c": finite(critical[0]),
        "ci95": [low, high],
        "perplexity": math.exp(nll_at(best, scale)[0]),
        "errors": {source: scale * value for source, value in best.errors.items()},
        "two_qubit_error": error,
        "two_qubit_error_needed": _needed(larger, small, scale, error),
        "two_qubit_error_needed_same_serving": _needed(larger, same, scale, error),
        "two_qubits": _named(small, scale),
        "two_qubits_same_serving": _named(same, scale),
        "nll_difference": None,
        "nll_difference_ci95": None,
        "reached": False,
        "certain": False,
    }
    if small:
        both = [np.min([nll_at(arm, scale) for arm in arms], axis=0) for arms in (larger, small)]
        difference = both[0] - both[1]
        ends = interval(difference[1:], clusters)
        reached = bool(critical[0] >= scale and difference[0] < 0)
        sure = ends[1] is not None and ends[1] < 0 and (low or 0.0) >= scale and best.curve.seeds >= SEEDS
        entry |= {
            "nll_difference": finite(difference[0]),
            "nll_difference_ci95": ends,
            "reached": reached,
            "certain": reached and bool(sure),
        }
    return entry
