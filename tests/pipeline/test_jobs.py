"""Jobs as processes of their own."""

import json
import os
import subprocess
import sys

import pytest

from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import limit_threads
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import compose

POOLS = """
from cayley_adapters.pipeline.run import limit_threads
limit_threads(1)
import json, numba, numpy, scipy.linalg, sklearn, torch
from threadpoolctl import threadpool_info
numba.njit(parallel=True)(lambda: numpy.zeros(9) + 1)()
pools = [pool["num_threads"] for pool in threadpool_info()]
print(json.dumps([*pools, torch.get_num_threads(), numba.get_num_threads()]))
"""


def test_every_library_has_the_threads_of_the_configuration():
    environment = os.environ | {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": "7"}
    run = subprocess.run([sys.executable, "-c", POOLS], env=environment, capture_output=True, text=True, check=True)
    pools = json.loads(run.stdout)
    assert len(pools) > 3
    assert set(pools) == {1}


def test_limits_are_set_before_a_library_starts(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("OMP_DYNAMIC", "true")
    limit_threads(3)
    assert "OMP_DYNAMIC" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == os.environ["RAYON_NUM_THREADS"] == "3"
    limit_threads(1)


SUMS = """
from cayley_adapters.pipeline.run import limit_threads
limit_threads(2)
import torch
torch.set_num_threads(2)
x = torch.linspace(-1, 1, 8_000_003)
print((x * x * x).sum().item().hex())
"""


def test_no_variable_of_the_shell_takes_threads_away():
    """OpenMP would use fewer than it was told to, and a sum would have other last digits."""
    sums = {
        subprocess.run(
            [sys.executable, "-c", SUMS], env=os.environ | shell, capture_output=True, text=True, check=True
        ).stdout
        for shell in ({}, {"OMP_DYNAMIC": "true"}, {"OMP_THREAD_LIMIT": "1"})
    }
    assert len(sums) == 1


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "compare"])
def test_a_stage_has_the_threads_that_its_own_leaf_says(stage):
    key = STAGES[stage].threads
    [settings] = compose("quickstart", [f"{key}=5"] if key else [])
    for job in jobs([settings], stage):
        assert job.threads == (5 if key else 1)
        assert key is None or key in job.leaves or key.split(".")[0] in job.leaves
