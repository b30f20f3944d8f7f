"""How cost and critical noise depend on the circuits: laws, the collapse onto one curve, what devices would need."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cayley_adapters.analysis.crossing import critical_noise, curve_at
from cayley_adapters.analysis.curves import Curve
from cayley_adapters.analysis.resampling import finite, interval
from cayley_adapters.circuits.noise.budget import Circuit

__all__ = ["COLLAPSE_FACTOR", "LARGEST_COST", "MasterCurve", "cost_points", "describe_scaling", "power_law"]

COLLAPSE_FACTOR = 1.25
"""Costs collapse onto one curve if it gives them within this factor (root mean square of the logarithm)."""

LARGEST_COST = 3.0
"""Nats a token: costs above are left out, where a model that has lost everything can lose no more."""

MOST_TERMS = 3
"""Of a master curve: a quadratic in logarithms."""

Point = tuple[Curve, float, np.ndarray]
"""A cell: its curve, its noise scale, and its cost ``(1 + R)``."""

_AXES: dict[str, Callable[[Circuit], float]] = {
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
        terms = min(MOST_TERMS, len(np.unique(np.round(logs, 6))))
        design = np.stack([logs**power for power in range(terms)], axis=1)
        inverse = np.linalg.pinv(design)
        found = np.zeros((MOST_TERMS, cost.shape[1]))
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


def cost_points(curves: Sequence[Curve], clusters: int) -> list[Point]:
    """The cells whose cost is known well enough to be compared: curve, noise scale and cost ``(1 + R)``.

    Left out are λ = 0, costs above :data:`LARGEST_COST`, and those within three standard errors of 0; all where there
    are fewer than two documents (``clusters``), and so no standard errors. A replicate's cost counts as at least a
    tenth of the estimate.
    """
    points = []
    for curve in curves if clusters > 1 else ():
        for scale, cost in zip(curve.axis[1:], curve.cost[1:], strict=True):
            if np.isfinite(cost).all() and 3 * np.std(cost[1:]) < cost[0] <= LARGEST_COST:
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
    note = (
        f"least squares in logarithms over {distinct} distinct values; censored points and blocks without any left out"
    )
    if distinct == 2:
        note += "; with two values the fit has no degrees of freedom left: it describes and does not test the law"
    a, b = np.exp(offset), -slope
    ends = {"a_ci95": interval(a[1:], clusters), "b_ci95": interval(b[1:], clusters)}
    return {**law, "a": float(a[0]), "b": float(b[0]), **ends, "note": note}


def describe_scaling(
    curves: Sequence[Curve],
    circuits: Sequence[Circuit],
    clusters: int,
    readout_costs: Mapping[tuple[float, int], float] | None = None,
) -> dict[str, Any]:
    """``scaling`` of ``transition.json``: laws for λ_c, the collapse of costs, and predictions for other circuits.

    Args:
        curves: all ratios and block dimensions.
        circuits: those of the curves' blocks and of blocks to make predictions for.
        clusters: documents behind the replicates.
        readout_costs: (ratio, block dimension) → cost of readout errors alone at noise scale 1, nats a token.
    """
    known = {circuit.block_dim: circuit for circuit in circuits}
    laws = {
        "two_qubit_gates": _law(curves, clusters, lambda curve: curve.two_qubit_gates),
        **{
            name: _law(curves, clusters, lambda curve, name=name: _figure(known.get(curve.block_dim), name))
            for name in (("depth", "budget") if known else ())
        },
    }
    points = [point for point in cost_points(curves, clusters) if point[0].block_dim in known]
    return {
        "model": "lambda_c = a * two_qubit_gates ** -b",
        **laws["two_qubit_gates"],
        "depth": laws.get("depth"),
        "error_budget": laws.get("budget"),
        "collapse": [entry for name in _AXES if (entry := _collapse(points, known, name)) is not None],
        **_predictions(curves, circuits, points, clusters, readout_costs or {}),
    }


def _figure(circuit: Circuit | None, name: str) -> float:
    return math.nan if circuit is None else getattr(circuit, name)


def _law(curves: Sequence[Curve], clusters: int, figure: Any) -> dict[str, Any]:
    x, y = [], []
    for curve in curves:
        critical, censored = curve.critical()
        value = figure(curve)
        if censored[0] == 0 and critical[0] > 0 and value > 0:
            x.append(value)
            y.append(np.clip(critical, critical[0] / 10, None))
    return power_law(x, np.array(y), clusters)


def _fit(points: Sequence[Point], known: Mapping[int, Circuit], axis: str) -> tuple[MasterCurve, dict[int, Any]] | None:
    """The master curve over an axis, and each block dimension's range of it; None without points of two blocks."""
    used = [(scale * _AXES[axis](known[curve.block_dim]), cost, curve.block_dim) for curve, scale, cost in points]
    used = [point for point in used if point[0] > 0]
    ranges: dict[int, Any] = {}
    for x, _, dim in used:
        low, high = ranges.get(dim, (x, x))
        ranges[dim] = (min(low, x), max(high, x))
    if len(used) < 4 or len(ranges) < 2:
        return None
    return MasterCurve.fit(np.array([x for x, _, _ in used]), np.stack([cost for _, cost, _ in used])), ranges


