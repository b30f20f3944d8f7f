"""What evaluations left side by side: the rows of their cells, and the loss of every test token in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cayley_adapters.core.reading import damaged, load_arrays
from cayley_adapters.core.tables import read_cells

__all__ = ["Evaluations", "read_evaluations", "read_references"]


@dataclass(frozen=True, eq=False)
class Evaluations:
    """Several evaluations, one after the other.

    Attributes:
        cells: their rows; the gathered table has the same ones sorted differently.
        losses: ``(rows, tokens)`` nats, row for row.
    """

    cells: pd.DataFrame
    losses: np.ndarray

    def rows(self, chosen: np.ndarray) -> Evaluations:
        """Some of the rows, by their positions."""
        return Evaluations(self.cells.iloc[chosen], self.losses[chosen])


def read_references(paths: Sequence[Path]) -> tuple[list[np.ndarray], np.ndarray]:
    """Read the losses of models without blocks, or with controls, all of the same test tokens.

    Args:
        paths: at least one ``losses.safetensors``.

    Returns:
        ``(tokens,)`` nats of each, and ``(tokens,)`` the document of each token.

    Raises:
        CayleyError: a file is missing or damaged, or one is of other tokens than the first.
    """
    found = [load_arrays(path, "losses", "documents") for path in paths]
    documents = found[0][1]
    for path, (losses, own) in zip(paths, found, strict=True):
        if losses.shape != own.shape or losses.ndim != 1 or not np.array_equal(own, documents):
            raise damaged(path, f"its losses {losses.shape} are not those of the {len(documents)} tokens of {paths[0]}")
    return [losses for losses, _ in found], documents


def read_evaluations(paths: Sequence[Path], tokens: int) -> Evaluations:
    """Read evaluations of adapters, beside whose ``losses.safetensors`` each has its ``cells.csv``.

    This is where rows, losses and tokens are seen to belong together; what computes with them sees to it no more.

    Args:
        paths: of the losses.
        tokens: how many test tokens the models without blocks were measured on.

    Raises:
        CayleyError: a file is missing or damaged, or the two of one evaluation do not belong together.
    """
    tables, losses = [], []
    for path in paths:
        table = read_cells(path.with_name("cells.csv"))
        (found,) = load_arrays(path, "losses")
        if found.shape != (len(table), tokens):
            what = f"losses {found.shape} do not fit the {len(table)} rows of the table beside them and {tokens} tokens"
            raise damaged(path, what)
        means, stated = found.mean(axis=1, dtype=np.float64), table["nll"].to_numpy(dtype=float)
        finite = np.isfinite(means)
        if not np.allclose(stated[finite], means[finite], rtol=1e-3, atol=1e-3):
            raise damaged(path, "its losses are not those of the nll in the table beside them")
        tables.append(table)
        losses.append(found)
    return Evaluations(pd.concat(tables, ignore_index=True), np.concatenate(losses))
