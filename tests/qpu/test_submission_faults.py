"""Nothing is paid twice and nothing lost, whatever faults come and wherever a process dies."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from safety import SAFETY
from submitting import Clock, key_of, submission, twin, work, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.twin.faults import CALL_FAULTS, FATES, RESULT_FAULTS

CALLS = ["program_run", "jobs_get", "job_get", "job_metadata", "job_cancel", "create_session", "session_details"]
CALLS += ["close_session", "backend_status", "cloud_usage", "backend_configuration"]
STATUS = [400, 408, 409, 429, 500, 502, 503, 504]
QUICK = sorted(set(CALL_FAULTS) - {"slow"})


class Killed(BaseException):
    """Stands for SIGKILL: no handler of errors catches it."""


class Fuse:
    """Raises :class:`Killed` the n-th time that it is passed."""

    def __init__(self) -> None:
        self.left = 0

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class FusedClock(Clock):
    """A clock that is asked before each change of the ledger, where the process may die."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def time(self) -> float:
        self._fuse()
        return super().time()


def check_payments(folder: Path, service, resubmitted: list[str]) -> None:
    """No key has two jobs that ran or may run, but for those that the user sent again; another attempt has a reason."""
    ledger = Ledger(folder / "ledger.sqlite")
    strays = {row["job"] for row in ledger.strays()}
    tags = [paid.tags[-1] for paid in service.paid()]
    assert len(set(tags)) == len(tags)  # nor has a tag
    alive = [paid for paid in service.paid() if paid.state not in ("Failed", "Cancelled")]
    for key in {key_of(paid.tags) for paid in alive}:
        jobs = [paid.job_id for paid in alive if key_of(paid.tags) == key]
        assert len(jobs) <= 1 + resubmitted.count(key), (key, jobs, strays)
    for paid in service.paid():
        number, key = int(paid.tags[-1].split("-")[2]), key_of(paid.tags)
        if number > 1 and key not in resubmitted:
            before = [p for p in service.paid() if key_of(p.tags) == key and int(p.tags[-1].split("-")[2]) < number]
            assert len(before) == number - 1
            assert {p.state for p in before} <= {"Failed", "Cancelled"}
    known = {row["tag"] for row in ledger.rows()}
    assert set(tags) <= known  # each job was written down before it was sent
    ledger.close()


def finish(folder: Path, service, todo, resubmitted: list[str]) -> dict[str, np.ndarray]:
    """Start again, with decisions of the user where they are asked for, until all is here or has failed for good."""
    for _ in range(40):
        again = submission(folder, service)
        try:
            again.submit(todo)
            return again.collect(todo, wait=True)
        except CayleyError as error:
            said = str(error)
        (row,) = [row for row in again.status() if row["tag"] in said]  # a stated end names the tag
        assert row["state"] in ("unknown", "failed"), said
        if row["state"] == "unknown":
            assert row["tag"] not in [paid.tags[-1] for paid in service.paid()]  # it was not accepted indeed
        resubmitted.append(row["tag"].split("-")[1])
        again.resolve(row["tag"], resubmit=True)
    raise AssertionError("the runs do not end")


def check_results(service, todo, results) -> None:
    """The results in the ledger are those of jobs that the service completed."""
    for one in todo:
        jobs = [p for p in service.paid() if p.state == "Completed" and key_of(p.tags) == one.key[:24]]
        assert any(np.array_equal(results[one.key], one.reduce(service.job(job.job_id).result())) for job in jobs)


