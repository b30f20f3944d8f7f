"""A job whose fate is unknown is asked for by its tag; of several jobs of a tag one is kept."""

from __future__ import annotations

import pytest
from submitting import Clock, check_results, reveal, second_job, states, submission, twin, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger


@pytest.mark.parametrize("kind", ["lost_reply", "retried", "truncated"])
def test_a_lost_reply_is_not_sent_again(start, service, kind):
    todo = works(3)
    service.fault("program_run", kind, after=1)
    first = start()
    first.submit(todo)
    check_results(service, first.collect(todo, wait=True), todo)
    assert len(service.paid()) == 3


def test_a_job_that_listings_do_not_show_yet_is_asked_for_again(start, tmp_path):
    lagging = twin(tmp_path, listing_seconds=1000.0)

    class Waiting(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if len(self.slept) == 3:
                reveal(lagging)

    lagging.fault("program_run", "lost_reply")
    clock = Waiting()
    submission(tmp_path, lagging, clock=clock).submit(works(1))
    assert len(clock.slept) == 3
    assert len(lagging.paid()) == 1
    assert states(start()) == ["submitted"]


@pytest.mark.parametrize("kind", ["lost_request", "unreachable"])
def test_an_unknown_fate_stops_with_the_choice(start, service, kind):
    todo = works(2)
    service.fault("program_run", kind)
    clock = Clock()
    begun = clock.time()
    with pytest.raises(CayleyError, match=r"not known.*tag cayley-\w+ was found in \d+ s.*--adopt JOB.*--resubmit"):
        start(clock=clock).submit(todo)
    assert clock.time() - begun >= 25  # slept or, on a slow machine, worked
    assert sum(clock.slept) <= 30
    assert service.paid() == []
    assert states(start()) == ["unknown"] * 1 + ["planned"]
    for call in (lambda: start().submit(todo), lambda: start().collect(todo, wait=True)):
        with pytest.raises(CayleyError, match=r"not known|has not been sent"):
            call()
    assert service.paid() == []
    tag = start().status()[0]["tag"]
    assert "is planned" in start().resolve(tag, resubmit=True)
    start().submit(todo)
    check_results(service, start().collect(todo, wait=True), todo)
    assert [paid.tags[-1].split("-")[2] for paid in service.paid()] == ["2", "1"]


def test_one_that_turns_up_before_it_is_sent_again_is_taken(start, service, tmp_path):
    hidden = twin(tmp_path, listing_seconds=1000.0)
    hidden.fault("program_run", "lost_reply")
    with pytest.raises(CayleyError, match="not known"):
        submission(tmp_path, hidden).submit(works(1))
    tag = start().status()[0]["tag"]
    assert "is planned" in start().resolve(tag, resubmit=True)
    reveal(service)
    start().submit(works(1))
    assert states(start()) == ["abandoned", "submitted"]
    check_results(service, start().collect(works(1), wait=True), works(1))
    assert len(service.paid()) == 1


@pytest.mark.parametrize("queue", [1000.0, 0.0])
def test_one_that_turns_up_after_it_was_sent_again_is_cancelled_if_it_waits(start, service, tmp_path, queue, capsys):
    hidden = twin(tmp_path, queue_seconds=queue, listing_seconds=1000.0)
    hidden.fault("program_run", "lost_reply")
    with pytest.raises(CayleyError, match="not known"):
        submission(tmp_path, hidden).submit(works(1))
    start().resolve(start().status()[0]["tag"], resubmit=True)
    first = start()
    first.submit(works(1))
    reveal(service)
    first.poll()
    late, _ = service.paid()
    assert late.state == ("Cancelled" if queue else "Completed")
    assert "turned up after it was given up" in capsys.readouterr().err
    (row,) = [row for row in start().status() if row["state"] == "stray"]
    assert row["job"] == late.job_id
    assert ("not cancelled" in row["reason"]) == (queue == 0.0)
    assert row["used_seconds"] == pytest.approx(late.quantum_seconds)
    assert start()._ledger.seconds() == pytest.approx(6.0 + 6.0 + late.quantum_seconds)


def test_of_two_jobs_of_a_tag_one_is_cancelled_and_written_down(start, service, tmp_path):
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit(works(1))
    tag = start().status()[0]["tag"]
    jobs = [second_job(twin(tmp_path, queue_seconds=wait), tag) for wait in (0.0, 1000.0)]
    results = start().collect(works(1), wait=True)
    assert len(results) == 1
    done, queued = service.paid()
    assert (queued.job_id, queued.state) == (jobs[1].job_id(), "Cancelled")
    rows = {row["state"]: row for row in start().status()}
    assert rows["done"]["job"] == done.job_id
    assert rows["stray"]["job"] == queued.job_id
    assert rows["stray"]["used_seconds"] == 0.0


def test_a_second_job_that_nobody_knew_of_is_found_at_the_end(start, service):
    start().submit(works(1))
    second_job(service, start().status()[0]["tag"])
    check_results(service, start().collect(works(1), wait=True), works(1))
    assert states(start()) == ["done", "stray"]


def test_the_second_job_of_a_tag_serves_where_the_first_failed(start, service):
    service.fault("program_run", "operator")
    start().submit(works(1))
    other = second_job(service, start().status()[0]["tag"])
    assert len(start().collect(works(1), wait=True)) == 1
    rows = {row["state"]: row for row in start().status()}
    assert rows["done"]["job"] == other.job_id()


def test_a_job_of_another_tag_is_not_adopted(start, service, monkeypatch):
    """Even if the service does not filter its listing."""
    second_job(service, "cayley-somebody-elses")
    handle = service._server.handle
    monkeypatch.setattr(
        service._server, "handle", lambda method, target, body: handle(method, target.replace("tags=", "x="), body)
    )
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit(works(1))


def test_a_second_job_is_written_down_before_it_is_cancelled(start, service, tmp_path, monkeypatch):
    start().submit(works(1))
    other = second_job(twin(tmp_path, queue_seconds=1000.0), start().status()[0]["tag"])
    handle = service._server.handle

    def dying(method, target, body):
        if target.endswith("/cancel"):
            raise KeyboardInterrupt
        return handle(method, target, body)

    monkeypatch.setattr(service._server, "handle", dying)
    with pytest.raises(KeyboardInterrupt):
        start().collect(works(1), wait=True)
    monkeypatch.undo()
    assert states(start()) == ["done", "stray"]
    start().poll()
    assert [paid.state for paid in service.paid() if paid.job_id == other.job_id()] == ["Cancelled"]


def test_a_killed_cancelling_is_gone_on_with(start, service, tmp_path):
    start().submit(works(1))
    tag = start().status()[0]["tag"]
    other = second_job(twin(tmp_path, queue_seconds=1000.0), tag)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.writing():
        ledger.stray(other.job_id(), tag, "QUEUED", "second job of the work")
    start().collect(works(1), wait=True)
    assert service.paid()[1].state == "Cancelled"
