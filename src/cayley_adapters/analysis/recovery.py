"""What adapters recover without noise, by block dimension and beside classical controls, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.repair import adaptation, repair
from cayley_adapters.analysis.resampling import bootstrap_means, interval, p_value
from cayley_adapters.core.statistics import holm

__all__ = ["DIFFERENCE_COLUMNS", "RECOVERY_COLUMNS", "recovery_tables"]

RECOVERY_COLUMNS = [
    *("compression_ratio", "method", "readout", "block_dim", "adapter_parameters", "seeds"),
    *("nll", "perplexity", "perplexity_ci95_low", "perplexity_ci95_high"),
    *("recovery", "recovery_ci95_low", "recovery_ci95_high"),
    *("adaptation", "adaptation_ci95_low", "adaptation_ci95_high"),
    *("repair", "repair_ci95_low", "repair_ci95_high"),
]
DIFFERENCE_COLUMNS = [
    *("compression_ratio", "method", "readout", "block_dim", "other_method", "other_block_dim"),
    *("nll_difference", "ci95_low", "ci95_high", "reversal", "p", "p_holm", "comparisons"),
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

    Recovery is (ppl_compressed − ppl)/(ppl_compressed − ppl_uncompressed), which adaptation to the text is part of;
    adaptation and repair are those of :mod:`cayley_adapters.analysis.repair`, and empty where the same adapter was not
    trained on the uncompressed model (compression ratio 0). Intervals are 95 % paired bootstraps over test documents,
    expanded for their number: each draw counts for all models alike. They do not cover the spread over seeds, whose nll
    is averaged. An interval is empty where the loss that its figure is a share of may be none.

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
    clusters = len(np.unique(documents))
    values = np.concatenate([stacked.mean(axis=1, keepdims=True), draws], axis=1)  # column 0 is the estimate
    means = {
        key: (values[group.index].mean(axis=0), group)
        for key, group in rows.reset_index(drop=True).groupby(_KEYS, dropna=False, sort=True)
    }
    table = []
    for key, (nll, group) in means.items():
        level, plain = values[len(rows) + ratios.index(key[0])], values[-1]
        lost, none = (np.exp(level), np.exp(plain)), np.full(len(nll), np.nan)
        recovery = (lost[0] - np.exp(nll)) / (lost[0] - lost[1]) if key[0] > 0 else none
        adapted = next((found for other, (found, _) in means.items() if _same_adapter(other, key)), none)
        adapts = adaptation(plain, adapted)
        repaired = repair(nll, adapted, level, plain) if key[0] > 0 else none
        record = dict(zip(_KEYS, key, strict=True)) | {
            "adapter_parameters": int(group["adapter_parameters"].iloc[0]),
            "seeds": group["seed"].nunique(),
            "nll": nll[0],
            "perplexity": np.exp(nll[0]),
            "recovery": recovery[0],
            "adaptation": adapts[0],
            "repair": repaired[0],
        }
        if (level[1:] <= plain[1:]).mean() > 0.01:
            recovery[1:] = repaired[1:] = np.nan  # where hardly anything is lost, a share of it says nothing
        shown = {"perplexity": np.exp(nll), "recovery": recovery, "adaptation": adapts, "repair": repaired}
        for name, drawn in shown.items():
            record |= _interval(f"{name}_ci95", drawn[1:], clusters)
        table.append(record)
    found = [_difference(one, other, means[one][0] - means[other][0], clusters) for one, other in _pairs(list(means))]
    differences = pd.DataFrame(found, columns=DIFFERENCE_COLUMNS)
    tested = differences["p"].notna()
    differences.loc[tested, "p_holm"] = holm(differences.loc[tested, "p"].astype(float).tolist())
    differences["comparisons"] = int(tested.sum())
    return pd.DataFrame(table, columns=RECOVERY_COLUMNS), differences


def _same_adapter(other: tuple[Any, ...], key: tuple[Any, ...]) -> bool:
    """Whether one is the other's adapter on the uncompressed model; a size that is not a number is the only one."""
    alike = other[1:3] == key[1:3] and (other[3] == key[3] or (np.isnan(other[3]) and np.isnan(key[3])))
    return bool(other[0] == 0 and alike)


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


def _difference(one: tuple[Any, ...], other: tuple[Any, ...], values: np.ndarray, clusters: int) -> dict[str, Any]:
    named = dict(zip(_KEYS, one, strict=True)) | {"other_method": other[1], "other_block_dim": other[3]}
    between_blocks = other[1] == "cayley"
    reversal = bool(values[0] > 0) if between_blocks else None
    estimate = {"nll_difference": values[0], "reversal": reversal, "p": p_value(values, clusters)}
    return named | estimate | _interval("ci95", values[1:], clusters)


def _interval(name: str, drawn: np.ndarray, clusters: int) -> dict[str, float]:
    ends = zip(("low", "high"), interval(drawn, clusters), strict=True)
    return {f"{name}_{end}": np.nan if value is None else value for end, value in ends}
