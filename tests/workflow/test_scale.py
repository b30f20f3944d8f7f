"""Sweeps of thousands of cells are planned with as much work a cell as small ones, and little beyond Snakemake's own.

``benchmarks/bench_planning.py`` says how long that takes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
from project_copy import copy_project
from safety import SAFETY

COUNT = """
import cProfile, contextlib, json, sys
from snakemake.cli import main

counts = {}
for seeds in json.loads(sys.argv[1]):
    profile = cProfile.Profile(builtins=False)
    with contextlib.suppress(SystemExit):
        profile.runcall(main, [word.replace("SEEDS", str(seeds)) for word in sys.argv[2:]])
    functions = [(entry.code, entry.callcount) for entry in profile.getstats()]
    counts[seeds] = [(code.co_filename, code.co_name, calls) for code, calls in functions if not isinstance(code, str)]
print("\\n" + json.dumps(counts))
"""
"""Dry runs in one process, and how often each function of Python was called in each."""

SEEDS = (1, 3, 6, 12)
"""In the first Snakemake, the library and their caches are set up."""

CELLS = (
    "overrides=control=none sweep.compression_ratio=0.1,0.2 sweep.block_dim=2,4 "
    "sweep.noise_scale=0,0.3,1,3,10 sweep.seed=range(0,SEEDS)"
)
ONCE_A_JOB = ("make_job", "job_cost", "job_to_json")


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> dict[str, list[float]]:
    """Calls for each further cell of three jobs, from one number of seeds to the next."""
    project = copy_project(tmp_path_factory.mktemp("planned"))
    command = [sys.executable, "-c", COUNT, json.dumps(SEEDS), "phase_diagram", "--cores", "2", "--dry-run"]
    command += ["--config", "experiment=quickstart", CELLS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **project.options())
    assert done.returncode == 0, done.stdout + done.stderr
    for rule in ("train", "transpile", "evaluate"):
        planned = map(int, re.findall(rf"^{rule} +(\d+)$", done.stdout, re.M))
        assert list(dict.fromkeys(planned)) == [4 * seeds for seeds in SEEDS]
    counted = json.loads(done.stdout.splitlines()[-1])

    def further(choose: Callable[[str, str], bool]) -> list[float]:
        totals = [sum(n for file, name, n in counted[str(seeds)] if choose(file, name)) for seeds in SEEDS]
        warm = list(zip(SEEDS, totals, strict=True))[1:]
        return [(b - a) / (4 * (more - less)) for (less, a), (more, b) in pairwise(warm)]

    places = tuple(str(project.folder / part) for part in ("src", "workflow", "Snakefile"))
    return {name: further(lambda _, called, name=name: called == name) for name in ONCE_A_JOB} | {
        "ours": further(lambda file, _: file.startswith(places)),
        "all": further(lambda *_: True),
    }


@pytest.mark.parametrize("function", ONCE_A_JOB)
def test_a_job_is_made_priced_and_written_once(calls, function):
    assert calls[function] == [3, 3]


def test_the_thousandth_cell_is_planned_like_the_tenth(calls):
    for few, many in (calls["ours"], calls["all"]):
        assert many == pytest.approx(few, rel=0.02)


def test_the_library_does_little_beside_snakemake(calls):
    ours, whole = calls["ours"][-1], calls["all"][-1]
    assert ours < 2000
    assert ours < (whole - ours) / 10