def _collapse(points: Sequence[Point], known: Mapping[int, Circuit], axis: str) -> dict[str, Any] | None:
    """How well the costs of all blocks lie on one curve, and those of blocks that have two-qubit gates."""
    if (found := _fit(points, known, axis)) is None:
        return None
    fit, ranges = found
    entangling = _fit([point for point in points if known[point[0].block_dim].two_qubit_gates > 0], known, axis)
    ends = sorted(ranges.values())
    overlap = all(low <= max(high for _, high in ends[:place]) for place, (low, _) in enumerate(ends) if place)
    return {
        "x": axis,
        "model": "ln(cost) = c0 + c1 ln(x) + c2 ln(x)**2",
        "coefficients": fit.coefficients[:, 0].tolist(),
        "block_dims": sorted(ranges),
        "points": len(points),
        "residual_factor": math.exp(fit.residual),
        "sampling_factor": math.exp(fit.sampling) if math.isfinite(fit.sampling) else None,
        "residual_factor_with_two_qubit_gates": math.exp(entangling[0].residual) if entangling else None,
        # Blocks whose ranges do not meet lie on one curve whatever they cost.
        "holds": bool(fit.residual <= math.log(COLLAPSE_FACTOR)) if overlap and len(points) >= MOST_TERMS + 3 else None,
    }


def _predictions(
    curves: Sequence[Curve],
    circuits: Sequence[Circuit],
    points: Sequence[Point],
    clusters: int,
    readout_costs: Mapping[tuple[float, int], float],
) -> dict[str, Any]:
    """λ_c, and the gate error that λ_c = 1 would take, of every circuit at every ratio, from other blocks' costs.

    Blocks that were measured are predicted as well, from the costs of the others: how far that is off goes into the
    intervals of all predictions.
    """
    found, misses = [], []
    for ratio in sorted({curve.compression_ratio for curve in curves}):
        measured = {curve.block_dim: curve for curve in curves if curve.compression_ratio == ratio}
        for circuit in circuits:
            others = [point for point in points if point[0].block_dim != circuit.block_dim]
            fitted = _fit(others, {item.block_dim: item for item in circuits}, "noise_scale * error_budget")
            if fitted is None or circuit.budget <= 0:
                continue
            own = measured.get(circuit.block_dim)
            source = own or measured[max(measured)]
            predicted = fitted[0].inverse(source.gain) / circuit.budget
            critical, censored = own.critical() if own else (np.zeros(1), np.ones(1))
            known = float(critical[0]) if censored[0] == 0 and critical[0] > 0 else None
            if known and np.isfinite(predicted[0]):
                misses.append(math.log(predicted[0] / known))
            found.append((ratio, circuit, source, predicted, own, known, sorted(fitted[1])))
    scatter = math.sqrt(float(np.mean(np.square(misses)))) if len(misses) > 1 else math.nan
    rows = []
    for ratio, circuit, source, predicted, own, known, dims in found:
        draws = predicted[1:] * np.exp(
            scatter * np.random.default_rng(circuit.qubits).standard_normal(len(predicted) - 1)
        )
        best, ends = (
            (known, own.critical_interval(clusters)) if known and own else (predicted[0], interval(draws, clusters))
        )
        rows.append(
            {
                "compression_ratio": ratio,
                "block_dim": circuit.block_dim,
                "qubits": circuit.qubits,
                "two_qubit_gates": circuit.two_qubit_gates,
                "counted": circuit.counted,
                "error_budget": circuit.budget,
                "gain_of_block_dim": source.block_dim,
                "costs_of_block_dims": dims,
                "affordable_budget": finite(predicted[0] * circuit.budget),
                "lambda_c": finite(predicted[0]),
                "ci95": interval(draws, clusters),
                "lambda_c_measured": known,
                "two_qubit_error": finite(circuit.two_qubit_error),
                "two_qubit_error_needed": finite(best * circuit.two_qubit_error),
                "two_qubit_error_needed_ci95": [
                    None if end is None else finite(end * circuit.two_qubit_error) for end in ends
                ],
                "two_qubit_error_needed_readout_as_is": finite(
                    _with_readout(own, readout_costs.get((ratio, circuit.block_dim))) * circuit.two_qubit_error
                ),
            }
        )
    return {"prediction_scatter_factor": finite(math.exp(scatter)), "predictions": rows}


def _with_readout(curve: Curve | None, readout: float | None) -> float:
    """By how much gates must improve for blocks to pay while readout stays as it is at λ = 1.

    Gates cost what is left of the cost at λ = 1 without that of readout alone, and fall with their errors as the whole
    cost does: C(s)/C(1) = (G − C_readout)/(C(1) − C_readout). 0 where readout alone costs more than the gain, not a
    number where it was not measured or the axis does not say.
    """
    if curve is None or readout is None or not math.isfinite(readout) or curve.axis[-1] < 1 or len(curve.axis) < 2:
        return math.nan
    nll, gain = curve.nll[:, 0], float(curve.gain[0])
    cost = float(curve_at(curve.axis, nll, np.array([1.0]), gain)[0] - nll[0]) if curve.axis[1] <= 1 else math.nan
    if not gain > 0 or not cost > readout:
        return math.nan
    if gain <= readout:
        return 0.0
    wanted = (gain - readout) / (cost - readout) * cost
    value, censored = critical_noise(curve.axis, nll, curve.level[0], wanted / gain)
    return float(value) if censored == 0 else math.nan
