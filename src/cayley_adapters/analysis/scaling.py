"""How cost and critical noise depend on the circuits: laws, the collapse onto one curve, what devices would need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cayley_adapters.analysis.curves import Curve
from cayley_adapters.analysis.resampling import interval
from cayley_adapters.noise_budget import Circuit

__all__ = ["COLLAPSE_FACTOR", "LARGEST_COST", "MasterCurve", "cost_points", "describe_scaling", "power_law"]

COLLAPSE_FACTOR = 1.25
"""Costs collapse onto one curve if it gives them within this factor (root mean square of the logarithm)."""

LARGEST_COST = 3.0
"""Nats a token: costs above are left out, where a model that has lost everything can lose no more."""

_AXES = {
    "noise_scale": lambda circuit: 1.0,
    "noise_scale * two_qubit_gates": lambda circuit: circuit.two_qubit_gates,
    "noise_scale * depth": lambda circuit: circuit.depth,
    "noise_scale * error_budget": lambda circuit: circuit.budget,
}


@dataclass(frozen=True)
class MasterCurve:
    """ln C = c₀ + c₁ ln x + c₂ ln² x, fitted by least squares to the estimate and to every replicate.

    Attributes:
        coefficients: ``(3, 1 + R)``.
        residual: root mean square of ln C about the estimate's curve.
        sampling: the same of the replicates' deviations, what sampling alone would leave.
    """

    coefficients: np.ndarray
    residual: float
    sampling: float

    @classmethod
    def fit(cls, x: np.ndarray, cost: np.ndarray) -> MasterCurve:
        """Fit ``cost`` ``(P, 1 + R)`` over ``x`` ``(P,)``, both positive; a straight line where x has two values."""
        logs, y = np.log(x), np.log(cost)
        terms = min(3, len(np.unique(np.round(logs, 6))))
        design = np.stack([logs**power for power in range(terms)], axis=1)
        inverse = np.linalg.pinv(design)
        found = np.zeros((3, cost.shape[1]))
        found[:terms] = inverse @ y
        left = y[:, 0] - design @ found[:terms, 0]
        deviations = y[:, 1:] - y[:, :1]
        deviations -= design @ (inverse @ deviations)
        freedom = max(len(x) - terms, 1)
        sampling = math.sqrt((deviations**2).sum(axis=0).mean() / freedom) if deviations.size else math.nan
        return cls(found, math.sqrt((left**2).sum() / freedom), sampling)

    def cost(self, x: np.ndarray) -> np.ndarray:
        """The estimate's cost at ``x``, nats a token."""
        logs = np.log(x)
        c0, c1, c2 = self.coefficients[:, 0]
        return np.exp(c0 + c1 * logs + c2 * logs**2)

    def inverse(self, gain: np.ndarray) -> np.ndarray:
        """Where the cost is ``gain`` ``(1 + R)``, on the rising branch; not a number where it never is."""
        c0, c1, c2 = self.coefficients
        with np.errstate(invalid="ignore", divide="ignore"):
            above = np.log(gain) - c0
            return np.exp(2 * above / (c1 + np.sqrt(c1**2 + 4 * c2 * above)))


def cost_points(curves: Sequence[Curve]) -> list[tuple[Curve, float, np.ndarray]]:
    """The cells whose cost is known well enough to be compared: curve, noise scale and cost ``(1 + R)``.

    Left out are λ = 0, costs above :data:`LARGEST_COST`, and those within three standard errors of 0. A replicate's
    cost counts as at least a tenth of the estimate.
    """
    points = []
    for curve in curves:
        for scale, cost in zip(curve.axis[1:], curve.cost[1:], strict=True):
            if not np.isfinite(cost).all():
                continue
            spread = float(np.std(cost[1:])) if len(cost) > 1 else 0.0
            if 3 * spread < cost[0] <= LARGEST_COST and cost[0] > 0:
                points.append((curve, float(scale), np.clip(cost, cost[0] / 10, None)))
    return points


def power_law(x: Sequence[float], y: np.ndarray, clusters: int) -> dict[str, Any]:
    """Fit y = a · x^(−b) by least squares in logarithms.

    Args:
        x: ``(P,)`` positive.
        y: ``(P, 1 + R)`` positive: the estimates and their replicates.
        clusters: documents behind the replicates.

    Returns:
        ``a``, ``b``, their ``ci95``, ``points`` used and a ``note`` on the fit's worth; all None where x holds fewer
        than two distinct values (to the nearest hundredth part).
    """
    law: dict[str, Any] = {"a": None, "a_ci95": [None, None], "b": None, "b_ci95": [None, None], "points": len(x)}
    distinct = len({round(math.log(value), 2) for value in x})
    if distinct < 2:
        few = "no uncensored point" if not distinct else "one distinct value"
        return {**law, "note": f"not fitted: {few}, and two distinct values are needed"}
    design = np.stack([np.ones(len(x)), np.log(x)], axis=1)
    offset, slope = np.linalg.pinv(design) @ np.log(y)
    note = f"least squares in logarithms over {distinct} distinct values; censored points left out"
    if distinct == 2:
        note += "; with two values the fit has no degrees of freedom left: it describes and does not test the law"
    a, b = np.exp(offset), -slope
    ends = {"a_ci95": interval(a[1:], clusters), "b_ci95": interval(b[1:], clusters)}
    return {**law, "a": float(a[0]), "b": float(b[0]), **ends, "note": note}


