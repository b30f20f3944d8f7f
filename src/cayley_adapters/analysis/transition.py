"""Where noise eats the gain: critical noise, the best blocks, and how the boundary scales.

With nll(n, λ) the mean negative log-likelihood (nats a token) of a model whose blocks have n qubits and run at noise
scale λ, and nll_compressed that of the same compressed model without blocks, at one readout and one number of shots:

    gain G(n) = nll_compressed − nll(n, 0)          cost C(n, λ) = nll(n, λ) − nll(n, 0)

A cell is expressive where G > C, that is nll(n, λ) < nll_compressed, and noise-dominated where C > G. The critical
noise λ_c(n) is the first λ at which the two are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.curves import CENSORED, Curve, make_curves, select_cells
from cayley_adapters.analysis.repair import identity_of, repair_of
from cayley_adapters.analysis.resampling import finite, interval, resampled
from cayley_adapters.analysis.scaling import describe_scaling
from cayley_adapters.circuits.noise.budget import Circuit

__all__ = ["not_excluded", "transition"]

_DEFINITION = (
    "lambda_c is the first noise scale at which the model with blocks has the nll of the compressed model without "
    "blocks, at the same test tokens; nll is averaged over training seeds, and between positive grid points the cost "
    "is a power of the noise scale. It is 0 where the blocks do not help even without noise; 'above': never reached, "
    "lambda_c is the end of the axis (a lower bound); 'below': already passed at the smallest positive noise scale, "
    "which lambda_c then is (an upper bound). bracket holds the neighbouring noise scales that were evaluated. ci95 "
    "is a paired expanded-percentile bootstrap over test documents, or over the windows of the only one; its upper end "
    "is null where it lies beyond the axis, its lower end 0 where it lies below. Shots that are drawn for every token "
    "are part of it, and so is the spread over training seeds where there are two or more (seeds), and what the axis "
    "leaves open between its points. ci95 of best_block holds the blocks that are not worse than another for certain, "
    "0 for none."
)
_UNITS = {
    "lambda_c": "noise scale: 0 ideal, 1 the device as calibrated",
    "bracket": "noise scale",
    "nll_compressed": "nats a token",
    "nll_uncompressed": "nats a token",
    "gain": "nats a token: nll_compressed - nll(block_dim, noise scale 0)",
    "crossover_decades": "decades of noise scale from cost = gain/2 to cost = 2 gain; 0.60/p for a cost that grows as "
    "a power p",
    "two_qubit_gates": "two-qubit gates a block, preparation included, mean over blocks",
    "depth": "depth of a block's circuit, preparation, RZ gates and measurement included, mean over blocks",
    "error_budget": "sum of -ln(1 - error) over a block's gates and of its qubits' readout flips at noise scale 1",
    "adaptation": "nats a token: gain of the same blocks trained on the uncompressed model",
    "repair": "share of nll_compressed - nll_uncompressed that is gone once both models have learnt the text",
    "lambda_repair": "noise scale at which nothing of the repair is left; censored as lambda_c is",
    "lambda_identity": "noise scale at which the same circuits, with blocks that have learnt nothing, cost the gain; "
    "null beyond the axis",
    "recovery_nll": "share: (nll_compressed - nll) / (nll_compressed - nll_uncompressed)",
    "nll_difference": "nats a token: nll - nll_compressed at the same documents, below 0 where blocks help",
    "nll_se_shots": "nats a token: standard error from shots alone, part of ci95 as well",
    "nll_se_seeds": "nats a token: standard error of the mean over training seeds",
    "support": "share of replicates in which the block is the best; '0' is none better than the compressed model",
    "cost": "nats a token: nll - nll(block_dim, noise scale 0)",
    "depth.a, error_budget.a, a": "noise scale at which the law has its circuit figure at 1; b is an exponent",
    "coefficients": "of ln(cost in nats a token) in powers of ln(x)",
    "residual_factor": "exp of the root mean square of ln(cost) about the curve; _with_two_qubit_gates: of a curve for "
    "blocks that have such gates alone",
    "sampling_factor": "the same of bootstrap replicates about theirs: what sampling alone leaves",
    "affordable_budget": "error budget at which the cost is the gain",
    "prediction_scatter_factor": "exp of the root mean square of ln(predicted/measured lambda_c); part of ci95",
    "two_qubit_error": "mean error of a two-qubit gate at noise scale 1",
    "two_qubit_error_needed": "the same at which lambda_c = 1, all errors shrinking alike; from the measured lambda_c "
    "where there is one",
    "two_qubit_error_needed_readout_as_is": "the same with readout as it is; 0 where it alone costs more than the gain",
}


def transition(
    cells: pd.DataFrame,
    losses: np.ndarray,
    documents: np.ndarray,
    compressed: Mapping[float, np.ndarray],
    *,
    nll_uncompressed: float,
    readout: str = "sign_constrained",
    shots: float = 8192,
    executor: str | None = None,
    circuits: Sequence[Circuit] = (),
    readout_costs: Mapping[tuple[float, int], float] | None = None,
    identities: Mapping[tuple[float, int], Mapping[float, float]] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The content of ``transition.json`` for one model: boundaries, their intervals, best blocks and scaling.

    Args:
        cells: rows of ``phase_diagram.csv`` of one model, of any readout and shots; those chosen below count.
        losses: ``(rows, tokens)`` nll of each test token in nats, row for row as ``cells``.
        documents: ``(tokens,)`` the document of each test token.
        compressed: for each compression ratio the compressed model's nll of each test token, ``(tokens,)`` nats.
        nll_uncompressed: the uncompressed model's mean nll, nats a token.
        readout, shots, executor: the cells that count; unlimited shots are ``inf``, and the executor may be left out
            where only one has that readout and shots.
        circuits: circuits of the blocks, evaluated or not, on the device: what costs are compared with.
        readout_costs: (ratio, block dimension) → cost of readout errors alone at noise scale 1, nats a token.
        identities: (ratio, block dimension) → noise scale → nll of blocks that have learnt nothing, in the same
            circuits.
        bootstrap: replicates for the 95 % intervals.
        seed: of the bootstrap.

    Returns:
        A dict that ``json.dumps(…, allow_nan=False)`` accepts; what is not a number is None.

    Raises:
        CayleyError: a ratio has no compressed model, an axis lacks 0, or rows mix settings that must not be averaged.
    """
    losses, documents = np.asarray(losses), np.asarray(documents)
    rows = select_cells(cells, readout, shots, executor)
    chosen, losses = cells.iloc[rows], losses[rows]
    curves = make_curves(chosen, losses, documents, compressed, bootstrap=bootstrap, seed=seed)
    clusters = len(np.unique(documents))
    known = {circuit.block_dim: circuit for circuit in circuits}
    alone = identities or {}
    plain = {curve.block_dim: curve for curve in curves if curve.compression_ratio == 0}
    return {
        "ratios": [
            _ratio([c for c in curves if c.compression_ratio == ratio], plain, known, nll_uncompressed, clusters, alone)
            for ratio in sorted({curve.compression_ratio for curve in curves})
        ],
        "scaling": describe_scaling(curves, circuits, clusters, readout_costs),
        "readout": readout,
        "executor": str(chosen["executor"].iloc[0]),
        "shots": int(shots) if np.isfinite(shots) else "inf",
        "nll_uncompressed": finite(nll_uncompressed),
        "bootstrap": {
            "replicates": bootstrap,
            "seed": seed,
            "documents": clusters,
            "resampled": resampled(documents),
            "tokens": len(documents),
        },
        "units": dict(_UNITS),
        "definition": _DEFINITION,
    }


