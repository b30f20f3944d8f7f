"""Results are kept whole; what failed is sent again only where that is worth it."""

from __future__ import annotations

import numpy as np
import pytest
from submitting import Clock, check_results, states, submission, twin, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.collecting import worth_again
from cayley_adapters.qpu.ledger import Ledger


def test_results_that_are_here_need_no_service_and_no_lock(start, service, tmp_path):
    todo = works(2)
    first = start()
    first.submit(todo)
    results = first.collect(todo, wait=True)
    for call in ("job_get", "job_results", "jobs_get", "backend_configuration"):
        service.fault(call, "unreachable", times=100)
    with Ledger(tmp_path / "ledger.sqlite").writing():
        np.testing.assert_equal(start().collect(todo), results)


def test_what_is_there_is_returned_without_waiting(start, tmp_path):
    todo = works(2)
    slow = twin(tmp_path, queue_seconds=1000.0)
    first = submission(tmp_path, twin(tmp_path))
    first.submit(todo[:1])
    submission(tmp_path, slow).submit(todo)
    told = []
    results = start().collect(todo, progress=lambda *words: told.append(words))
    assert set(results) == {todo[0].key}
    assert told == [(1, 2, "1 queued")]
    start().poll()
    assert [row["seen"] for row in start().status()] == ["DONE", "QUEUED"]


@pytest.mark.parametrize(
    ("kind", "details", "jobs"),
    [
        ("fails", {}, 2),
        ("expires", {}, 2),
        ("operator", {}, 1),
        ("too_long", {}, 1),
        ("fails", {"code": 1517, "reason": "Instruction not in the basis gates"}, 1),
    ],
)
def test_only_what_is_worth_it_is_sent_again(start, service, kind, details, jobs):
    todo = works(2)
    service.fault("program_run", kind, after=1, **details)
    first = start()
    first.submit(todo)
    if jobs == 2:
        check_results(service, first.collect(todo, wait=True), todo)
    else:
        for call in (lambda: first.collect(todo, wait=True), lambda: start().submit(todo)):
            with pytest.raises(CayleyError, match=r"'work 1' has failed for good in attempt 1.*--resubmit"):
                call()
        assert set(first.collect(todo)) == {todo[0].key}  # the other is not lost
        start().resolve(start().status()[1]["tag"], resubmit=True)
        check_results(service, start().collect(todo, wait=True), todo)
    attempts = [row for row in start().status() if row["label"] == "work 1"]
    assert [row["state"] for row in attempts] == ["failed" if jobs == 2 else "abandoned", "done"]
    assert attempts[0]["reason"]
    failed = next(paid for paid in service.paid() if paid.state in ("Failed", "Cancelled"))
    assert attempts[0]["used_seconds"] == pytest.approx(failed.quantum_seconds)


def test_attempts_are_bounded(start, service):
    service.fault("program_run", "fails", times=10)
    start().submit(works(1))
    with pytest.raises(CayleyError, match=r"failed for good in attempt 2.*Internal error"):
        start(max_attempts=2).collect(works(1), wait=True)
    assert len(service.paid()) == 2


@pytest.mark.parametrize(
    ("seen", "code", "reason", "again"),
    [
        ("ERROR", 9999, "Error code 9999; something", True),
        ("ERROR", None, "An internal error occurred", True),
        ("ERROR", 1305, "internal", False),
        ("ERROR", None, "", False),
        ("CANCELLED", None, "Session has been closed", True),
        ("CANCELLED", None, "Cancelled by the user when the session ended", False),
        ("CANCELLED", None, "internal error", False),
    ],
)
def test_reasons_are_weighed(seen, code, reason, again):
    assert worth_again(seen, code, reason) == again


@pytest.mark.parametrize("kind", ["withheld", "truncated", "damaged", "short"])
def test_damaged_results_are_fetched_again_and_not_paid_again(start, service, kind):
    start().submit(works(1))
    service.fault("job_results", kind, times=2)
    check_results(service, start().collect(works(1), wait=True), works(1))
    assert len(service.paid()) == 1


def test_results_that_stay_damaged_stop_the_waiting(start, service):
    todo = works(2)
    start().submit(todo)
    service.fault("job_results", "short", times=5)
    first = start()
    assert set(first.collect(todo)) == {todo[1].key}
    assert "4 shots instead of 8" in first.status()[0]["reason"]
    service.fault("job_results", "truncated", times=1000)
    with pytest.raises(CayleyError, match=r"could not be read.*it is paid.*fetch it"):
        start().collect(todo, wait=True)
    assert len(service.paid()) == 2
    assert states(start()) == ["submitted", "done"]


def test_waiting_survives_an_outage(start, service):
    todo = works(2)
    start().submit(todo)
    for call in ("job_get", "jobs_get"):
        service.fault(call, "unreachable", times=12)
    service.fault("job_results", "status", times=2, status=503)
    told = []
    results = start().collect(todo, wait=True, progress=lambda *words: told.append(words))
    check_results(service, results, todo)
    assert any("no answer after 5 tries" in note for _, _, note in told)
    assert told[-1][:2] == (2, 2)


def test_waiting_polls_with_growing_pauses(start, tmp_path):
    slow = twin(tmp_path, queue_seconds=1000.0)
    submission(tmp_path, slow).submit(works(1))

    class Enough(Exception):
        pass

    class Bounded(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if len(self.slept) == 12:
                raise Enough

    clock = Bounded()
    with pytest.raises(Enough):
        start(clock=clock, longest_pause=8.0).collect(works(1), wait=True)
    for slept, mean in zip(clock.slept, [min(1.6**number, 8.0) for number in range(12)], strict=True):
        assert 0.75 * mean <= slept <= 1.25 * mean


def test_a_job_of_another_account_is_said(start, service, tmp_path):
    start().submit(works(1))
    other = twin(tmp_path / "other")
    with pytest.raises(CayleyError, match=r"does not know job .* --resubmit"):
        submission(tmp_path, other).collect(works(1), wait=True)


def test_works_that_were_never_sent_are_not_waited_for(start):
    with pytest.raises(CayleyError, match=r"'work 0' has not been sent.*qpu submit"):
        start().collect(works(1), wait=True)
    assert start().collect(works(1)) == {}


def test_usage_that_cannot_be_had_stops_no_one(start, service):
    start().submit(works(1))
    service.fault("job_metadata", "unreachable", times=10)
    check_results(service, start().collect(works(1), wait=True), works(1))
    assert start().status()[0]["used_seconds"] is None
    start().poll()
    assert start().status()[0]["used_seconds"] == pytest.approx(service.paid()[0].quantum_seconds)
