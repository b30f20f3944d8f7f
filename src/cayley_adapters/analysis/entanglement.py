"""Statistics of the blocks' entanglement: by layer and projection, and against random blocks of the same norm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.resampling import bootstrap_means
from cayley_adapters.circuits.entanglement import MEASURES, block_measures, distance_from_identity
from cayley_adapters.circuits.sizes import qubits_that_hold

__all__ = ["DIFFERENCE_COLUMNS", "ENTANGLEMENT_COLUMNS", "against_random", "projection_rows"]

LARGEST_PARTED = 64
"""Block dimension above which there are too many bipartitions to measure all of them."""

STATISTICS = ("mean", "se", "q05", "q95")
ENTANGLEMENT_COLUMNS = [
    *("compression_ratio", "block_dim", "seed", "layer", "projection"),
    *("bipartition", "kind", "blocks", "max_entropy"),
    *(f"{measure}_{statistic}" for measure in MEASURES for statistic in STATISTICS),
]
DIFFERENCE_COLUMNS = [
    *("compression_ratio", "block_dim", "projection", "bipartition", "measure", "seeds", "layers", "blocks"),
    *("trained", "random", "difference", "difference_ci95_low", "difference_ci95_high"),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high"),
]


def projection_rows(kinds: Mapping[str, np.ndarray], rotations: bool = True) -> list[dict[str, Any]]:
    """Statistics over the blocks of one projection, a row a bipartition and kind.

    ``_mean``, ``_q05`` and ``_q95`` describe the blocks; ``_se``, their standard deviation over √blocks, is the mean's
    error if blocks were independent. Blocks of one projection were trained together and are not quite.

    Args:
        kinds: ``trained`` or ``random`` → ``(B, d, d)``.
        rotations: whether they are; of other matrices there is but the distance, as of blocks that are cut in no or too
            many ways: of dimensions that are no power of two, or above :data:`LARGEST_PARTED`.

    Returns:
        Rows of :data:`ENTANGLEMENT_COLUMNS` from ``bipartition`` on; ``max_entropy`` in bits.
    """
    rows = []
    for kind, q in kinds.items():
        d = q.shape[-1]
        n = qubits_that_hold(d)
        parted = rotations and d & (d - 1) == 0 and d <= LARGEST_PARTED
        measured = block_measures(q) if parted else {"all": {"distance": distance_from_identity(q)}}
        largest = {name: 2.0 * min(size := len(name.split()), n - size) for name in measured if name != "all"}
        largest["all"] = float(np.mean(list(largest.values()))) if largest else 0.0
        for bipartition, measures in measured.items():
            row = {"bipartition": bipartition, "kind": kind, "blocks": len(q), "max_entropy": largest[bipartition]}
            for measure, values in measures.items():
                error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
                found = (values.mean(), error, *np.quantile(values, [0.05, 0.95]))
                row |= {f"{measure}_{name}": value for name, value in zip(STATISTICS, found, strict=True)}
            rows.append(row)
    return rows


def against_random(table: pd.DataFrame, *, replicates: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Trained against random blocks of the same norm, by projection and for ``all`` of them.

    Means are over all blocks, layers and seeds. Intervals are 95 % paired percentile bootstraps that draw whole layers,
    with all their blocks, seeds and projections and the random blocks that belong to them, since what is trained in one
    layer is not independent. They hold neither the spread over seeds nor one over models; a single layer has none.

    Args:
        table: rows of :data:`ENTANGLEMENT_COLUMNS`.
        replicates, seed: of the bootstrap.

    Returns:
        The table of :data:`DIFFERENCE_COLUMNS`; ``ratio`` is trained over random, empty where random is 0.
    """
    pooled = table.assign(projection="all") if table["projection"].nunique() > 1 else table.iloc[:0]
    keys = ["compression_ratio", "block_dim", "projection", "bipartition"]
    rows = []
    for key, group in pd.concat([table, pooled]).groupby(keys, sort=False):
        head = dict(zip(keys, key, strict=True)) | {
            "seeds": group["seed"].nunique(),
            "layers": group["layer"].nunique(),
            "blocks": int(group.loc[group["kind"] == "trained", "blocks"].sum()),
        }
        measures = [measure for measure in MEASURES if group[f"{measure}_mean"].notna().all()]
        rows += [head | row for row in _compared(group, measures, replicates, seed)]
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _compared(group: pd.DataFrame, measures: list[str], replicates: int, seed: int) -> list[dict[str, Any]]:
    means = [f"{measure}_mean" for measure in measures]
    sums = group[means].mul(group["blocks"], axis=0).assign(layer=group["layer"], kind=group["kind"])
    by_layer = sums.groupby(["kind", "layer"]).sum()
    trained, random = (by_layer.loc[kind].to_numpy().T for kind in ("trained", "random"))
    blocks = group[group["kind"] == "trained"].groupby("layer")["blocks"].sum().to_numpy(float)
    totals = np.concatenate([trained, random, [blocks]])
    layers = np.arange(len(blocks))
    draws = bootstrap_means(totals, layers, replicates, np.random.default_rng(seed))
    if len(layers) < 2:
        draws[:] = np.nan  # one layer cannot be resampled
    values = np.concatenate([totals.mean(axis=1, keepdims=True), draws], axis=1)  # column 0 is the estimate
    values = values[:-1] / values[-1]
    rows = []
    for index, measure in enumerate(measures):
        one, other = values[index], values[len(measures) + index]
        ratio = np.divide(one, other, out=np.full_like(one, np.nan), where=other > 0)
        row = {"measure": measure, "trained": one[0], "random": other[0]}
        for name, found in (("difference", one - other), ("ratio", ratio)):
            low, high = np.quantile(found[1:], [0.025, 0.975])
            row |= {name: found[0], f"{name}_ci95_low": low, f"{name}_ci95_high": high}
        rows.append(row)
    return rows
