"""Processes that share the twin's folder, and die in it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from twin_jobs import send

from cayley_adapters.qpu.twin import TwinService

SUBMIT = """
import sys
from twin_jobs import send
from cayley_adapters.qpu.twin import TwinService
backend = TwinService(sys.argv[1]).backend("fake_fez")
print("ready", flush=True)
while True:
    print(send(backend, tag=sys.argv[2]).job_id(), flush=True)
"""

MEASURE = """
import sys, time
import cayley_adapters.qpu.simulate as simulate
from cayley_adapters.qpu.twin import TwinService
def endless(*_, **__):
    print("measuring", flush=True)
    time.sleep(3600)  # until it is killed
if sys.argv[3] == "endless":
    simulate.run_program = endless
print("asking", flush=True)
print(TwinService(sys.argv[1]).job(sys.argv[2]).result()[0].data.meas.array.ravel().tolist(), flush=True)
"""


def start(script: str, *arguments: object) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_killed_submitters_leave_a_whole_store(tmp_path):
    service = TwinService(tmp_path)
    told: dict[str, list[str]] = {}
    generator = np.random.default_rng(0)
    for round_ in range(2):
        running = {f"tag-{round_}-{i}": start(SUBMIT, tmp_path, f"tag-{round_}-{i}") for i in range(2)}
        for process in running.values():
            assert process.stdout.readline() == "ready\n"
        heard = {tag: process.stdout.readline().split() for tag, process in list(running.items())[:1]}
        for tag, process in running.items():
            time.sleep(generator.uniform(0.05, 0.6))
            process.send_signal(signal.SIGKILL)
            told[tag] = heard.get(tag, []) + process.communicate()[0].split()
            assert process.returncode == -signal.SIGKILL
    paid = service.paid()
    for tag, ids in told.items():
        accepted = [p.job_id for p in paid if p.tags == (tag,)]
        assert ids == accepted[: len(ids)]
        assert len(accepted) - len(ids) in (0, 1)  # the last acceptance may have been told to nobody
    assert sum(len(ids) for ids in told.values()) > 0
    db = sqlite3.connect(tmp_path / "twin.sqlite")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("SELECT count(*) FROM jobs JOIN payloads USING (id)").fetchone() == (len(paid),)
    assert db.execute("SELECT count(*) FROM payloads").fetchone() == (len(paid),)
    assert all(p.state == "Completed" and p.quantum_seconds > 2 for p in paid)
    assert service.job(paid[-1].job_id).result()[0].data.meas.num_shots == 50
    assert send(service.backend("fake_fez")).done()


def test_lock_of_a_killed_measurement_is_free(tmp_path):
    service = TwinService(tmp_path)
    job = send(service.backend("fake_fez"))
    holder = start(MEASURE, tmp_path, job.job_id(), "endless")
    assert [holder.stdout.readline() for _ in range(2)] == ["asking\n", "measuring\n"]
    others = [start(MEASURE, tmp_path, job.job_id(), "really") for _ in range(2)]
    assert [process.stdout.readline() for process in others] == ["asking\n"] * 2
    assert not list((tmp_path / "results").glob("*.json"))
    holder.kill()
    holder.communicate()
    answers = [process.communicate()[0] for process in others]
    assert answers == [f"{job.result()[0].data.meas.array.ravel().tolist()}\n"] * 2
