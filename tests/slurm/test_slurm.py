"""The whole workflow on a real Slurm, for ``make test-slurm``; all that goes wrong is in one run, for time's sake."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cluster import jobs, obstacle, one_node
from project_copy import Project, copy_project
from safety import SAFETY

FINISHED = ("COMPLETED", "FAILED", "CANCELLED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL")
OPTIONS = (
    *("--workflow-profile", "profiles/slurm", "--latency-wait", "10"),
    *("--slurm-init-seconds-before-status-checks", "3"),
    # More grouping than the profile has, which saves half a minute, and groups no wider than the node.
    *("--groups", "transpile=circuits", "control=controls", "evaluate_control=controls"),
    *("aggregate=tables", "draw=tables", "scaling=tables", "recovery=tables"),
    *("--group-components", "circuits=2", "controls=4"),
    # Too little memory at first, and the stand-in for a GPU.
    *("--set-resources", "compress:mem_mb=25*100**(attempt-1)", "baseline:gpu=1"),
)


@dataclass
class Story:
    """What was seen of two runs on the cluster, of which the first was killed."""

    project: Project
    output: str
    returncode: int
    records: dict[str, dict[str, str]]
    seen: dict[str, bool] = field(default_factory=dict)

    def of(self, name: str) -> list[dict[str, str]]:
        """The second run's Slurm jobs of a rule or group, in the order of their submission."""
        return [record for record in self.records.values() if record["Comment"].startswith(f"rule_{name}")]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Path]:
    if reason := obstacle():
        pytest.fail(f"no Slurm can be started: {reason}")
    folder = tmp_path_factory.mktemp("slurm")
    with one_node(folder):
        yield folder
    assert obstacle() is None, "the cluster's configuration was left behind"


@pytest.fixture(scope="session")
def local_run(tmp_path_factory) -> Iterator[tuple[subprocess.Popen, Project]]:
    """A run without Slurm, which takes what the cluster leaves of the machine; controls are not in its table."""
    project = copy_project(tmp_path_factory.mktemp("local"))
    arguments = ("results/ci/phase_diagram.csv", "--config", "experiment=ci", "overrides=control=none")
    command = ["nice", "-n", "19", *project.command(*arguments)]
    with (project.folder / "log").open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, **project.options())
    yield process, project
    kill(process)


@pytest.fixture(scope="session")
def local_table(story, local_run) -> bytes:
    """The table that a run without Slurm makes."""
    process, project = local_run
    assert process.wait(SAFETY) == 0, (project.folder / "log").read_text()[-5000:]
    return table(project)


@pytest.fixture(scope="session")
def story(cluster, local_run, tmp_path_factory) -> Story:
    project = copy_project(tmp_path_factory.mktemp("remote"))
    seen = {}

    # Snakemake itself is killed: its jobs go on, and are cancelled by the name that it gave them.
    process, log = start(project, "first.log")
    try:
        first = wait(lambda: running("reference"), process, log)
        seen["locked"] = locked(project.folder / "results" / "ci" / ".lock")
    finally:
        kill(process)
    seen["orphaned"] = bool(running("reference"))
    run_id = re.search(r"SLURM run ID: (\S+)", log.read_text())[1]
    subprocess.run(["scancel", f"--name={run_id}"], check=True, timeout=SAFETY)
    wait(lambda: all(record["JobState"] in FINISHED for record in jobs().values()))
    killed = set(jobs())
    assert first["JobId"] in killed

    # The same command again; of what it sends, one job is cancelled in the middle.
    process, log = start(project, "second.log")
    try:
        victim = wait(lambda: working(project, "train", since=killed), process, log)
        subprocess.run(["scancel", victim["JobId"]], check=True, timeout=SAFETY)
        returncode = process.wait(SAFETY)
    finally:
        kill(process)
    seen["cancelled"] = jobs()[victim["JobId"]]["JobState"] == "CANCELLED"
    records = {key: record for key, record in jobs().items() if key not in killed}
    return Story(project, log.read_text(), returncode, records, seen)


def table(project: Project) -> bytes:
    return (project.folder / "results" / "ci" / "phase_diagram.csv").read_bytes()


