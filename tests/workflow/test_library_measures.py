"""A script measures what the stages measured: the same functions, to the digits that a table keeps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import cayley_adapters as ca
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.windows import load_windows

CELL = "ratio0.3/d4/seed0"


@pytest.fixture(scope="module")
def results(built) -> Path:
    return built.folder / "results" / "ci"


@pytest.fixture(scope="module")
def adapter(results: Path):
    return ca.load(results / "adapters" / CELL, base=ca.load(results / "compressed" / "ratio0.3"))


def test_every_cell_of_one_adapter_is_measured_again(results: Path, adapter) -> None:
    rows = ca.read_map(results, every=True)
    rows = rows[rows["block_dim"] == 4]
    windows = load_windows(results / "prepared" / "tokens.safetensors", "test").first(2, "evaluate.windows")
    assert set(rows["executor"]) == {"exact", "noisy"}
    for row in rows.itertuples():
        if row.executor == "exact":
            measured = windows.select(token_losses(adapter, windows.tokens, 3)).mean()
        else:
            with ca.noisy(adapter, "FakeFez", scale=row.noise_scale, shots=row.shots, seed=0):
                measured = windows.select(token_losses(adapter, windows.tokens, 3)).mean()
        assert measured == pytest.approx(row.nll, rel=1e-6)
        assert math.exp(measured) == pytest.approx(row.perplexity, rel=1e-5)


def test_the_map_is_read_and_drawn(results: Path) -> None:
    table = ca.read_map(results).pivot_table(index="block_dim", columns="noise_scale", values="perplexity")
    assert table.shape == (2, 2)
    assert ca.plot_map(results)._repr_png_().startswith(b"\x89PNG")
