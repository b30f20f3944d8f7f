"""Models compared on the same documents of a task, and the documents on which they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.core.statistics import holm
from cayley_adapters.questions.statistics import mcnemar, paired_interval, wilson

__all__ = ["FLIP_COLUMNS", "PAIR_COLUMNS", "compared_pairs", "flips", "intervals", "pairs_of"]

PAIR_COLUMNS = [
    *("first", "second", "task", "metric", "filter", "documents"),
    *("both_right", "only_first", "only_second", "both_wrong"),
    *("difference", "difference_ci95_low", "difference_ci95_high", "test", "p", "p_holm", "comparisons"),
]
FLIP_COLUMNS = [
    *("first", "second", "task", "metric", "direction", "number", "question", "right_answer"),
    *("answer_first", "answer_second"),
]
DRAWS = 10_000
"""Replicates of the bootstrap over documents."""

SAME = ("byte_perplexity", "bits_per_byte")
"""Metrics of the same sums of log-likelihoods as ``word_perplexity``: to test both would be to test one thing twice."""


def pairs_of(models: pd.DataFrame) -> list[tuple[str, str]]:
    """What is compared: each model with what it was made of, and exact blocks with noisy ones and with LoRA.

    Args:
        models: a row a model, see :data:`cayley_adapters.questions.benchmarks.tables.OF_A_MODEL`.
    """
    found = list[tuple[str, str]]()
    plain = models[models["method"] == "compressed"].set_index("compression_ratio")["arm"].to_dict()
    exact = models[(models["method"] == "cayley") & (models["executor"] == "exact")]
    blocks = exact.set_index(["compression_ratio", "block_dim"])["arm"].to_dict()
    for row in models.itertuples():
        if row.method == "uncompressed":
            continue
        whole = row.method == "compressed" or not row.compression_ratio
        found.append(("uncompressed" if whole else plain[row.compression_ratio], row.arm))
        same = blocks.get((row.compression_ratio, row.block_dim))
        if same not in (None, row.arm):
            found.append((str(same), row.arm))
    return found


def compared_pairs(pairs: list[tuple[str, str]], scores: pd.DataFrame) -> pd.DataFrame:
    """Test every pair on every task: McNemar's exact test of right answers, else a bootstrap over documents.

    Args:
        pairs: names of two models each.
        scores: :data:`cayley_adapters.questions.benchmarks.asking.SCORE_COLUMNS`.

    Returns:
        The table of :data:`PAIR_COLUMNS`. ``difference`` is the second's mean score minus the first's: a share of right
        answers, or nats a word or document by which log-likelihood is higher. Its interval is Newcombe's, or holds the
        middle 95 % of the replicates, and is not adjusted; ``p_holm`` is, for all comparisons of the table.
    """
    rows = []
    for (task, metric, filtered), part in _tested(scores):
        by_arm = dict(tuple(part.groupby("arm", sort=False)))
        for first, second in pairs:
            if first in by_arm and second in by_arm:
                about = [first, second, task, metric, filtered]
                rows.append([*about, *_compared(_aligned(by_arm[first], by_arm[second])), math.nan, 0])
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    counts = ["both_right", "only_first", "only_second", "both_wrong"]
    table[counts] = table[counts].astype("Int64")
    return table.assign(p_holm=holm(table["p"].tolist()), comparisons=len(table))


def flips(pairs: list[tuple[str, str]], scores: pd.DataFrame, documents: pd.DataFrame) -> pd.DataFrame:
    """Every document that one model of a pair gets right and the other wrong, with both answers.

    Args:
        pairs: names of two models each.
        scores: of all models.
        documents: :data:`cayley_adapters.questions.benchmarks.asking.DOCUMENT_COLUMNS`.
    """
    texts = documents.set_index(["task", "number"])
    rows = []
    for (task, metric, _), part in _tested(scores):
        by_arm = dict(tuple(part.groupby("arm", sort=False)))
        for first, second in pairs:
            if first not in by_arm or second not in by_arm:
                continue
            both = _aligned(by_arm[first], by_arm[second])
            if not _marks(both):
                continue
            for direction, sign in (("lost", -1), ("gained", 1)):
                for row in both[both["score_b"] - both["score_a"] == sign].itertuples():
                    text = texts.loc[(task, row.number)]
                    told = [first, second, task, metric, direction, row.number]
                    rows.append([*told, text["question"], text["right_answer"], row.answer_a, row.answer_b])
    return pd.DataFrame(rows, columns=FLIP_COLUMNS)


def intervals(scores: pd.DataFrame) -> dict[tuple[str, str, str, str], tuple[float, float]]:
    """Arm, task, metric and filter → the 95 % interval of its value over documents.

    Of right answers it is Wilson's, of all else the middle 95 % of a bootstrap; nothing where a score is no number.
    """
    found = {}
    for key, part in scores.groupby(["arm", "task", "metric", "filter"], sort=False):
        values, weights = part["score"].to_numpy(float), part["weight"].fillna(1).to_numpy(float)
        if not np.isfinite(values).all():
            continue
        metric = key[2]
        if set(np.unique(values)) <= {0.0, 1.0} and part["weight"].isna().all():
            low, high = wilson(int(values.sum()), len(values))
        else:
            means = _bootstrap(values, weights)
            with np.errstate(over="ignore"):
                shown = _shown(metric, means)
            low, high = np.percentile(shown, [2.5, 97.5]).tolist()
        found[key] = (low, high)
    return found


def _shown(metric: str, means: np.ndarray) -> np.ndarray:
    """What the harness makes of mean scores."""
    if metric.endswith("perplexity"):
        found: np.ndarray = np.exp(-means)
        return found
    return -means / math.log(2) if metric == "bits_per_byte" else means


def _tested(scores: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    for key, part in scores.groupby(["task", "metric", "filter"], sort=False):
        there = set(scores.loc[scores["task"] == key[0], "metric"])
        again = key[1] in SAME and "word_perplexity" in there
        if not again and np.isfinite(part["score"].to_numpy(float)).all():
            yield key, part


def _aligned(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Both models' scores of the documents that both have, a row a document."""
    return one.merge(other, on="number", suffixes=("_a", "_b"))


