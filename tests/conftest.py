"""Fixtures: a tiny random Llama, whose numbers mean nothing but whose path is the real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
settings.load_profile("deterministic")

RUN_ALONE = ("test_fresh_runs.py", "test_resources.py", "test_scale.py")
"""Tests of the workflow that do without the run that the others share."""

TINY = {"name": "tiny_random", "source": "random", "seed": 0}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let tests of one file, and all that share one run of the workflow, stay in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return "workflow" if "workflow/" in file and not file.endswith(RUN_ALONE) else file

        def _assign_work_unit(self, node: WorkerController) -> None:
            # The longest part first: started last, it would leave the other process with nothing to do.
            if "workflow" in self.workqueue:
                self.workqueue.move_to_end("workflow", last=False)
            super()._assign_work_unit(node)

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
