"""Fixtures: a tiny random Llama, whose numbers mean nothing but whose path is the real one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from safety import SAFETY

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

# No example fails for its time, nor for how long drawing it takes.
settings.register_profile(
    "deterministic", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("deterministic")

RUN_ALONE = ("test_fresh_runs.py", "test_resources.py")
"""Tests of the workflow that do without the run that the others share, and share nothing with each other."""

LONG = ("workflow", "lever_stages", "submission_faults", "real_model", "large_models", "test_readme")
"""Parts that take longest: started last, one would leave the other process with nothing to do."""

TINY = {"name": "tiny_random", "source": "random", "seed": 0}


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = (
    "no Chromium for the tests of the report: type `make browser` as root, or install it (Debian: "
    "apt-get install chromium)"
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let tests of one file, and all that share one run of the workflow, stay in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if file.endswith(RUN_ALONE):
                return nodeid
            return "workflow" if "workflow/" in file and not file.endswith("test_scale.py") else file

        def _assign_work_unit(self, node: WorkerController) -> None:
            longest = min(self.workqueue, key=lambda scope: not any(part in scope for part in LONG))
            self.workqueue.move_to_end(longest, last=False)
            super()._assign_work_unit(node)

    return Scheduler(config, log)


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    """Numba refuses another number of threads than it started with, so no test may leave one in the environment."""
    before = {name: value for name, value in os.environ.items() if "THREADS" in name}
    yield
    for name in [name for name in os.environ if "THREADS" in name and name not in before]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def tiny_folder() -> Path:
    """Folder of the tiny random model."""
    from cayley_adapters.models.base import locate

    return locate(TINY)


@pytest.fixture
def tiny_model(tiny_folder):
    """A fresh tiny model."""
    from cayley_adapters.models.base import load_model

    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def tokens() -> np.ndarray:
    """Six windows of 24 tokens in the tiny model's vocabulary."""
    return np.random.default_rng(0).integers(1, 257, size=(6, 24), dtype=np.int32)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium that resolves no name."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--host-resolver-rules=MAP * ~NOTFOUND"])
        yield chromium
        chromium.close()


@pytest.fixture
def offline_page(browser) -> Iterator:
    """A page that is offline; it must ask for nothing but itself, and say nothing on the console."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page, said, asked = context.new_page(), [], []
    page.set_default_timeout(1000 * SAFETY)
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