def _marks(both: pd.DataFrame) -> bool:
    """Whether scores say right or wrong."""
    values = set(both["score_a"]) | set(both["score_b"])
    return values <= {0.0, 1.0} and bool(both["weight_a"].isna().all())


def _compared(both: pd.DataFrame) -> list[Any]:
    """From ``documents`` to ``p`` of :data:`PAIR_COLUMNS`."""
    if _marks(both):
        first, second = both["score_a"].to_numpy() == 1, both["score_b"].to_numpy() == 1
        counts = [int(np.sum(cell)) for cell in (first & second, first & ~second, ~first & second, ~first & ~second)]
        difference = float(second.mean() - first.mean())
        low, high = paired_interval(*counts)
        return [len(both), *counts, difference, low, high, "McNemar", mcnemar(counts[1], counts[2])]
    change, weights = (both["score_b"] - both["score_a"]).to_numpy(float), both["weight_a"].fillna(1).to_numpy(float)
    means = _bootstrap(change, weights)
    low, high = np.percentile(means, [2.5, 97.5]).tolist()
    tail = min(int(np.sum(means <= 0)), int(np.sum(means >= 0)))
    # Few documents that all change alike are never drawn otherwise; no test of n signs gives less than 2^(1 - n).
    p = min(max(2 * (tail + 1) / (DRAWS + 1), 2.0 ** (1 - len(both))), 1.0)
    return [len(both), None, None, None, None, change.sum() / weights.sum(), low, high, "bootstrap", p]


def _bootstrap(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of documents drawn with replacement, ``(DRAWS,)``; the same draws for every model."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(10):  # not all at once: of ten thousand documents that would be a gigabyte
        drawn = rng.integers(len(values), size=(DRAWS // 10, len(values)))
        found.append(values[drawn].sum(axis=1) / weights[drawn].sum(axis=1))
    return np.concatenate(found)