def describe_scaling(curves: Sequence[Curve], circuits: Sequence[Circuit], clusters: int) -> dict[str, Any]:
    """``scaling`` of ``transition.json``: laws for λ_c, the collapse of costs, and predictions for other circuits.

    Args:
        curves: all ratios and block dimensions.
        circuits: those of the curves' blocks and of blocks to make predictions for.
        clusters: documents behind the replicates.
    """
    known = {circuit.block_dim: circuit for circuit in circuits}
    laws = {
        "two_qubit_gates": _law(curves, clusters, lambda curve: curve.two_qubit_gates),
        **{
            name: _law(curves, clusters, lambda curve, name=name: _figure(known.get(curve.block_dim), name))
            for name in (("depth", "budget") if known else ())
        },
    }
    gates = laws["two_qubit_gates"]
    points = [point for point in cost_points(curves) if point[0].block_dim in known]
    collapse = {name: _collapse(points, known, axis) for name, axis in _AXES.items()}
    return {
        "model": "lambda_c = a * two_qubit_gates ** -b",
        **gates,
        "depth": laws.get("depth"),
        "error_budget": laws.get("budget"),
        "collapse": [{"x": name, **_describe(fit, used)} for name, (fit, used) in collapse.items() if fit is not None],
        "predictions": _predictions(curves, circuits, points, clusters),
    }


def _figure(circuit: Circuit | None, name: str) -> float:
    return math.nan if circuit is None else getattr(circuit, name)


def _law(curves: Sequence[Curve], clusters: int, figure: Any) -> dict[str, Any]:
    x, y = [], []
    for curve in curves:
        critical, censored = curve.critical()
        value = figure(curve)
        if censored == 0 and critical[0] > 0 and value > 0:
            x.append(value)
            y.append(np.clip(critical, critical[0] / 10, None))
    return power_law(x, np.array(y), clusters)


def _collapse(
    points: list[tuple[Curve, float, np.ndarray]], known: Mapping[int, Circuit], axis: Any
) -> tuple[MasterCurve | None, list[int]]:
    used = [(scale * axis(known[curve.block_dim]), cost, curve.block_dim) for curve, scale, cost in points]
    used = [point for point in used if point[0] > 0]
    dims = sorted({dim for _, _, dim in used})
    if len(used) < 4 or len(dims) < 2:
        return None, dims
    return MasterCurve.fit(np.array([x for x, _, _ in used]), np.stack([cost for _, cost, _ in used])), dims


def _describe(fit: MasterCurve, dims: list[int]) -> dict[str, Any]:
    return {
        "model": "ln(cost) = c0 + c1 ln(x) + c2 ln(x)**2, cost in nats a token",
        "coefficients": fit.coefficients[:, 0].tolist(),
        "block_dims": dims,
        "residual_factor": math.exp(fit.residual),
        "sampling_factor": math.exp(fit.sampling) if math.isfinite(fit.sampling) else None,
        "holds": fit.residual <= math.log(COLLAPSE_FACTOR),
    }


def _predictions(
    curves: Sequence[Curve], circuits: Sequence[Circuit], points: list[Any], clusters: int
) -> list[dict[str, Any]]:
    """λ_c, and the gate error that λ_c = 1 would take, of every circuit at every ratio, from other blocks' costs."""
    known = {circuit.block_dim: circuit for circuit in circuits}
    rows = []
    for ratio in sorted({curve.compression_ratio for curve in curves}):
        measured = {curve.block_dim: curve for curve in curves if curve.compression_ratio == ratio}
        for circuit in sorted(circuits, key=lambda circuit: circuit.qubits):
            others = [point for point in points if point[0].block_dim != circuit.block_dim]
            fit, used = _collapse(others, known, _AXES["noise_scale * error_budget"])
            if fit is None or circuit.budget <= 0:
                continue
            source = measured.get(circuit.block_dim) or measured[max(measured)]
            budget = fit.inverse(source.gain)
            own = measured.get(circuit.block_dim)
            critical, censored = own.critical() if own else (None, 0)
            gates = circuit.errors.get("cz", 0.0) + circuit.errors.get("sx", 0.0)
            improved = np.where(circuit.errors.get("readout", 0.0) < budget, budget, np.nan)
            rows.append(
                {
                    "compression_ratio": ratio,
                    "block_dim": circuit.block_dim,
                    "qubits": circuit.qubits,
                    "two_qubit_gates": circuit.two_qubit_gates,
                    "counted": circuit.counted,
                    "error_budget": circuit.budget,
                    "gain_of_block_dim": source.block_dim,
                    "costs_of_block_dims": used,
                    "affordable_budget": _number(budget[0]),
                    "lambda_c": _number(budget[0] / circuit.budget),
                    "ci95": interval(budget[1:] / circuit.budget, clusters),
                    "lambda_c_measured": _number(critical[0]) if own and censored == 0 else None,
                    "two_qubit_error": _number(circuit.two_qubit_error),
                    "two_qubit_error_needed": _number(budget[0] / circuit.budget * circuit.two_qubit_error),
                    "two_qubit_error_needed_readout_as_is": _number(
                        (improved[0] - circuit.errors.get("readout", 0.0)) / gates * circuit.two_qubit_error
                        if gates
                        else math.nan
                    ),
                }
            )
    return rows


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
