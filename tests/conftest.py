"""Fixtures: a tiny random Llama, whose numbers mean nothing but whose path is the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TINY = {"name": "tiny_random", "source": "random", "seed": 0}


@pytest.fixture(scope="session")
def tiny_folder() -> Path:
    """Folder of the tiny random model."""
    from cayley_adapters.models import locate

    return locate(TINY)


@pytest.fixture
def tiny_model(tiny_folder):
    """A fresh tiny model."""
    from cayley_adapters.models import load_model

    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def tokens() -> np.ndarray:
    """Six windows of 24 tokens in the tiny model's vocabulary."""
    return np.random.default_rng(0).integers(1, 257, size=(6, 24), dtype=np.int32)
