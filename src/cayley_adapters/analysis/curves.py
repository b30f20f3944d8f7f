"""Curves of nll over the noise scale, one a compression ratio and block dimension, with replicates of each point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cayley_adapters.analysis import MEASUREMENTS
from cayley_adapters.analysis.crossing import critical_noise, crossover, curve_at
from cayley_adapters.analysis.resampling import bootstrap_means, interval, seed_deviations
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.core.errors import CayleyError

__all__ = ["CENSORED", "Curve", "along_the_axis", "make_curves", "select_cells"]

_SAME = ("model", "compression", "ansatz", "executor", "backend", "layout", "mitigation", "targets")


CENSORED = {-1: "below", 0: None, 1: "above"}
"""What tables say of a critical noise that lies beyond an end of the axis."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One block dimension at one compression ratio.

    Attributes:
        compression_ratio, block_dim: which.
        axis: ``(L,)`` noise scales, the first 0.
        nll: ``(L, 1 + R)`` nats a token: the estimate, then R replicates; averaged over seeds.
        level: ``(1 + R)`` nats a token of the compressed model, the same documents drawn as in ``nll``.
        two_qubit_gates: mean over the blocks, preparation included.
        seeds: training seeds averaged over.
        seed_error: ``(L,)`` standard error of the mean over seeds, nats a token; not a number for one seed.
        shot_error: ``(L,)`` standard error from shots alone, nats a token; not a number where it was not measured.
    """

    compression_ratio: float
    block_dim: int
    axis: np.ndarray
    nll: np.ndarray
    level: np.ndarray
    two_qubit_gates: float
    seeds: int
    seed_error: np.ndarray
    shot_error: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """``(1 + R)`` G = nll_compressed − nll(λ = 0), nats a token."""
        return self.level - self.nll[0]

    @property
    def cost(self) -> np.ndarray:
        """``(L, 1 + R)`` C(λ) = nll(λ) − nll(0), nats a token."""
        return self.nll - self.nll[0]

    def critical(self, salt: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Critical noise of the estimate and of each replicate, ``(1 + R)``, and their censoring.

        A censored one is the bound that the axis gives: its end, or its smallest positive scale.

        Args:
            salt: what the axis leaves open is drawn by this number, where it is not to be drawn as for other curves.
        """
        estimate = critical_noise(self.axis, self.nll.T[:1], self.level[:1])
        rng = np.random.default_rng(self.block_dim if salt is None else (self.block_dim, salt))
        replicates = critical_noise(self.axis, self.nll.T[1:], self.level[1:], rng=rng)
        value, censored = (np.concatenate(pair) for pair in zip(estimate, replicates, strict=True))
        return value, censored

    def critical_interval(self, clusters: int) -> list[float | None]:
        """The 95 % interval of λ_c: None is an upper end beyond the axis, 0 a lower one below its positive scales.

        Args:
            clusters: documents behind the replicates; both ends are None for fewer than two.
        """
        value, censored = (part[1:] for part in self.critical())
        low, _ = interval(np.where(censored < 0, 0.0, value), clusters)
        _, high = interval(np.where(censored > 0, np.inf, value), clusters)
        return [low, high]

    def crossover(self) -> np.ndarray:
        """Decades from half the gain lost to twice the gain lost, ``(1 + R)``, see :func:`crossing.crossover`."""
        rng = np.random.default_rng(self.block_dim)
        estimate = crossover(self.axis, self.nll[:, :1].T, self.level[:1])
        return np.concatenate([estimate, crossover(self.axis, self.nll.T[1:], self.level[1:], rng)])


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


