"""Fixtures: a tiny random Llama, whose numbers mean nothing but whose path is the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TINY = {"name": "tiny_random", "source": "random", "seed": 0}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let tests of one file, and all that share one run of the workflow, stay in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return "workflow" if "workflow/" in file and "fresh_runs" not in file else file

    return Scheduler(config, log)


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
