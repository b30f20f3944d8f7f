"""Which projections are worth their noise: what the blocks of each gain, and what noise in them alone costs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cayley_adapters.core.tables import read_table

__all__ = ["RANKING_COLUMNS", "best_ranked", "rank", "read_ranking"]

RANKING_COLUMNS = ["rank", "projection", "layer", "inputs", "gain", "gain_se", "cost", "cost_se"]
"""``gain``: what the loss rises by without the projection's blocks; ``cost``: what it rises by where they alone run on
the device, at ten times its noise; both in nats a token, all other blocks in exact arithmetic."""


def rank(table: pd.DataFrame) -> pd.DataFrame:
    """Order projections by their gain for each unit of noise cost.

    A cost is taken to be no less than its standard error, nor than a hundredth of the largest, for a cost of about
    nothing would make any ratio. Projections that gain nothing come last, those that cost least first.

    Args:
        table: all columns of :data:`RANKING_COLUMNS` but ``rank``.

    Returns:
        The rows, best first.
    """
    cost = table[["cost", "cost_se"]].max(axis=1).clip(lower=table["cost"].max() / 100)
    worth = (table["gain"] / cost).where(table["gain"] > 0, -cost)
    ordered = table.assign(worth=worth).sort_values("worth", ascending=False, kind="stable").drop(columns="worth")
    return ordered.assign(rank=range(1, len(ordered) + 1)).reset_index(drop=True)


def read_ranking(path: Path) -> pd.DataFrame:
    """Read a table of :data:`RANKING_COLUMNS`.

    Raises:
        CayleyError: it is missing or damaged.
    """
    return read_table(path, RANKING_COLUMNS, [name for name in RANKING_COLUMNS if name != "projection"])


def best_ranked(table: pd.DataFrame, budget: float) -> list[str]:
    """The best projections whose inputs together are within a budget; at least one, and those that still fit.

    Args:
        table: of :data:`RANKING_COLUMNS`.
        budget: inputs in all: circuits a token, times the block dimension.

    Returns:
        Full names, in the model's order.
    """
    chosen: list[str] = []
    left = budget
    for name, inputs in table.sort_values("rank")[["projection", "inputs"]].itertuples(index=False):
        if inputs <= left or not chosen:
            chosen.append(str(name))
            left -= inputs
    return sorted(chosen, key=lambda name: [int(part) if part.isdigit() else part for part in name.split(".")])