def along_the_axis(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of the compression ratios that were run under noise; all where none was.

    The uncompressed model may have been run without noise alone, as a yardstick.
    """
    noisy = cells.loc[cells["noise_scale"] > 0, "compression_ratio"].unique()
    return cells[cells["compression_ratio"].isin(noisy)] if len(noisy) else cells


def make_curves(
    cells: pd.DataFrame,
    losses: np.ndarray,
    documents: np.ndarray,
    compressed: Mapping[float, np.ndarray],
    *,
    bootstrap: int,
    seed: int,
    salt: int | None = None,
    seed_salt: int | None = None,
) -> list[Curve]:
    """The curve of every compression ratio and block dimension.

    Replicates hold test documents, drawn alike for all curves, and, with two or more seeds, their spread. Shots that
    are drawn anew for every token are part of the documents' losses; those that measured a block once
    (``characterised``) are common to all documents, and their standard error ``nll_se_shots`` is drawn beside.

    Args:
        cells: rows of ``phase_diagram.csv`` at one readout and number of shots.
        losses: ``(rows, tokens)`` nats, row for row.
        documents: ``(tokens,)``.
        compressed: for each compression ratio ``(tokens,)`` nats.
        bootstrap, seed: replicates, and the seed of their draws.
        salt: draws of shots and seeds are those of this number, where documents are to be drawn as for other curves.
        seed_salt: draws of seeds are those of this number instead: the same one pairs the seeds of curves of the same
            ratios, block dimensions and numbers of seeds.

    Raises:
        CayleyError: a ratio has no compressed model, or an axis lacks 0.
    """
    nll = losses.mean(axis=1, dtype=np.float64)
    levels = {round(float(ratio), 9): np.asarray(values) for ratio, values in compressed.items()}
    ratios = sorted(cells["compression_ratio"].unique())
    if missing := [float(ratio) for ratio in ratios if round(float(ratio), 9) not in levels]:
        raise CayleyError(f"no losses of the compressed model at compression ratio {missing}; there are {list(levels)}")
    references = np.stack([levels[round(float(ratio), 9)] for ratio in ratios])
    rng = np.random.default_rng(seed)
    draws = bootstrap_means(np.concatenate([losses, references]), documents, bootstrap, rng)
    rng = rng if salt is None else np.random.default_rng((seed, salt))
    means = np.concatenate([nll, references.mean(axis=1, dtype=np.float64)])[:, None]
    values = np.concatenate([means, draws], axis=1)  # column 0 is the estimate, the others are replicates
    values[np.isnan(values)] = np.inf
    once = [name for name, readout in READOUTS.items() if readout.once]
    if cells["readout"].isin(once).any() and "nll_se_shots" in cells:
        values[: len(cells), 1:] += _shared_shots(cells, bootstrap, rng)
    rng = rng if seed_salt is None else np.random.default_rng((seed, seed_salt))
    curves = []
    keys = zip(cells["compression_ratio"], cells["block_dim"], strict=True)
    owners = pd.Series(list(keys)).map(lambda key: (float(key[0]), int(key[1])))
    for ratio, dim in sorted(owners.unique()):
        of_curve = np.flatnonzero(owners.map(lambda key, wanted=(ratio, dim): key == wanted))
        level = values[len(cells) + ratios.index(ratio)]
        curves.append(_curve(cells.iloc[of_curve], values[of_curve], level, rng))
    return curves


def _shared_shots(cells: pd.DataFrame, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of what one measurement of all blocks adds to a cell's nll, ``(rows, R)``.

    Each cell's standard error comes from few measurements. Those of all seeds of a block dimension are pooled where
    they do not grow with the noise: by isotonic regression of their squares, since blocks that noise has ruined say
    nothing of others. They are drawn with Student's t of as many degrees of freedom as all that were pooled have.
    """
    from scipy.optimize import isotonic_regression

    spread, freedom = np.zeros(len(cells)), np.ones(len(cells))
    squares = cells["nll_se_shots"].astype(float).fillna(0).to_numpy() ** 2
    scales = cells["noise_scale"].to_numpy(dtype=float)
    for rows in cells.reset_index(drop=True).groupby(["compression_ratio", "block_dim"]).indices.values():
        at = np.unique(scales[rows], return_inverse=True)[1]
        counts = np.bincount(at)
        means = np.bincount(at, squares[rows]) / counts
        fit = isotonic_regression(means, weights=counts)
        pooled = np.repeat(fit.weights, np.diff(fit.blocks))
        spread[rows], freedom[rows] = np.sqrt(fit.x[at]), (MEASUREMENTS - 1) * pooled[at]
    return spread[:, None] * rng.standard_t(freedom[:, None], size=(len(cells), replicates))


def _curve(cells: pd.DataFrame, values: np.ndarray, level: np.ndarray, rng: np.random.Generator) -> Curve:
    """One curve; ``values`` is (cells, 1 + R) and ``level`` (1 + R)."""
    axis, by_seed = _common_axis(cells, values, level)
    nll, seeds = by_seed.mean(axis=0), len(by_seed)
    with np.errstate(invalid="ignore"):
        nll[:, 1:] += seed_deviations(by_seed[..., 0], nll.shape[1] - 1, rng)
    nll[np.isnan(nll)] = np.inf  # a loss without bound in one seed is none in their mean
    with np.errstate(invalid="ignore"):
        spread = by_seed[..., 0].std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.full(len(axis), np.nan)
    return Curve(
        float(cells["compression_ratio"].iloc[0]),
        int(cells["block_dim"].iloc[0]),
        axis,
        nll,
        level,
        float(cells["two_qubit_gates"].mean()),
        seeds,
        spread,
        _shot_error(cells, axis),
    )


def _shot_error(cells: pd.DataFrame, axis: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the seeds that were run at each noise scale, from shots alone."""
    if "nll_se_shots" not in cells:
        return np.full(len(axis), np.nan)
    squares = cells.assign(square=cells["nll_se_shots"].astype(float) ** 2).groupby("noise_scale")["square"]
    return np.sqrt((squares.mean() / squares.size()).reindex(axis).to_numpy())


def _common_axis(cells: pd.DataFrame, values: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Noise scales, and the curve of each seed on them, ``(S, L, 1 + R)``.

    Where refining gave each seed scales of its own, all are used up to where every seed's axis reaches.
    """
    scale, seed = cells["noise_scale"].to_numpy(dtype=float), cells["seed"].to_numpy()
    axes = [np.sort(scale[seed == each]) for each in np.unique(seed)]
    where = f"compression ratio {cells['compression_ratio'].iloc[0]}, block_dim {cells['block_dim'].iloc[0]}"
    if any(len(np.unique(axis)) < len(axis) or axis[0] != 0 for axis in axes):
        raise CayleyError(
            f"a seed's noise scales must start at 0, each given once; at {where} they are {[a.tolist() for a in axes]}"
        )
    curves = [
        values[seed == each][np.argsort(scale[seed == each], kind="stable")].T for each in np.unique(seed)
    ]  # (1 + R, L) each
    if all(np.array_equal(axis, axes[0]) for axis in axes):
        return axes[0], np.stack([curve.T for curve in curves])
    union = np.unique(np.concatenate(axes))
    low, high = max(axis[1] if len(axis) > 1 else 0.0 for axis in axes), min(axis[-1] for axis in axes)
    union = union[(union == 0) | ((union >= low) & (union <= high))]
    filled = [curve_at(axis, curve, union, level - curve[:, 0]) for axis, curve in zip(axes, curves, strict=True)]
    return union, np.stack([curve.T for curve in filled])