def start(project: Project, name: str) -> tuple[subprocess.Popen, Path]:
    command = project.command(
        "phase_diagram", *OPTIONS, "--config", "experiment=ci", "overrides=control.methods=[lora]"
    )
    log = project.folder / name
    with log.open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True, **project.options()), log


def kill(process: subprocess.Popen) -> None:
    """Kill a process with its children, which is not with its jobs on the cluster."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait(what: Callable, process: subprocess.Popen | None = None, log: Path | None = None):
    """Wait until ``what`` is true and return it."""
    deadline = time.monotonic() + SAFETY
    while time.monotonic() < deadline:
        if found := what():
            return found
        assert process is None or process.poll() is None, f"Snakemake has ended:\n{log.read_text()[-5000:]}"
        time.sleep(0.5)
    raise AssertionError(f"not within {SAFETY} s; {jobs()}; {log.read_text()[-5000:] if log else ''}")


def running(name: str, since: set[str] = frozenset()) -> dict[str, str] | None:
    for key, record in jobs().items():
        if key not in since and record["JobState"] == "RUNNING" and record["Comment"].startswith(f"rule_{name}_"):
            return record
    return None


def working(project: Project, name: str, since: set[str]) -> dict[str, str] | None:
    """A running job whose own process has begun, so that killing it stops real work."""
    logs = (project.folder / "results" / "ci" / "logs").glob(f"{name}-*.log")
    return running(name, since) if any(path.exists() and path.stat().st_size for path in logs) else None


def locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_table_is_the_same_to_the_last_byte(story, local_table):
    assert story.returncode == 0, story.output[-5000:]
    assert local_table.count(b"\n") > 5
    assert table(story.project) == local_table


def test_a_killed_snakemake_starts_again(story):
    """The lock ends with its process, and nothing has to be unlocked or named incomplete by hand."""
    assert story.seen["locked"]
    assert story.seen["orphaned"], "jobs on the cluster do not end with Snakemake, which is why the docs name scancel"
    assert "LockException" not in story.output
    assert "IncompleteFilesException" not in story.output


def test_a_cancelled_job_is_sent_again_with_twice_as_much(story):
    assert story.seen["cancelled"]
    (gone,) = [record for record in story.of("train") if record["JobState"] == "CANCELLED"]
    first, again = [record for record in story.of("train") if record["Comment"] == gone["Comment"]]
    assert first is gone
    assert again["JobState"] == "COMPLETED"
    assert memory(again) == 2 * memory(first)
    assert minutes(again) == 2 * minutes(first)


def test_a_job_out_of_memory_is_sent_again_with_more(story):
    first, again = story.of("compress")
    assert (first["JobState"], again["JobState"]) == ("FAILED", "COMPLETED")
    assert (memory(first), memory(again)) == (25, 2500)
    assert "exceeded memory limit" in Path(first["StdOut"]).read_text()


def test_each_job_gets_what_it_asks_for(story):
    for record in story.records.values():
        assert record["Partition"] == "main"
        assert record.get("TresPerJob") == ("gres:gpu:1" if record in story.of("baseline") else None)
    for record in story.of("evaluate_w"):
        assert (record["NumCPUs"], memory(record)) == ("1", 3500)


def test_small_jobs_share_one_job(story):
    names = {re.match("rule_[a-z]+", record["Comment"])[0] for record in story.records.values()}
    assert {"rule_circuits", "rule_tables", "rule_controls"} <= names
    for group in ("circuits", "tables", "controls"):
        assert [record["JobState"] for record in story.of(group)] == ["COMPLETED"]
    assert len(story.records) < 18  # of 22 jobs, and two of these were sent twice


def test_fetching_stays_where_one_types(story):
    assert not story.of("prepare")
    assert not story.of("configure")
    assert (story.project.folder / "results" / "ci" / "prepared" / "model.json").exists()


def test_a_cluster_of_tests_that_run_is_left_alone(cluster):
    assert "slurm.conf is of tests that still run" in obstacle()


def memory(record: dict[str, str]) -> float:
    return float(record["MinMemoryNode"].removesuffix("M"))


def minutes(record: dict[str, str]) -> int:
    hours, minutes, _ = record["TimeLimit"].split(":")
    return 60 * int(hours) + int(minutes)
