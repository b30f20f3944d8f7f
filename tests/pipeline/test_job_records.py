"""The file that each job leaves beside its log."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safety import SAFETY

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.records import read_records, record_path
from cayley_adapters.settings import compose


def run(stage, folder):
    job = next(jobs(compose("ci", []), stage))
    first = next(iter(job.outputs.values()))
    command = [sys.executable, "-m", "cayley_adapters.pipeline.run", job_to_json(job), str(first)]
    return job, subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SAFETY)


def test_a_job_that_is_done_says_what_it_took(tmp_path):
    began, start, before = time.time(), time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    job, done = run("configure", tmp_path)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert done.returncode == 0, done.stderr
    [record] = read_records(tmp_path / job.base)
    assert (record["stage"], record["cell"]) == ("configure", {})
    assert 0 < record["seconds"] < wall + 1  # clocks of processes tick in hundredths
    assert 0 < record["cpu_seconds"] < used + 1
    assert 10 < record["memory_mb"] < 1000
    assert began - 1 < record["started"] < time.time() + 1


def test_a_job_that_failed_leaves_none(tmp_path):
    job, done = run("compare_circuits", tmp_path)  # its inputs are missing
    assert done.returncode != 0
    assert "IndexError" not in done.stderr
    assert not (tmp_path / record_path(job)).exists()
    with pytest.raises(CayleyError, match="run the workflow there first"):
        list(read_records(tmp_path / job.base))


def test_cells_have_records_of_their_own():
    job = next(jobs(compose(), "train"))
    assert record_path(job) == Path(job.base, "logs", "train-ratio0-d2-seed0.json")
