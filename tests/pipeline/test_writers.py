"""One workflow, or commands beside each other, write to a results folder; and a dead one is in nobody's way."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from safety import SAFETY, wait_for

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory, atomic_file
from cayley_adapters.pipeline import locks as writers
from cayley_adapters.pipeline.locks import hold_as_command, hold_as_job, hold_as_workflow
from cayley_adapters.pipeline.records import read_records


@contextmanager
def elsewhere(code: str, folder: Path):
    """Another process that holds something of a folder until it is killed."""
    lines = (
        "import sys; from pathlib import Path; from cayley_adapters.pipeline.locks import *; folder = Path(sys.argv[1])"
    )
    lines += f"\n{code}\nprint('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", lines, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_workflow_writes_alone(tmp_path):
    with elsewhere("held = hold_as_workflow(folder, [])", tmp_path) as other:
        with pytest.raises(CayleyError, match=f"another workflow is writing to .*process {other.pid} on .*run=NAME"):
            hold_as_workflow(tmp_path, [])
        with pytest.raises(CayleyError, match="another workflow is writing"), hold_as_command(tmp_path):
            pass
    hold_as_workflow(tmp_path, []).close()


def test_commands_write_beside_each_other(tmp_path):
    with elsewhere("held = hold_as_command(folder); held.__enter__()", tmp_path):
        with hold_as_command(tmp_path):
            pass
        with pytest.raises(CayleyError, match="another cayley command is writing"):
            hold_as_workflow(tmp_path, [])


def test_jobs_that_outlive_their_workflow_are_waited_for_and_then_named(tmp_path, monkeypatch):
    base = tmp_path / "model"
    monkeypatch.setattr(writers, "JOBS_SECONDS", 0.5)
    with elsewhere("held = hold_as_job(folder)", base) as other:
        with hold_as_job(base):  # a workflow's jobs run side by side
            pass
        with pytest.raises(CayleyError, match=r"jobs of an earlier workflow still write to .*scancel"):
            hold_as_workflow(tmp_path, [base])
        monkeypatch.setattr(writers, "JOBS_SECONDS", SAFETY)
        threading.Timer(0.5, other.terminate).start()
        hold_as_workflow(tmp_path, [base]).close()


def test_a_file_system_without_locks_is_written_to(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    hold_as_workflow(tmp_path, []).close()


KILLED = """
import os, signal, sys
from pathlib import Path
from cayley_adapters.core.files import atomic_directory, atomic_file
folder = Path(sys.argv[1])
with atomic_directory(folder / "model") as temporary, atomic_file(folder / "logs/train.json") as file:
    (temporary / "part").write_text("half")
    (folder / "logs" / ".tmpa1B2c3").touch()  # as safetensors names what it is writing
    file.write_text("{")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_workflow_clears_away_what_killed_processes_left(tmp_path):
    with atomic_directory(tmp_path / "model") as folder:
        (folder / "part").write_text("whole")
    with atomic_file(tmp_path / "logs" / "other.json") as file:
        file.write_text("{}")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=SAFETY)
    assert done.returncode == -signal.SIGKILL
    whole = {Path("model/part"), Path("logs/other.json"), Path(".lock"), Path(".jobs")}
    assert len(list(tmp_path.rglob(".partial-*"))) == 3
    assert not list(read_records(tmp_path))[1:]
    hold_as_workflow(tmp_path, []).close()
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()} == whole
    assert (tmp_path / "model" / "part").read_text() == "whole"


WATCHED = f"""
import time
from cayley_adapters.pipeline.locks import end_with_workflow
end_with_workflow(0.1)
time.sleep({2 * SAFETY})
"""


def test_a_job_ends_with_its_workflow():
    """As Snakemake starts it: by a shell, which outlives a Snakemake that is killed alone."""
    start = (
        "import subprocess, sys; subprocess.run(['bash', '-c', '\"$0\" -c \"$1\" | cat', sys.executable, sys.argv[1]])"
    )
    workflow = subprocess.Popen([sys.executable, "-c", start, WATCHED], start_new_session=True)
    try:
        job = wait_for(
            lambda: next(
                (
                    each
                    for each in psutil.Process(workflow.pid).children(recursive=True)
                    if each.name().startswith("python") and each.num_threads() > 1
                ),
                None,
            )
        )
        workflow.kill()
        workflow.wait()
        wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(workflow.pid, signal.SIGKILL)


def test_a_refused_command_leaves_no_folder(tmp_path):
    with pytest.raises(CayleyError, match="no"), hold_as_command(tmp_path / "run"):
        raise CayleyError("no")
    assert not list(tmp_path.iterdir())
    with hold_as_command(tmp_path / "run"):
        (tmp_path / "run/table.csv").touch()
    assert (tmp_path / "run/table.csv").exists()
