"""What adapters recover without noise, by block dimension and beside classical controls, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.resampling import bootstrap_means

__all__ = ["DIFFERENCE_COLUMNS", "RECOVERY_COLUMNS", "recovery_tables"]

RECOVERY_COLUMNS = [
    *("compression_ratio", "method", "readout", "block_dim", "adapter_parameters", "seeds"),
    *("nll", "perplexity", "perplexity_ci95_low", "perplexity_ci95_high"),
    *("recovery", "recovery_ci95_low", "recovery_ci95_high"),
]
DIFFERENCE_COLUMNS = [
    *("compression_ratio", "method", "readout", "block_dim", "other_method", "other_block_dim"),
    *("nll_difference", "ci95_low", "ci95_high", "reversal"),
]
_KEYS = ["compression_ratio", "method", "readout", "block_dim"]


def recovery_tables(
    rows: pd.DataFrame,
    losses: np.ndarray,
    documents: np.ndarray,
    uncompressed: np.ndarray,
    compressed: Mapping[float, np.ndarray],
    *,
    replicates: int = 2000,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recovery of every method and block dimension, and the differences that matter.

    Recovery is (ppl_compressed − ppl)/(ppl_compressed − ppl_uncompressed). Intervals are 95 % paired percentile
    bootstraps over test documents: each draw counts for all models alike. They do not cover the spread over seeds,
    whose nll is averaged. The interval of recovery is empty where the loss that it is a share of may be none.

    Args:
        rows: one a trained adapter: ``compression_ratio, method, readout, block_dim, adapter_parameters, seed``;
            ``cayley`` is the method of blocks, and ``block_dim`` of a control is that whose parameters it matches, or
            not a number.
        losses: ``(rows, tokens)`` nats, row for row.
        documents: ``(tokens,)`` the document of each token.
        uncompressed: ``(tokens,)`` nats.
        compressed: for each compression ratio ``(tokens,)`` nats.
        replicates, seed: of the bootstrap.

    Returns:
        The table of :data:`RECOVERY_COLUMNS`, and that of :data:`DIFFERENCE_COLUMNS`: nll of blocks minus that of the
        next smaller ones (``reversal`` where it is above 0: larger blocks are worse), and nll of blocks with their
        signs minus that of each control that they are matched with.
    """
    ratios = list(compressed)
    stacked = np.concatenate([losses, [compressed[ratio] for ratio in ratios], [uncompressed]]).astype(np.float64)
    draws = bootstrap_means(stacked, documents, replicates, np.random.default_rng(seed))
    if len(np.unique(documents)) < 2:
        draws[:] = np.nan  # one document cannot be resampled
    values = np.concatenate([stacked.mean(axis=1, keepdims=True), draws], axis=1)  # column 0 is the estimate
    means = {
        key: (values[group.index].mean(axis=0), group)
        for key, group in rows.reset_index(drop=True).groupby(_KEYS, dropna=False, sort=True)
    }
    table = []
    for key, (nll, group) in means.items():
        lost = np.exp(values[len(rows) + ratios.index(key[0])]), np.exp(values[-1])
        recovery = (lost[0] - np.exp(nll)) / (lost[0] - lost[1]) if key[0] > 0 else np.full(len(nll), np.nan)
        record = dict(zip(_KEYS, key, strict=True)) | {
            "adapter_parameters": int(group["adapter_parameters"].iloc[0]),
            "seeds": group["seed"].nunique(),
            "nll": nll[0],
            "perplexity": np.exp(nll[0]),
            "recovery": recovery[0],
        }
        if (np.asarray(lost[0][1:]) <= lost[1][1:]).mean() > 0.01:
            recovery[1:] = np.nan  # where hardly anything is lost, a share of it says nothing
        for name, drawn in (("perplexity", np.exp(nll[1:])), ("recovery", recovery[1:])):
            record |= _interval(f"{name}_ci95", drawn)
        table.append(record)
    differences = [_difference(one, other, means[one][0] - means[other][0]) for one, other in _pairs(list(means))]
    return pd.DataFrame(table, columns=RECOVERY_COLUMNS), pd.DataFrame(differences, columns=DIFFERENCE_COLUMNS)


def _pairs(keys: list[tuple[Any, ...]]) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Blocks with the next smaller ones, and blocks with the controls of as many parameters."""
    blocks = [key for key in keys if key[1] == "cayley"]
    neighbours = [(larger, smaller) for smaller, larger in pairwise(blocks) if smaller[:3] == larger[:3]]
    matched = [
        (block, control)
        for block in blocks
        for control in keys
        if block[2] == "signed" and control[1] != "cayley" and (control[0], control[3]) == (block[0], block[3])
    ]
    return neighbours + matched


def _difference(one: tuple[Any, ...], other: tuple[Any, ...], values: np.ndarray) -> dict[str, Any]:
    named = dict(zip(_KEYS, one, strict=True)) | {"other_method": other[1], "other_block_dim": other[3]}
    between_blocks = other[1] == "cayley"
    reversal = bool(values[0] > 0) if between_blocks else None
    return named | {"nll_difference": values[0], "reversal": reversal} | _interval("ci95", values[1:])


def _interval(name: str, drawn: np.ndarray) -> dict[str, float]:
    """Central 95 % of the replicates."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {f"{name}_low": low, f"{name}_high": high}
