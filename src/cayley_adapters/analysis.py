"""Where noise eats the gain: critical noise with paired bootstrap intervals, the best blocks and a scaling law.

With nll(n, λ) the mean negative log-likelihood (nats a token) of a model whose blocks have n qubits and run at noise
scale λ, and nll_compressed that of the same compressed model without blocks, at one readout and one number of shots:

    gain G(n) = nll_compressed − nll(n, 0)          cost C(n, λ) = nll(n, λ) − nll(n, 0)

A cell is expressive where G > C, that is nll(n, λ) < nll_compressed, and noise-dominated where C > G. The critical
noise λ_c(n) is the first λ at which the two are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.errors import CayleyError

__all__ = ["bootstrap_means", "critical_noise", "scaling_law", "select_cells", "transition"]

_SAME = ("model", "compression", "ansatz", "executor", "backend", "layout", "mitigation", "targets")
_CENSORED = {-1: "below", 0: None, 1: "above"}
_DEFINITION = (
    "lambda_c is the first noise scale at which the model with blocks has the nll of the compressed model without "
    "blocks, at the same test tokens; nll is averaged over training seeds and interpolated linearly in log(noise "
    "scale) between positive grid points. It is 0 where the blocks do not help even without noise; 'above': never "
    "reached, lambda_c is the end of the axis (a lower bound); 'below': already passed at the smallest positive noise "
    "scale, which lambda_c then is (an upper bound). ci95 is a paired percentile bootstrap over test documents, in "
    "which a censored replicate counts with its bound; it does not cover the spread over training seeds."
)
_UNITS = {
    "lambda_c": "noise scale: 0 ideal, 1 the device as calibrated",
    "nll_compressed": "nats a token",
    "nll_uncompressed": "nats a token",
    "gain": "nats a token: nll_compressed - nll(block_dim, noise scale 0)",
    "two_qubit_gates": "two-qubit gates a block, preparation included, mean over blocks",
    "recovery_nll": "share: (nll_compressed - nll) / (nll_compressed - nll_uncompressed)",
}


def critical_noise(
    noise_scales: np.ndarray, nll: np.ndarray, nll_compressed: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """The first noise scale at which each curve reaches the compressed model's nll.

    Between positive grid points nll is linear in log λ:
    ln λ_c = ln λ_i + (nll_compressed − nll_i) / (nll_{i+1} − nll_i) · (ln λ_{i+1} − ln λ_i).
    A loss that is not a number counts as above every level.

    Args:
        noise_scales: ``(L,)`` increasing, the first 0.
        nll: ``(…, L)`` nats a token.
        nll_compressed: ``(…)`` or one number, nats a token.

    Returns:
        λ_c ``(…)``, 0 where nll at λ = 0 is not below the level, and its censoring ``(…)``: −1 already above the level
        at the smallest positive λ (λ_c is that λ, an upper bound), 1 never reached (λ_c is the last λ), 0 otherwise.

    Raises:
        CayleyError: the axis does not start at 0, does not increase, or has another length than the curves.

    Example:
        >>> value, censored = critical_noise([0, 1, 4], [[1.0, 1.5, 2.5]], 2.0)
        >>> round(float(value[0]), 6), int(censored[0])
        (2.0, 0)
    """
    axis = np.asarray(noise_scales, dtype=float)
    curves = np.asarray(nll, dtype=float)
    if axis.ndim != 1 or not len(axis) or axis[0] != 0 or (np.diff(axis) <= 0).any():
        raise CayleyError(f"a noise axis must start at 0 and increase, not {axis.tolist()}; add 0 to sweep.noise_scale")
    if curves.shape[-1:] != axis.shape:
        raise CayleyError(f"curves of shape {curves.shape} do not fit {len(axis)} noise scales")
    curves = np.where(np.isnan(curves), np.inf, curves)
    level = np.broadcast_to(np.asarray(nll_compressed, dtype=float), curves.shape[:-1])
    reached = curves >= level[..., None]
    never = ~reached.any(-1)
    after = np.where(never, len(axis) - 1, reached.argmax(-1))
    before = np.maximum(after - 1, 0)
    low = np.take_along_axis(curves, before[..., None], -1)[..., 0]
    high = np.take_along_axis(curves, after[..., None], -1)[..., 0]
    inside = ~never & (after > 1)
    share = np.divide(level - low, high - low, out=np.zeros(level.shape), where=inside)
    logs = np.log(np.where(axis > 0, axis, 1.0))
    value = np.where(inside, np.exp(logs[before] + share * (logs[after] - logs[before])), axis[after])
    return value, np.where(never, 1, np.where((after == 1) & (high > level), -1, 0))


def bootstrap_means(losses: np.ndarray, documents: np.ndarray, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Mean losses when whole documents are drawn with replacement, the same draw for every row (paired).

    Each replicate's mean is a ratio of sums, Σ_g w_g S_g / Σ_g w_g N_g, with w the multinomial counts of the drawn
    documents, S_g a document's summed loss and N_g its tokens.

    Args:
        losses: ``(rows, tokens)`` nats.
        documents: ``(tokens,)`` the document of each token.
        replicates: how many draws.
        rng: the source of the draws.

    Returns:
        ``(rows, replicates)`` float64, nats a token.
    """
    _, owner, sizes = np.unique(documents, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(owner, row, minlength=len(sizes)) for row in np.asarray(losses)])
    counts = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=replicates).astype(float)
    with np.errstate(invalid="ignore"):
        return (sums @ counts.T) / (counts @ sizes)


