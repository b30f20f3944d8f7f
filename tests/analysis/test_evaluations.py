"""Evaluations and what stands beside them are read once, and seen to belong together there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from cayley_adapters.analysis.evaluations import read_evaluations, read_references
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import CELL_COLUMNS, write_table

TOKENS = 12


def evaluated(folder: Path, means: list[float], seed: int = 0) -> Path:
    """An evaluation of as many rows as means."""
    rng = np.random.default_rng(seed)
    losses = (np.array(means)[:, None] + rng.normal(0, 0.1, (len(means), TOKENS))).astype(np.float32)
    cells = pd.DataFrame({"noise_scale": np.arange(len(means), dtype=float), "nll": losses.mean(axis=1), "shots": 8.0})
    about = {"compression_ratio": 0.2, "block_dim": 4, "qubits": 2, "seed": seed, "adapter_parameters": 6}
    folder.mkdir(parents=True)
    write_table(cells.assign(**about, tokens=TOKENS), folder / "cells.csv", CELL_COLUMNS)
    save_file({"losses": losses}, folder / "losses.safetensors")
    return folder / "losses.safetensors"


def reference(path: Path, documents: list[int]) -> Path:
    save_file({"losses": np.ones(len(documents), np.float32), "documents": np.array(documents, np.int32)}, path)
    return path


def test_rows_and_losses_stand_side_by_side(tmp_path):
    paths = [evaluated(tmp_path / "a", [2.0, 2.5]), evaluated(tmp_path / "b", [3.0, 3.5, 4.0], seed=1)]
    found = read_evaluations(paths, TOKENS)
    assert found.cells["seed"].tolist() == [0, 0, 1, 1, 1]
    assert found.losses.shape == (5, TOKENS)
    assert np.allclose(found.losses.mean(axis=1), found.cells["nll"], atol=1e-6)
    some = found.rows(np.array([1, 3]))
    assert some.cells["noise_scale"].tolist() == [1.0, 1.0]
    assert np.array_equal(some.losses, found.losses[[1, 3]])


@pytest.mark.parametrize(
    ("losses", "what"),
    [
        (np.ones((3, TOKENS)), "do not fit the 2 rows"),
        (np.ones((2, TOKENS - 1)), f"{TOKENS} tokens"),
        (np.ones(TOKENS), "do not fit"),
        (np.full((2, TOKENS), 9.0), "not those of the nll"),
    ],
)
def test_losses_of_something_else_are_refused_with_the_way_out(losses, what, tmp_path):
    path = evaluated(tmp_path / "a", [2.0, 2.5])
    save_file({"losses": losses.astype(np.float32)}, path)
    with pytest.raises(CayleyError, match=rf"losses\.safetensors: .*{what}.*; delete it and run the same"):
        read_evaluations([path], TOKENS)


def test_losses_in_another_order_are_refused(tmp_path):
    path = evaluated(tmp_path / "a", [2.0, 2.5])
    [losses] = [read_evaluations([path], TOKENS).losses]
    save_file({"losses": losses[::-1].copy()}, path)
    with pytest.raises(CayleyError, match="not those of the nll"):
        read_evaluations([path], TOKENS)


def test_references_are_of_the_same_tokens(tmp_path):
    first = reference(tmp_path / "one.safetensors", [0, 0, 1])
    [losses, again], documents = read_references([first, reference(tmp_path / "two.safetensors", [0, 0, 1])])
    assert losses.tolist() == again.tolist() == [1, 1, 1]
    assert documents.tolist() == [0, 0, 1]
    for other in ([0, 1, 1], [0, 0]):
        with pytest.raises(CayleyError, match=r"other\.safetensors: .*are not those of the 3 tokens"):
            read_references([first, reference(tmp_path / "other.safetensors", other)])
