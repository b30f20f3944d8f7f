"""Works are sent once, through batches, within the budget, by one process at a time."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing

import numpy as np
import pytest
from qiskit_ibm_runtime import Batch
from safety import SAFETY
from submitting import BACKEND, CIRCUIT, SHOTS, Clock, check_results, states, submission, twin, work, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger


def test_works_are_sent_through_one_batch_and_paid_once(start, service):
    todo = works(3)
    told = []
    start().submit(todo, progress=lambda *words: told.append(words))
    assert told[-1][:2] == (3, 3)
    results = start().collect(todo, wait=True)
    check_results(service, results, todo)
    for _ in range(2):  # another day
        again = start()
        again.submit(todo)
        np.testing.assert_equal(again.collect(todo, wait=True), results)
    assert len(service.paid()) == 3
    sessions = {service.job(paid.job_id).session_id for paid in service.paid()}
    (session,) = sessions
    assert Batch.from_id(session, service).details()["state"] == "closed"
    rows = start().status()
    assert [row["state"] for row in rows] == ["done"] * 3
    for row, paid in zip(rows, service.paid(), strict=True):
        assert row["used_seconds"] == pytest.approx(paid.quantum_seconds)
        assert (row["job"], row["tag"]) == (paid.job_id, paid.tags[-1])
        assert row["age_seconds"] >= 0


def test_a_single_work_needs_no_batch(start, service):
    start().submit(works(1))
    assert service.job(service.paid()[0].job_id).session_id is None


def test_options_reach_the_program(start, service):
    options = {
        "twirling": {"enable_gates": True, "num_randomizations": 4, "shots_per_randomization": 3},
        "max_execution_time": 4,
        "environment": {"job_tags": ["mine"]},
    }
    first = start(options=options)
    first.submit([work(0)])
    (paid,) = service.paid()
    assert paid.tags[0] == "mine"
    assert len(paid.tags) == 3
    result = first.collect([work(0)], wait=True)[work(0).key]
    assert (result[1] == 12).all()  # twirling gives more shots than were asked for
    described = service._get_api_client().job_get(paid.job_id)
    assert described["cost"] == 4  # a cap of the user's own, below ours
    with pytest.raises(CayleyError, match="does not take"):
        start(options={"no_such": 1})
    with pytest.raises(CayleyError, match="private"):
        start(options={"environment": {"private": True}})


def test_other_options_are_another_measurement(start):
    start().submit(works(1))
    first = start(options={"dynamical_decoupling": {"enable": True}})
    ledger = first._ledger
    with ledger.writing():
        ledger.move(first.status()[0]["tag"], "failed", again=1)
    with pytest.raises(CayleyError, match="another key"):
        first.collect(works(1), wait=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "xyz"}, "hex digest"),
        ({"seconds": float("nan")}, "finite number"),
        ({"pubs": []}, "at least one circuit"),
    ],
)
def test_a_wrong_work_is_refused_before_anything_is_sent(start, service, change, words):
    with pytest.raises(CayleyError, match=words):
        start().submit([work(1), dataclasses.replace(work(0), **change)])
    with pytest.raises(CayleyError, match="twice"):
        start().submit([work(1), work(1)])
    assert service.paid() == []


def test_the_budget_is_kept(start, service):
    with pytest.raises(CayleyError, match=r"3 jobs, .* may use 18 .* 0.0 are used.*max_seconds=17;.*max_seconds=18"):
        start(max_seconds=17.0).submit(works(3))
    assert service.paid() == []
    start(max_seconds=18.0).submit(works(3))
    with pytest.raises(CayleyError, match=r"18.0 are used or under way"):
        start(max_seconds=20.0).submit(works(4))
    first = start(max_seconds=20.0)
    first.collect(works(3), wait=True)
    used = sum(paid.quantum_seconds for paid in service.paid())
    assert used < 14.0
    first.submit(works(4))  # less was used than was allowed
    assert len(service.paid()) == 4


def test_attempts_that_failed_count_for_the_budget(start, service):
    service.fault("program_run", "fails", fraction=1.0)
    first = start(max_seconds=7.0)
    first.submit(works(1))
    with pytest.raises(CayleyError, match=r"1 job, estimated at 3.0 QPU seconds, may use 6 .* 2.0 are used"):
        first.collect(works(1), wait=True)
    assert len(service.paid()) == 1
    assert len(start(max_seconds=9.0).collect(works(1), wait=True)) == 1


def test_a_batch_that_takes_no_more_jobs_is_followed_by_another(start, service, tmp_path):
    todo = works(3)
    service.fault("program_run", "status", after=1, status=400)
    with pytest.raises(CayleyError, match="'work 1' was refused, so that nothing is paid"):
        start().submit(todo)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    (batch,) = ledger.open_batches(BACKEND)
    Batch.from_id(batch, service).close()
    start().submit(todo)
    assert ledger.open_batches(BACKEND) == []
    sessions = [service.job(paid.job_id).session_id for paid in service.paid()]
    assert sessions[0] == batch
    assert sessions[1] == sessions[2] != batch


def test_a_batch_that_closes_in_the_middle_is_followed_by_another(start, service, monkeypatch):
    handle, posts = service._server.handle, []

    def closing(method, target, body):
        if (method, target) == ("POST", "/jobs"):
            posts.append(json.loads(body)["session_id"])
            if len(posts) == 2:
                handle("PATCH", f"/sessions/{posts[0]}", '{"accepting_jobs": false}')
        return handle(method, target, body)

    monkeypatch.setattr(service._server, "handle", closing)
    clock = Clock()
    start(clock=clock).submit(works(3))
    assert posts[0] == posts[1] != posts[2] == posts[3]
    assert len(service.paid()) == 3
    assert clock.slept == []


def test_an_open_batch_is_used_again_after_a_restart(start, service):
    todo = works(4)
    service.fault("program_run", "status", after=2, status=422)
    with pytest.raises(CayleyError, match="refused"):
        start().submit(todo)
    start().submit(todo)
    assert len({service.job(paid.job_id).session_id for paid in service.paid()}) == 1
    assert len(service.paid()) == 4


def test_too_many_requests_are_waited_for(start, service):
    service.fault("program_run", "status", times=3, status=429)
    clock = Clock()
    start(clock=clock).submit(works(1))
    assert clock.slept == [60.0] * 3
    assert len(service.paid()) == 1
    service.fault("program_run", "status", times=30, status=429)
    with pytest.raises(CayleyError, match=r"refused 5 times.*start again later"):
        start().submit(works(2))
    assert states(start()) == ["submitted", "planned"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_account_is_said_in_a_sentence(start, service, status):
    service.fault("program_run", "status", status=status)
    with pytest.raises(CayleyError, match=r"does not accept your account.*save_account"):
        start().submit(works(1))
    assert states(start()) == ["planned"]


def test_the_digest_is_the_same_in_every_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        other = pool.apply(_digest)
    assert other == _digest()
    assert {_digest(shots=9), _digest(shift=1e-12), _digest(backend="other"), _digest(options={"a": 1})}.isdisjoint(
        {other}
    )


def _digest(shots=SHOTS, shift=0.0, backend=BACKEND, options=None):
    from cayley_adapters.qpu.payload import digest

    changed = dataclasses.replace(work(3), pubs=[(CIRCUIT, work(3).pubs[0][1] + shift, shots)])
    return digest(changed, backend, options or {})


def test_an_unreachable_service_is_said(tmp_path, service):
    for call in ("list_backends", "backend_configuration"):
        service.fault(call, "unreachable", times=100)
    with pytest.raises(CayleyError, match=f"look up {BACKEND}: no answer after 5 tries"):
        submission(tmp_path, service).submit(works(1))
    assert service.paid() == []


def _submit(folder, ready, leave):
    class Holding(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            ready.set()
            leave.wait(SAFETY)

    submission(folder, twin(folder), clock=Holding()).submit(works(2))


def test_two_processes_on_one_ledger_send_once(tmp_path, service, start):
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    service.fault("program_run", "status", status=429)  # so that the other process pauses in the middle
    other = context.Process(target=_submit, args=(tmp_path, ready, leave), daemon=True)
    other.start()
    assert ready.wait(SAFETY)
    with pytest.raises(CayleyError, match=f"process {other.pid} .* is writing"):
        start().submit(works(2))
    assert states(start()) == ["planned", "planned"]
    leave.set()
    start(wait=True).submit(works(2))
    other.join()
    assert other.exitcode == 0
    assert len(service.paid()) == 2


def test_no_token_gets_into_the_ledger(tmp_path, service, monkeypatch, start):
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "very-secret-token")
    service.fault("program_run", "fails", reason="Rejected: Bearer very-secret-token", code=1200)
    first = start()
    first.submit(works(1))
    with pytest.raises(CayleyError) as caught:
        first.collect(works(1), wait=True)
    assert "Rejected" in str(caught.value)
    assert "very-secret-token" not in str(caught.value)
    for path in tmp_path.glob("ledger*"):
        assert b"very-secret-token" not in path.read_bytes()


def test_the_submission_is_the_librarys_own():
    """Nothing in it depends on the service being the twin."""
    import inspect

    from cayley_adapters.qpu import budget, calls, collecting, finding, payload, resolving, sending, unknown, wire
    from cayley_adapters.qpu import submission as main

    for module in (budget, calls, collecting, finding, payload, resolving, sending, unknown, wire, main):
        assert "twin" not in inspect.getsource(module).lower()
