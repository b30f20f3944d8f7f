"""Jobs that a server starts are what their own commands would have been, however they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from safety import SAFETY, wait_for

from cayley_adapters.pipeline.warm import ADDRESS, LIBRARIES, client, server

PROGRAM = """
import json, os, signal, sys, threading
print(json.dumps({"folder": os.getcwd(), "path": sys.path, "arguments": sys.argv[1:], "variable": os.environ["SAID"],
                  "served": os.environ.get("CAYLEY_JOB_SERVED"),
                  "loaded": "decimal" in sys.modules, "threads": threading.active_count()}), flush=True)
print("to the end", file=sys.stderr, flush=True)
end = json.loads(sys.argv[1])["end"]
if end == "signal":
    os.kill(os.getpid(), signal.SIGSEGV)
if end == "wait":
    signal.pause()
sys.exit(end)
"""

START = """
import os, sys
from cayley_adapters.pipeline.warm import client
client.MODULE = "program"
client.end_with_workflow = lambda: None
sys.exit(client.main())
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def environment(folder, monkeypatch) -> dict[str, str]:
    """What a job's process is given; it finds the program where it finds the library."""
    for name in ("PYTEST_CURRENT_TEST", ADDRESS):
        monkeypatch.delenv(name, raising=False)
    source = str(Path(server.__file__).parents[3])
    return dict(os.environ) | {"SAID": "so", "PYTHONPATH": os.pathsep.join([source, str(folder)])}


@pytest.fixture
def started(folder, environment):
    """Starts a server, given its standard input's end to hold."""
    processes = []

    def start(*libraries: str) -> subprocess.Popen[bytes]:
        (folder / "socket").mkdir()
        address = str(folder / "socket" / "jobs")
        command = [sys.executable, "-P", server.__file__, address, "1", *libraries]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environment))
        environment[ADDRESS] = address
        wait_for(lambda: Path(address).exists() or processes[-1].poll() is not None)
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def asked(end: object, threads: int = 1) -> list[str]:
    return [sys.executable, "-c", START, json.dumps({"stage": "train", "threads": threads, "end": end}), "output"]


def run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SAFETY)


def test_a_served_job_is_what_its_own_command_would_have_been(folder, environment, started):
    started("decimal")
    done = run(asked(3), folder, environment)
    assert (done.returncode, done.stderr) == (3, "to the end\n")
    said = json.loads(done.stdout)
    assert said.pop("loaded"), "the server did not serve it"
    assert said.pop("served")
    alone = run([sys.executable, "-m", "program", *asked(3)[3:]], folder, environment)
    assert said["path"][0] == ""  # of -c; that of -m is the folder itself
    path = [str(folder), *said.pop("path")[1:]]
    expected = json.loads(alone.stdout)
    assert not expected.pop("loaded")
    assert expected.pop("served") is None
    assert path == expected.pop("path")
    assert said == expected
    assert expected["folder"] == str(folder)


@pytest.mark.parametrize("change", ["threads", "variable"])
def test_what_would_load_other_things_starts_by_itself(change, folder, environment, started):
    started("decimal")
    if change == "variable":
        environment["SAID"] = "otherwise"
    done = run(asked(0, threads=2 if change == "threads" else 1), folder, environment)
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert not said["loaded"]
    assert said["variable"] == environment["SAID"]


def test_a_death_by_a_signal_is_passed_on(folder, environment, started):
    started()
    assert run(asked("signal"), folder, environment).returncode == -signal.SIGSEGV


def test_a_job_ends_with_its_client_and_the_server_goes_on(folder, environment, started):
    process = started()
    with subprocess.Popen(asked("wait"), cwd=folder, env=environment, stdout=subprocess.PIPE) as waiting:
        waiting.stdout.readline()
        inside = psutil.Process(process.pid).children(recursive=True)
        assert len(inside) == 2  # the job, and who waits for it
        waiting.kill()
    gone, alive = psutil.wait_procs(inside, timeout=SAFETY)
    assert len(gone) == 2
    assert not alive
    assert run(asked(0), folder, environment).returncode == 0


def test_a_server_ends_with_its_input_and_leaves_nothing(folder, environment, started):
    process = started()
    process.stdin.close()
    assert process.wait(SAFETY) == 0
    assert not (folder / "socket").exists()


def test_without_a_server_the_client_runs_the_job(folder, environment, monkeypatch):
    """It is still loading, or was killed."""
    monkeypatch.setenv(ADDRESS, str(folder / "nowhere"))
    monkeypatch.setattr("sys.argv", asked(0)[2:])
    monkeypatch.setattr("cayley_adapters.pipeline.run.main", lambda: 7)
    assert client.main() == 7


def test_no_library_keeps_what_a_copy_would_miss_or_take_away(tmp_path):
    """Threads, without which no job would be served, and temporary files, which go with the first job that ends."""
    code = "import sys; from cayley_adapters.pipeline.warm.server import COPIED, _threads; import importlib, os\n"
    code += "for name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "assert _threads() <= COPIED, _threads()\n"
    code += "print(*os.listdir(os.environ['TMPDIR']))"
    given = {f"{name}_NUM_THREADS": "1" for name in server.THREADS} | {"TMPDIR": str(tmp_path)}
    done = run([sys.executable, "-c", code, *LIBRARIES], Path.cwd(), os.environ | given)
    assert done.returncode == 0, done.stderr
    assert [name for name in done.stdout.split() if not name.startswith("torchinductor_")] == []  # that one stays