def _ratio(
    curves: list[Curve],
    plain: Mapping[int, Curve],
    circuits: Mapping[int, Circuit],
    uncompressed: float,
    clusters: int,
    identities: Mapping[tuple[float, int], Mapping[float, float]],
) -> dict[str, Any]:
    """One entry of ``ratios``; ``plain`` are the curves of the uncompressed model."""
    level = curves[0].level
    span = level[0] - uncompressed
    return {
        "compression_ratio": curves[0].compression_ratio,
        "nll_compressed": finite(level[0]),
        "blocks": [
            {
                **_block(curve, circuits.get(curve.block_dim), clusters),
                **repair_of(curve, plain.get(curve.block_dim), clusters),
                "lambda_identity": identity_of(curve, identities.get((curve.compression_ratio, curve.block_dim), {})),
            }
            for curve in curves
        ],
        "best_block": _best_blocks(curves, clusters),
        "recovery_nll": [
            {
                "block_dim": curve.block_dim,
                "noise_scale": float(scale),
                "value": finite((level[0] - nll[0]) / span) if span > 0 else None,
                "cost": finite(nll[0] - curve.nll[0, 0]),
                "cost_ci95": interval(nll[1:] - curve.nll[0, 1:], clusters),
                "nll_difference": finite(nll[0] - level[0]),
                "nll_difference_ci95": interval(nll[1:] - level[1:], clusters),
                "nll_se_shots": finite(shots),
                "nll_se_seeds": finite(seeds),
            }
            for curve in curves
            for scale, nll, shots, seeds in zip(curve.axis, curve.nll, curve.shot_error, curve.seed_error, strict=True)
        ],
    }


