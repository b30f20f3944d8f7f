"""The server only thinks when it is asked: how often it is asked must not change what happens."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_ibm_runtime.options_models.executor import ExecutorOptions
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS
from twin_jobs import circuit, values

from cayley_adapters.qpu.twin.device import device_named
from cayley_adapters.qpu.twin.faults import add_fault
from cayley_adapters.qpu.twin.jobs import Conditions
from cayley_adapters.qpu.twin.server import CALLS, Server
from cayley_adapters.qpu.twin.store import FINAL, Store

START = 1.8e9


@pytest.fixture(scope="module")
def params() -> dict:
    program = QuantumProgram(shots=10)
    program.append_circuit_item(circuit(), circuit_arguments=values())
    return QUANTUM_PROGRAM_PARAMS_CONVERTERS["v2.0"].encoder(program, ExecutorOptions()).model_dump(mode="json")


def history(params: dict, events: list, polls: list[float], queue_seconds: float) -> list[tuple]:
    """Play events (time, kind, number) on a new server, with questions at further times, and return all jobs' ends."""
    conditions = Conditions(queue_seconds=queue_seconds, run_seconds=10.0)
    with tempfile.TemporaryDirectory() as folder, mock.patch("time.time") as clock:
        clock.return_value = START
        server = Server(Store(Path(folder)), conditions)
        with server.store.transaction() as db:
            db.execute("INSERT INTO backends (name, snapshot) VALUES (?, 'FakeFez')", (device_named("FakeFez").name,))
        backend = {"backend": "fake_fez"}
        batches = [
            json.loads(server.handle("POST", "/sessions", json.dumps(backend | {"mode": "batch", "max_ttl": ttl})).text)
            for ttl in (12, 25)
        ]
        jobs = []
        for when, kind, number in sorted(events + [(time, "poll", 0) for time in polls], key=lambda event: event[0]):
            clock.return_value = START + when
            if kind in ("run", "fails", "operator", "expires"):
                if kind != "run":
                    with server.store.transaction() as db:
                        add_fault(db, CALLS, "program_run", kind, 0, 1, {})
                batch = {} if number == 2 else {"session_id": batches[number]["id"]}
                body = backend | batch | {"program_id": "executor", "params": params}
                reply = server.handle("POST", "/jobs", json.dumps(body))
                jobs.append(json.loads(reply.text).get("id") if reply.status == 200 else None)
                if reply.status != 200:  # the fate of a job that was refused waits for the next: take it back
                    with server.store.transaction() as db:
                        db.execute("UPDATE faults SET times = 0")
            elif kind == "cancel" and number < len(jobs) and jobs[number]:
                server.handle("POST", f"/jobs/{jobs[number]}/cancel", None)
            elif kind == "end" and number < 2:
                server.handle("DELETE", f"/sessions/{batches[number]['id']}/close", None)
            else:
                server.handle("GET", "/jobs", None)
        clock.return_value = START + 1000
        server.handle("GET", "/jobs", None)
        with server.store.transaction() as db:
            rows = {row["id"]: row for row in db.execute("SELECT * FROM jobs").fetchall()}
    assert all(row["state"] in FINAL for row in rows.values())
    spans = sorted((row["started"], row["ended"]) for row in rows.values() if row["started"] is not None)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    for row in rows.values():
        ran = 0.0 if row["started"] is None else (row["ended"] - row["started"]) / 10
        assert np.isclose(row["charged"], ran * row["quantum_seconds"], atol=1e-5)
    ends = [rows.get(job) for job in jobs]
    return [row and (row["state"], row["started"], row["ended"], row["reason"]) for row in ends]


moments = st.integers(0, 800).map(lambda tick: tick / 10)
happenings = st.tuples(
    moments, st.sampled_from(["run", "run", "run", "fails", "operator", "expires", "cancel", "end"]), st.integers(0, 2)
)


@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(happenings, min_size=1, max_size=8, unique_by=lambda event: event[0]),
    polls=st.lists(moments, min_size=1, max_size=10),
    queue_seconds=st.sampled_from([0.0, 7.0]),
)
def test_questions_change_nothing(params, events, polls, queue_seconds):
    polls = [poll + 0.05 for poll in polls]  # never at the very time of an event
    assert history(params, events, [], queue_seconds) == history(params, events, polls, queue_seconds)