class Faults(RuleBasedStateMachine):
    """Runs, faults, deaths and decisions in any order."""

    @initialize(batch=st.sampled_from([None, 3600]))
    def begin(self, batch) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.fuse, self.batch = Fuse(), batch
        self.resubmitted: list[str] = []
        self.wanted = 1
        self.restart()

    @rule()
    def restart(self) -> None:
        self.service = twin(self.folder)
        handle = self.service._server.handle

        def fused(method, target, body):
            self.fuse()  # before the request arrives
            reply = handle(method, target, body)
            self.fuse()  # after it has been handled
            return reply

        self.service._server.handle = fused
        self.submission = submission(
            self.folder, self.service, clock=FusedClock(self.fuse), batch_seconds=self.batch, tries=3
        )

    @rule(call=st.sampled_from(CALLS), kind=st.sampled_from(QUICK), status=st.sampled_from(STATUS), data=st.data())
    def fault_of_a_call(self, call, kind, status, data) -> None:
        details = {"status": status} if kind == "status" else {}
        after, times = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 4))
        self.service.fault(call, kind, after=after, times=times, **details)

    @rule(kind=st.sampled_from(sorted({*RESULT_FAULTS, "truncated", "lost_reply"})), times=st.integers(1, 4))
    def fault_of_results(self, kind, times) -> None:
        self.service.fault("job_results", kind, times=times)

    @rule(kind=st.sampled_from(sorted(FATES)), after=st.integers(0, 2))
    def fate_of_a_job(self, kind, after) -> None:
        self.service.fault("program_run", kind, after=after)

    @rule(more=st.integers(0, 2), death=st.one_of(st.just(0), st.integers(1, 60)))
    def submit(self, more, death) -> None:
        self.wanted = min(self.wanted + more, 4)
        self.run(lambda: self.submission.submit(works(self.wanted)), death)

    @rule(wait=st.booleans(), death=st.one_of(st.just(0), st.integers(1, 60)))
    def collect(self, wait, death) -> None:
        self.run(lambda: self.submission.collect(works(self.wanted), wait=wait), death)

    @rule(death=st.one_of(st.just(0), st.integers(1, 20)))
    def poll(self, death) -> None:
        self.run(self.submission.poll, death)

    @precondition(lambda self: any(row["state"] in ("unknown", "failed") for row in self.submission.status()))
    @rule(death=st.one_of(st.just(0), st.integers(1, 6)))
    def resubmit(self, death) -> None:
        row = next(row for row in self.submission.status() if row["state"] in ("unknown", "failed"))
        self.resubmitted.append(row["tag"].split("-")[1])
        self.run(lambda: self.submission.resolve(row["tag"], resubmit=True), death)

    def run(self, call, death: int) -> None:
        self.fuse.left = death
        try:
            call()
        except CayleyError:
            pass
        except Killed:
            self.fuse.left = 0
            self.restart()
        self.fuse.left = 0

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        if hasattr(self, "folder"):
            check_payments(self.folder, self.service, self.resubmitted)

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        with self.service._store.transaction() as db:
            db.execute("DELETE FROM faults")
        todo = works(self.wanted)
        service = twin(self.folder)
        results = finish(self.folder, service, todo, self.resubmitted)
        check_payments(self.folder, service, self.resubmitted)
        check_results(service, todo, results)
        shutil.rmtree(self.folder)


Faults.TestCase.settings = settings(
    max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_order_of_faults_and_deaths = Faults.TestCase


def _run(folder: Path, count: int, ready) -> None:
    """A process that is killed at any time; its pauses are real but short."""

    class Short(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            time.sleep(0.001)

    again = submission(folder, twin(folder), clock=Short())
    ready.set()
    again.submit(works(count))
    again.collect(works(count), wait=True)


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_processes_killed_at_any_time_lose_nothing(tmp_path, monkeypatch):
    """``kill -9`` at random times, of processes that share nothing but the folder."""
    context = multiprocessing.get_context("forkserver")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # for the server, which imports all of this once
    context.set_forkserver_preload([__name__, "cayley_adapters.qpu.simulate", "qiskit_aer"])
    chance, service, resubmitted = random.Random(1), twin(tmp_path), []
    service.fault("program_run", "slow", times=1000, seconds=0.01, reply_seconds=0.03)
    service.fault("job_results", "slow", times=1000, reply_seconds=0.01)
    killed, count, longest = 0, 1, 60.0
    while killed < 20:
        ready = context.Event()
        process = context.Process(target=_run, args=(tmp_path, count, ready))
        process.start()
        assert ready.wait(SAFETY)
        begin = time.monotonic()
        process.join(chance.uniform(0.0, longest) if count > 1 else SAFETY)
        if process.is_alive():
            process.kill()
            killed += 1
        process.join()
        assert process.exitcode in (0, 1, -9)
        longest = time.monotonic() - begin if count == 1 else longest
        check_payments(tmp_path, service, resubmitted)
        if process.exitcode == 1:  # a stated end, about which the user decides
            (row,) = [row for row in Ledger(tmp_path / "ledger.sqlite").rows() if row["state"] == "unknown"]
            assert row["tag"] not in [paid.tags[-1] for paid in service.paid()]
            resubmitted.append(row["tag"].split("-")[1])
            submission(tmp_path, service).resolve(row["tag"], resubmit=True)
        if process.exitcode == 0:
            count += 1
    results = finish(tmp_path, service, works(count), resubmitted)
    check_payments(tmp_path, service, resubmitted)
    check_results(service, works(count), results)
    assert len(results) == count > 1


def test_a_killed_writer_leaves_a_whole_ledger(tmp_path):
    """The transaction in which a process died is undone by the next one that opens the file."""
    context = multiprocessing.get_context("forkserver")
    ready = context.Event()
    process = context.Process(target=_die_in_a_transaction, args=(tmp_path, ready), daemon=True)
    process.start()
    assert ready.wait(SAFETY)
    process.kill()
    process.join()
    assert (tmp_path / "ledger.sqlite-journal").stat().st_size > 0
    (row,) = Ledger(tmp_path / "ledger.sqlite").rows()
    assert (row["state"], row["label"]) == ("planned", "kept")


def _die_in_a_transaction(folder: Path, ready) -> None:
    ledger = Ledger(folder / "ledger.sqlite")
    with ledger.writing():
        tag = ledger.plan(work(0).key, "kept", "", "[]", 1.0)
        ledger._db.execute("PRAGMA cache_size = 1")  # so that what is not committed reaches the file
        with ledger.transaction():
            ledger._move(tag, "unknown", "x" * 100_000, {})
            ledger._write("UPDATE work SET label = ?", ("y" * 100_000,))
            ready.set()
            time.sleep(SAFETY)
