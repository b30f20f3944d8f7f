"""Whether larger blocks pay at the device's noise: the goal, what reaches it, and what forbids it otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cayley_adapters.analysis.resampling import finite, interval
from cayley_adapters.levers.table import Arm, nll_at

__all__ = ["GOALS", "describe_goal"]

GOALS = {8: 2.0, 16: 1.0}
"""Block dimension → noise scale at which its blocks are to beat the compressed model and any blocks of two qubits."""

_DEFINITION = (
    "For each block dimension the lever with the lowest nll at the goal's noise scale, on the run's own device, "
    "among those that run circuits for every token (per_token) and those that measure each block once "
    "(characterised). reached: its lambda_c is at or beyond the noise scale and its nll there is below that of "
    "the best lever of the same kind with blocks of two qubits; certain: the lower end of ci95 is at or beyond "
    "it, too, and the upper end of nll_difference_ci95 below 0, a paired bootstrap over test documents with the "
    "spread over seeds where there are several. two_qubit_error_needed is the mean error of a two-qubit gate at "
    "which lambda_c would be the noise scale, all errors shrinking alike; errors are -ln(1 - error) summed over a "
    "block's circuit by source, at that noise scale."
)


def describe_goal(
    arms: Sequence[Arm], backend: str, two_qubit_errors: dict[tuple[str, int], float], clusters: int
) -> dict[str, Any]:
    """The content of ``levers.json``.

    Args:
        arms: all levers'.
        backend: the run's own device; levers on others do not count.
        two_qubit_errors: lever and block dimension → mean error of its couplers' gates.
        clusters: test documents.
    """
    own = [arm for arm in arms if arm.cells["backend"].iloc[0] == backend]
    goals = []
    for d, scale in GOALS.items():
        for serving in ("per_token", "characterised"):
            same = [arm for arm in own if arm.per_token == (serving == "per_token")]
            larger, small = ([arm for arm in same if arm.block_dim == dim] for dim in (d, 4))
            if larger:
                best = min(larger, key=lambda arm: nll_at(arm, scale)[0])
                rival = min(small, key=lambda arm: nll_at(arm, scale)[0]) if small else None
                error = two_qubit_errors[best.name, d]
                goals.append({"serving": serving} | _goal(best, rival, scale, error, clusters))
    return {"backend": backend, "goals": goals, "definition": _DEFINITION, "units": {"nll_difference": "nats a token"}}


def _goal(best: Arm, rival: Arm | None, scale: float, error: float, clusters: int) -> dict[str, Any]:
    critical, _ = best.curve.critical()
    low, high = best.curve.critical_interval(clusters)
    entry: dict[str, Any] = {
        "block_dim": best.block_dim,
        "noise_scale": scale,
        "lever": best.name,
        "lambda_c": finite(critical[0]),
        "ci95": [low, high],
        "perplexity": math.exp(nll_at(best, scale)[0]),
        "errors": {source: scale * value for source, value in best.errors.items()},
        "two_qubit_error": error,
        "two_qubit_error_needed": min(1.0, critical[0] / scale) * error,
        "two_qubits": None,
        "nll_difference": None,
        "nll_difference_ci95": None,
        "reached": False,
        "certain": False,
    }
    if rival is not None:
        difference = nll_at(best, scale) - nll_at(rival, scale)
        ends = interval(difference[1:], clusters)
        beyond = critical[0] >= scale
        entry |= {
            "two_qubits": {"lever": rival.name, "perplexity": math.exp(nll_at(rival, scale)[0])},
            "nll_difference": finite(difference[0]),
            "nll_difference_ci95": ends,
            "reached": bool(beyond and difference[0] < 0),
            "certain": bool(beyond and ends[1] is not None and ends[1] < 0 and (low or 0) >= scale),
        }
    return entry
