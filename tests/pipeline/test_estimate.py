"""``cayley estimate`` as a user meets it, and how near it comes to jobs that were run."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from safety import SAFETY

from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline.costs import estimate_of, machine
from cayley_adapters.pipeline.costs.plan import settings_by_base
from cayley_adapters.pipeline.costs.processor import processor_cost
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.settings import compose


def cayley(*arguments, cwd, check=True):
    code = "from cayley_adapters.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=SAFETY,
        env=os.environ,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def measured():
    """This machine's speed, as the first estimate measures it."""
    return machine.kept_speeds() or machine.measure_speeds()


def test_a_measurement_is_kept_for_this_machine_and_these_libraries(measured, monkeypatch):
    assert all(value > 0 for value in measured.values())
    assert machine.kept_speeds() == pytest.approx(measured)
    monkeypatch.setattr(machine, "PACKAGES", ("torch", "numba"))
    assert machine.kept_speeds() is None


def test_the_table_has_every_stage_and_ends_with_the_whole(measured, tmp_path):
    lines = cayley("estimate", "experiment=ci", "--cores", "1", cwd=tmp_path).stdout.splitlines()
    stages = [line.split()[0] for line in lines[2:] if line and line[0].isalpha()]
    assert {"prepare", "compress", "train", "control", "evaluate", "phase_diagram", "recovery"} <= set(stages)
    assert lines[-1].startswith("27 jobs, ")
    assert " on 1 core, " in lines[-1]
    assert not list(tmp_path.iterdir())


def test_json_for_scripts(measured, tmp_path):
    found = json.loads(cayley("estimate", "experiment=ci", "--json", cwd=tmp_path).stdout)
    assert set(found) == {
        *("target", "jobs", "cores", "cpu_seconds", "seconds", "seconds_low", "seconds_high", "critical_seconds"),
        *("memory_mb", "disk_mb", "measured", "stages", "processor"),
    }
    assert found["measured"] is True
    assert set(found["stages"][0]) == {"stage", "jobs", "cpu_seconds", "longest_seconds", "memory_mb", "disk_mb"}


def test_an_unknown_target_is_answered_with_the_nearest(measured, tmp_path):
    done = cayley("estimate", "--target", "phase_digram", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "did you mean 'phase_diagram'" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_there_is_left_out_where_the_rest_is_asked_for(measured, tmp_path):
    [settings] = compose("ci", [])
    for job in (job for stage in ("prepare", "compress") for job in jobs([settings], stage)):
        for path in job.outputs.values():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
    whole, rest = (
        json.loads(cayley("estimate", "experiment=ci", "--json", *options, cwd=tmp_path).stdout)
        for options in ((), ("--remaining",))
    )
    said = cayley("estimate", "experiment=ci", cwd=tmp_path).stdout
    assert "2 of these are there already; what is left: 25 jobs, " in said
    assert {row["stage"] for row in whole["stages"]} - {row["stage"] for row in rest["stages"]} == {
        "prepare",
        "compress",
    }


def test_the_processors_cost_is_that_of_its_plan():
    [settings] = compose("quickstart", [])
    row = processor_cost(settings)
    assert (row["blocks"], row["tokens"], row["lines"], row["circuits"]) == (144, 83, 61, 196)
    # the pilot is a job of its own, and costs another job's overhead
    assert row["seconds"] == pytest.approx(408.7, abs=1)
    [settings] = compose("quickstart", ["qpu.targets=null", "qpu.layers=null", "qpu.mode=characterise"])
    row = processor_cost(settings)
    assert (row["blocks"], row["tokens"], row["circuits"]) == (8640, None, 1420)


def test_the_line_that_a_workflow_starts_with():
    settings = compose("ci", ["model=tiny_random,smollm2_135m"])
    every = [job_to_json(job) for stage in ("evaluate", "train", "compare") for job in jobs(settings, stage)]
    line = estimate_of(every, settings_by_base(settings), 2)
    assert line.startswith("estimate: 11 jobs, ")
    assert " on 2 cores, " in line
    assert estimate_of([], {}, 2).startswith("estimate: nothing to do")
