"""Two at once, Ctrl-C, SIGTERM and too little memory, on a small run of the real workflow."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from harness import Command, left_running, names
from project_copy import Project, copy_project
from safety import SAFETY, wait_for

from cayley_adapters.core.files import PARTIAL
from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.settings import compose

SMALL = "train.steps=2000 train.validate_every=5 sweep.block_dim=2 control=none"
ARGUMENTS = ["phase_diagram", "--config", "experiment=ci", f"overrides={SMALL}"]
RESULTS = Path("results/ci")
TRAIN = "train-ratio0.3-d2-seed0"
JOB = next(jobs(compose("ci", SMALL.split()), "train"))
CHECKPOINT = Path(JOB.base, "checkpoints", JOB.stage, *JOB.cell.values(), "state.safetensors")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("stops"), served=False)


@pytest.fixture
def training(project, tmp_path):
    """The workflow in the middle of a training that would take hours."""
    command = Command(project, ARGUMENTS, tmp_path / "log")
    try:
        checkpoint = project.folder / CHECKPOINT
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        assert command.wait_until(
            lambda: (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before) and command.running() == {TRAIN}
        ), command.output[-4000:]
        yield command
    finally:
        command.kill_all()


def cayley(project: Project, *arguments: str) -> list[str]:
    return [sys.executable, "-c", "from cayley_adapters.cli import main; main()", *arguments]


def test_nobody_else_writes_while_a_workflow_runs(training, project):
    second = project.snakemake(*ARGUMENTS, check=False)
    assert second.returncode != 0
    assert f"another workflow is writing to results/ci (process {training.process.pid} on " in second.stderr
    assert "wait for it, or choose another name with run=NAME" in second.stderr
    assert "Traceback" not in second.stderr
    command = cayley(project, "compress", "experiment=ci", *SMALL.split())
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **project.options())
    assert done.returncode == 1
    assert done.stderr.startswith("error: another workflow is writing to results/ci")
    assert training.process.poll() is None


@pytest.mark.parametrize("profile", [(), ("--workflow-profile", "profiles/slurm")])
def test_a_dry_run_beside_it_writes_nothing(training, project, profile):
    group = psutil.Process(training.process.pid).children(recursive=True)
    for process in group:
        process.suspend()
    before = {path: path.stat().st_mtime_ns for path in (project.folder / "results").rglob("*")}
    done = project.snakemake("--dry-run", *profile, *ARGUMENTS)
    after = {path: path.stat().st_mtime_ns for path in (project.folder / "results").rglob("*")}
    for process in group:
        process.resume()
    assert "train " in done.stdout + done.stderr
    assert before == after
    assert training.process.poll() is None


@pytest.mark.parametrize("whom", ["group", "snakemake"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_says_how_to_go_on(training, project, number, whom):
    (os.killpg if whom == "group" else os.kill)(training.process.pid, number)
    code = training.wait()
    assert code not in (0, None)
    assert training.output.count("Stopped. Run the same command again to go on: finished work is kept.") == 1
    assert "Traceback" not in training.output
    assert not left_running(project.folder)
    assert (project.folder / CHECKPOINT).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_of_ours(training, project, tmp_path, number):
    training.kill_all()
    assert not left_running(project.folder)
    checkpoint = project.folder / CHECKPOINT
    before = checkpoint.stat().st_mtime_ns
    arguments = ["train", "experiment=ci", *SMALL.split()]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            cayley(project, *arguments), stdout=out, stderr=out, start_new_session=True, **project.options()
        )
    try:
        wait_for(lambda: process.poll() is not None or checkpoint.stat().st_mtime_ns != before)
        os.killpg(process.pid, number)
        assert process.wait(SAFETY) == 128 + number, (tmp_path / "out").read_text()
    finally:
        process.kill()
        process.wait()
    said = (tmp_path / "out").read_text().splitlines()
    assert said[-1] == "Stopped. Run the same command again: training goes on from its last checkpoint."
    assert not left_running(project.folder)
    assert checkpoint.exists()


def test_too_little_memory_is_named_with_what_to_lower(training, project, tmp_path):
    """The job in the rule's own shell, with less and less address space: each way of dying is explained."""
    training.kill_all()
    assert not left_running(project.folder)
    [job] = jobs(compose("ci", SMALL.split()), "baseline")
    output, log = job.outputs["row"], RESULTS / "logs" / "baseline-ratio0.3.log"
    shell = 'ulimit -v "$4"; set -o pipefail; "$0" -m cayley_adapters.pipeline.run "$1" "$2" 2>&1 | tee "$3"'
    shell += ' || "$0" -m cayley_adapters.pipeline.failures "$3" ${PIPESTATUS[*]}'
    said = {}
    for megabytes in (600, 800, 1000):
        command = ["bash", "-c", shell, sys.executable, job_to_json(job), output, log, str(megabytes * 1024)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **project.options())
        if done.returncode:
            said[megabytes] = (project.folder / log).read_text()
    assert said, "no limit was too low"
    for text in said.values():
        assert "error: baseline-ratio0.3 failed: " in text
        assert "out of memory" in text or "for want of memory" in text or "got no memory" in text
        assert "lower evaluate.batch_windows" in text


def test_nothing_half_written_is_left_in_the_end(project, tmp_path):
    """The same run, made short, ends as if nothing had happened."""
    arguments = [*ARGUMENTS[:-1], f"overrides={SMALL.replace('2000', '1')} replace=true"]
    project.snakemake(*arguments)
    clean = copy_project(tmp_path / "clean", served=False)
    shutil.copytree(project.folder / "results", clean.folder / "results")
    found = names(clean.folder / RESULTS)
    assert "phase_diagram.csv" in found
    assert not [name for name in found if PARTIAL in name or ".tmp" in name]