def select_cells(cells: pd.DataFrame, readout: str, shots: float, executor: str | None = None) -> np.ndarray:
    """Positions of the rows of ``phase_diagram.csv`` at one readout, one number of shots and, if given, one executor.

    Raises:
        CayleyError: no row is left, or the rows mix models, devices or other settings that must not be averaged.
    """
    chosen = (cells["readout"] == readout) & (pd.to_numeric(cells["shots"]) == float(shots))
    if executor is not None:
        chosen &= cells["executor"] == executor
    if not chosen.any():
        known = cells[["readout", "shots", "executor"]].drop_duplicates().astype(str)
        raise CayleyError(
            f"no cell has readout {readout}, {shots} shots and {executor or 'any'} executor; "
            f"there are: {'; '.join(', '.join(row) for row in known.to_numpy())}"
        )
    for column in _SAME:
        if column in cells and len(values := cells.loc[chosen, column].astype(str).unique()) > 1:
            raise CayleyError(f"the cells mix {column} {', '.join(values)}; give one of them at a time")
    return np.flatnonzero(chosen)


def scaling_law(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit λ_c = a · g^(−b), g two-qubit gates a block, by least squares in logarithms.

    Args:
        blocks: entries of ``transition.json``'s ``blocks``, of all ratios; censored ones and those with g = 0 or
            λ_c = 0 are left out.

    Returns:
        ``model``, ``a`` (noise scale at one gate), ``b``, ``points`` used and a ``note`` on its worth; ``a``
        and ``b`` are None where the points hold fewer than two distinct gate counts (to the nearest gate).
    """
    points = [
        (block["two_qubit_gates"], block["lambda_c"])
        for block in blocks
        if block["censored"] is None and (block["two_qubit_gates"] or 0) > 0 and (block["lambda_c"] or 0) > 0
    ]
    law = {"model": "lambda_c = a * two_qubit_gates ** -b", "a": None, "b": None, "points": len(points)}
    distinct = len({round(gates) for gates, _ in points})
    if distinct < 2:
        few = "no uncensored point" if not distinct else "one distinct gate count"
        return {**law, "note": f"not fitted: {few}, and two distinct gate counts are needed"}
    slope, offset = np.polyfit(*np.log(np.array(points)).T, 1)
    note = f"least squares in logarithms over {distinct} distinct gate counts; censored points left out"
    if distinct == 2:
        note += "; with two gate counts the fit has no degrees of freedom left: it describes and does not test the law"
    return {**law, "a": float(np.exp(offset)), "b": float(-slope), "note": note}


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
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The content of ``transition.json`` for one model: boundaries, their intervals, best blocks and the scaling law.

    Args:
        cells: rows of ``phase_diagram.csv`` of one model, of any readout and shots; those chosen below count.
        losses: ``(rows, tokens)`` nll of each test token in nats, row for row as ``cells``.
        documents: ``(tokens,)`` the document of each test token.
        compressed: for each compression ratio the compressed model's nll of each test token, ``(tokens,)`` nats.
        nll_uncompressed: the uncompressed model's mean nll, nats a token.
        readout, shots, executor: the cells that count; unlimited shots are ``inf``, and the executor may be left out
            where only one has that readout and shots.
        bootstrap: replicates for the 95 % intervals.
        seed: of the bootstrap.

    Returns:
        A dict that ``json.dumps(…, allow_nan=False)`` accepts; what is not a number is None.

    Raises:
        CayleyError: shapes do not fit, losses are those of other cells, a ratio has no compressed model, an axis lacks
            0, seeds have different noise axes, or rows mix settings that must not be averaged.
    """
    losses, documents = np.asarray(losses), np.asarray(documents)
    shapes = {losses.shape[1:], *(np.shape(values) for values in compressed.values())}
    if len(losses) != len(cells) or shapes != {documents.shape}:
        raise CayleyError(
            f"{len(cells)} cells and {documents.shape} tokens do not fit losses of shape {losses.shape} and compressed "
            f"models' losses of shapes {[np.shape(values) for values in compressed.values()]}"
        )
    rows = select_cells(cells, readout, shots, executor)
    chosen, losses = cells.iloc[rows], losses[rows]
    nll = losses.mean(axis=1, dtype=np.float64)
    stated = chosen["nll"].to_numpy(dtype=float)
    both = np.isfinite(stated) & np.isfinite(nll)
    if not np.allclose(stated[both], nll[both], rtol=1e-3, atol=1e-3):
        raise CayleyError("the token losses are not those of the cells' nll column: give both in the same order")
    levels = {round(float(ratio), 9): np.asarray(values) for ratio, values in compressed.items()}
    ratios = sorted(chosen["compression_ratio"].unique())
    if missing := [float(ratio) for ratio in ratios if round(float(ratio), 9) not in levels]:
        raise CayleyError(f"no losses of the compressed model at compression ratio {missing}; there are {list(levels)}")
    references = np.stack([levels[round(float(ratio), 9)] for ratio in ratios])
    draws = bootstrap_means(np.concatenate([losses, references]), documents, bootstrap, np.random.default_rng(seed))
    means = np.concatenate([nll, references.mean(axis=1, dtype=np.float64)])[:, None]
    values = np.concatenate([means, draws], axis=1)  # column 0 is the estimate, the others are replicates
    values[np.isnan(values)] = np.inf
    clusters = len(np.unique(documents))
    parts = []
    for position, ratio in enumerate(ratios):
        of_ratio = (chosen["compression_ratio"] == ratio).to_numpy()
        level = values[len(rows) + position]
        parts.append(_ratio(chosen[of_ratio], values[: len(rows)][of_ratio], level, nll_uncompressed, clusters > 1))
    return {
        "ratios": parts,
        "scaling": scaling_law([block for part in parts for block in part["blocks"]]),
        "readout": readout,
        "executor": str(chosen["executor"].iloc[0]),
        "shots": int(shots) if np.isfinite(shots) else "inf",
        "nll_uncompressed": _number(nll_uncompressed),
        "bootstrap": {"replicates": bootstrap, "seed": seed, "documents": clusters, "tokens": len(documents)},
        "units": dict(_UNITS),
        "definition": _DEFINITION,
    }


def _ratio(cells: pd.DataFrame, values: np.ndarray, level: np.ndarray, uncompressed: float, resampled: bool) -> dict:
    """One entry of ``ratios``; ``values`` is (cells, 1 + replicates) and ``level`` (1 + replicates)."""
    blocks, recovery, curves = [], [], {}
    span = level[0] - uncompressed
    for dim, group in cells.groupby("block_dim", sort=True):
        mean = values[cells["block_dim"].to_numpy() == dim]
        axis = _axis(group)
        scale = group["noise_scale"].to_numpy()
        curve = np.stack([mean[scale == each].mean(axis=0) for each in axis])
        critical, censored = critical_noise(axis, curve.T, level)
        gain = level - curve[0]
        blocks.append(
            {
                "block_dim": int(dim),
                "lambda_c": _number(critical[0]),
                "ci95": _interval(critical[1:], resampled),
                "censored": _CENSORED[int(censored[0])],
                "two_qubit_gates": _number(group["two_qubit_gates"].mean()),
                "gain": _number(gain[0]),
                "gain_ci95": _interval(gain[1:], resampled),
            }
        )
        for each, value in zip(axis, curve[:, 0], strict=True):
            curves.setdefault(float(each), []).append((float(value), int(dim)))
            share = _number((level[0] - value) / span) if span > 0 else None
            recovery.append({"block_dim": int(dim), "noise_scale": float(each), "value": share})
    best = []
    for each in sorted(curves):
        value, dim = min(curves[each])
        best.append({"noise_scale": each, "block_dim": dim if value < level[0] else None})
    return {
        "compression_ratio": float(cells["compression_ratio"].iloc[0]),
        "nll_compressed": _number(level[0]),
        "blocks": blocks,
        "best_block": best,
        "recovery_nll": recovery,
    }


def _axis(group: pd.DataFrame) -> np.ndarray:
    """The increasing noise axis of one block dimension, the same for all its seeds."""
    axes = [tuple(sorted(of_seed)) for _, of_seed in group.groupby("seed")["noise_scale"]]
    if len(set(axes)) > 1 or len(set(axes[0])) < len(axes[0]):
        where = f"compression ratio {group['compression_ratio'].iloc[0]}, block_dim {group['block_dim'].iloc[0]}"
        raise CayleyError(f"seeds must share one noise axis with each scale once; at {where} they have {axes}")
    return np.array(axes[0], dtype=float)


def _interval(draws: np.ndarray, resampled: bool) -> list[float | None]:
    """Central 95 % of the replicates; empty with one document, which cannot be resampled."""
    if not resampled or not len(draws):
        return [None, None]
    return [_number(bound) for bound in np.quantile(draws, [0.025, 0.975])]


def _number(value: float) -> float | None:
    """A plain float, or None for what JSON cannot hold."""
    return float(value) if np.isfinite(value) else None