def _block(curve: Curve, circuit: Circuit | None, clusters: int) -> dict[str, Any]:
    critical, censored = curve.critical()
    width = curve.crossover()
    after = int(np.searchsorted(curve.axis, critical[0]))
    inside = censored[0] == 0 and critical[0] > 0
    return {
        "block_dim": curve.block_dim,
        "lambda_c": finite(critical[0]),
        "ci95": curve.critical_interval(clusters),
        "censored": CENSORED[int(censored[0])],
        "two_qubit_gates": finite(curve.two_qubit_gates),
        "gain": finite(curve.gain[0]),
        "gain_ci95": interval(curve.gain[1:], clusters),
        "bracket": [float(curve.axis[after - 1]), float(curve.axis[after])] if inside else None,
        "crossover_decades": finite(width[0]),
        "crossover_ci95": interval(width[1:], clusters),
        "depth": None if circuit is None else finite(circuit.depth),
        "error_budget": None if circuit is None else finite(circuit.budget),
        "seeds": curve.seeds,
    }


def _best_blocks(curves: list[Curve], clusters: int) -> list[dict[str, Any]]:
    """n*(λ) at every noise scale that all blocks share, with the blocks that the data do not exclude."""
    best = []
    dims = np.array([0, *(curve.block_dim for curve in curves)])
    for scale in sorted(set.intersection(*(set(curve.axis.tolist()) for curve in curves))):
        values = np.stack([curves[0].level, *(curve.nll[curve.axis == scale][0] for curve in curves)])
        winner = dims[np.argmin(values, axis=0)]  # ties go to no blocks
        entry: dict[str, Any] = {"noise_scale": scale, "block_dim": int(winner[0]) or None}
        if clusters > 1:
            found, counts = np.unique(winner[1:], return_counts=True)
            entry["support"] = {str(dim): float(count / counts.sum()) for dim, count in zip(found, counts, strict=True)}
            entry["ci95"] = [int(dims[row]) for row in not_excluded(values, clusters)]
        else:
            entry |= {"support": None, "ci95": None}
        best.append(entry)
    return best


def not_excluded(values: np.ndarray, clusters: int) -> list[int]:
    """The rows that may be the lowest: none of the others is below them for certain.

    A row is left out if its paired difference to some other one is above 0 by a one-sided t test of a level that holds
    for all others at once (Bonferroni), so that the lowest row is in the set with 95 % probability or more.

    Args:
        values: ``(rows, 1 + R)`` estimates and paired replicates.
        clusters: documents behind the replicates, at least two.
    """
    from scipy import stats

    rows = len(values)
    bound = stats.t.ppf(1 - 0.05 / max(rows - 1, 1), clusters - 1) * np.sqrt(clusters / (clusters - 1))
    held = []
    for row in np.flatnonzero(np.isfinite(values[:, 0])):
        with np.errstate(invalid="ignore"):
            differences = values[row] - values
            errors = bound * differences[:, 1:].std(axis=1)
        if not (differences[:, 0] > errors).any():  # an error that is no number excludes nothing
            held.append(int(row))
    return held
