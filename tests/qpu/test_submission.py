"""Works are sent once, collected whole, and every fault of the service ends as stated."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing

import numpy as np
import pytest
from qiskit_ibm_runtime import Batch
from qiskit_ibm_runtime.executor_sampler import Sampler
from submitting import ANGLE, BACKEND, CIRCUIT, SHOTS, Clock, key_of, ones, reveal, submission, twin, work, works

from cayley_adapters.errors import CayleyError
from cayley_adapters.qpu.collecting import worth_again
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.submission import Submission


@pytest.fixture
def service(tmp_path):
    return twin(tmp_path)


@pytest.fixture
def start(tmp_path, service):
    """Start another process: nothing but the ledger and the service is left of the one before."""
    return lambda **options: submission(tmp_path, service, **options)


def states(submission):
    return [row["state"] for row in submission.status()]


def truth(service, work):
    """What the service gives for the completed job of a work."""
    for paid in service.paid():
        if paid.state == "Completed" and key_of(paid.tags) == work.key[:10]:
            return work.reduce(service.job(paid.job_id).result())
    raise AssertionError(f"{work.label} has no completed job")


def check_results(service, results, expected):
    assert set(results) == {one.key for one in expected}
    for one in expected:
        np.testing.assert_array_equal(results[one.key], truth(service, one))


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


def test_results_that_are_here_need_no_service_and_no_lock(start, service, tmp_path):
    todo = works(2)
    first = start()
    first.submit(todo)
    results = first.collect(todo, wait=True)
    for call in ("job_get", "job_results", "jobs_get", "backend_configuration"):
        service.fault(call, "unreachable", times=100)
    with Ledger(tmp_path / "ledger.sqlite").writing():
        np.testing.assert_equal(start().collect(todo), results)


def test_a_single_work_needs_no_batch(start, service):
    start().submit(works(1))
    assert service.job(service.paid()[0].job_id).session_id is None


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


def test_options_reach_the_program(start, service):
    options = {
        "twirling": {"enable_gates": True, "num_randomizations": 4, "shots_per_randomization": 3},
        "max_execution_time": 77,
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
    assert described["cost"] == 77
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
    with pytest.raises(CayleyError, match=r"3 jobs take about 9.0 .* 0.0 are used.*max_seconds=8;.*max_seconds=9"):
        start(max_seconds=8.0).submit(works(3))
    assert service.paid() == []
    start(max_seconds=9.0).submit(works(3))
    with pytest.raises(CayleyError, match=r"9.0 are used or under way"):
        start(max_seconds=11.0).submit(works(4))
    first = start(max_seconds=11.0)
    first.collect(works(3), wait=True)
    used = sum(paid.quantum_seconds for paid in service.paid())
    assert used < 8.0
    first.submit(works(4))  # less was used than was estimated
    assert len(service.paid()) == 4


def test_attempts_that_failed_count_for_the_budget(start, service):
    service.fault("program_run", "fails", fraction=1.0)
    first = start(max_seconds=4.0)
    first.submit(works(1))
    with pytest.raises(CayleyError, match=r"1 jobs take about 3.0 QPU seconds and 2.0 are used"):
        first.collect(works(1), wait=True)
    assert len(service.paid()) == 1
    assert len(start(max_seconds=6.0).collect(works(1), wait=True)) == 1


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
    with pytest.raises(CayleyError, match=r"not known.*tag cayley-\w+-1-\w+ .*in 3\d s.*--adopt JOB.*--resubmit"):
        start(clock=clock).submit(todo)
    assert 25 <= sum(clock.slept) <= 30
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
    assert states(start()) == ["submitted", "withdrawn"]
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
    assert start()._ledger.seconds() == pytest.approx(3.0 + 3.0 + late.quantum_seconds)


def second_job(service, tag, angle=0.5):
    """A job that the library's own retry might have made."""
    sampler = Sampler(mode=service.backend(BACKEND))
    sampler.options.environment.job_tags = [tag]
    return sampler.run([(CIRCUIT, [[angle], [angle]], SHOTS)])


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
        ledger.stray(other.job_id(), tag, "QUEUED", "second job of the tag")
    start().collect(works(1), wait=True)
    assert service.paid()[1].state == "Cancelled"


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
    assert len(clock.slept) == 3
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


def adoptable(start, service):
    """A tag whose fate is unknown."""
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit(works(1))
    return start().status()[0]["tag"]


def test_a_job_is_adopted_by_what_it_measures(start, service):
    tag = adoptable(start, service)
    sampler = Sampler(mode=service.backend(BACKEND))
    (pub,) = work(0).pubs
    others = [
        sampler.run([(pub[0], pub[1] + 1e-9, pub[2])]),
        sampler.run([(pub[0], pub[1][:1], pub[2])]),
        sampler.run([(pub[0], pub[1], pub[2] - 1)]),
        sampler.run([pub, pub]),
    ]
    for other in others:
        with pytest.raises(CayleyError, match="measures something else"):
            start().resolve(tag, adopt=other.job_id())
    right = sampler.run([pub])
    assert "though not its tag" in start().resolve(tag, adopt=right.job_id())
    check = start().collect(works(1), wait=True)[work(0).key]
    np.testing.assert_array_equal(check, ones(right.result()))
    with pytest.raises(CayleyError, match="nothing to adopt"):
        start().resolve(tag, adopt=others[0].job_id())
    start().submit(works(2))
    tag = adoptable_second(start, service)
    with pytest.raises(CayleyError, match="belongs to"):
        start().resolve(tag, adopt=right.job_id())


def adoptable_second(start, service):
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit(works(1, first=7))
    return start().status()[-1]["tag"]


def test_a_job_is_adopted_by_its_tag(start, service):
    tag = adoptable(start, service)
    job = second_job(service, tag)
    assert "by its tag" in start().resolve(tag, adopt=job.job_id())
    assert len(start().collect(works(1), wait=True)) == 1


def test_twirled_jobs_can_be_adopted_too(start, service):
    options = {"twirling": {"enable_gates": True, "num_randomizations": 4}}
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start(options=options).submit(works(1))
    job = Sampler(mode=service.backend(BACKEND), options=options).run(list(work(0).pubs))
    start(options=options).resolve(start().status()[0]["tag"], adopt=job.job_id())
    assert states(start()) == ["submitted"]


def test_decisions_that_make_no_sense_are_refused(start, service):
    tag = adoptable(start, service)
    for options, words in [
        ({}, "either"),
        ({"adopt": "x", "resubmit": True}, "either"),
        ({"adopt": "nosuchjob"}, "does not know job"),
    ]:
        with pytest.raises(CayleyError, match=words):
            start().resolve(tag, **options)
    with pytest.raises(CayleyError, match=r"no tag 'nothing'.*qpu status"):
        start().resolve("nothing", resubmit=True)
    start().resolve(tag, resubmit=True)
    new = start().status()[-1]["tag"]
    for asked in (tag, new):
        with pytest.raises(CayleyError, match="nothing to send again"):
            start().resolve(asked, resubmit=True)


def test_a_job_that_waits_is_not_sent_again(start, service, tmp_path):
    submission(tmp_path, twin(tmp_path, queue_seconds=1000.0)).submit(works(1))
    with pytest.raises(CayleyError, match="is queued at the service"):
        start().resolve(start().status()[0]["tag"], resubmit=True)


def test_resubmitting_one_that_is_there_takes_it(start, service):
    tag = adoptable(start, service)
    second_job(service, tag)
    assert "has just turned up" in start().resolve(tag, resubmit=True)
    assert states(start()) == ["submitted"]


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


def test_values_by_name_and_circuits_without_parameters_are_works_too(start, service):
    from cayley_adapters.qpu.submission import Work

    bound = CIRCUIT.assign_parameters({ANGLE: 0.3})
    mixed = Work("c" * 32, "mixed", [(CIRCUIT, {ANGLE: [0.1, 0.2, 0.3]}, 5), (bound, None, 5)], 1.0, ones)
    first = start()
    first.submit([mixed])
    assert first.collect([mixed], wait=True)["c" * 32].shape == (2, 3)
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit([dataclasses.replace(mixed, key="d" * 32)])
    start().resolve(start().status()[1]["tag"], adopt=Sampler(mode=service.backend(BACKEND)).run(mixed.pubs).job_id())


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
            leave.wait(30)

    submission(folder, twin(folder), clock=Holding()).submit(works(2))


def test_two_processes_on_one_ledger_send_once(tmp_path, service, start):
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    service.fault("program_run", "status", status=429)  # so that the other process pauses in the middle
    other = context.Process(target=_submit, args=(tmp_path, ready, leave))
    other.start()
    assert ready.wait(60)
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


def test_the_submission_is_the_librarys_own(service, tmp_path):
    """Nothing in it depends on the service being the twin."""
    import inspect

    from cayley_adapters.qpu import calls, collecting, finding, payload, resolving, sending
    from cayley_adapters.qpu import submission as main

    for module in (calls, collecting, finding, payload, resolving, sending, main):
        assert "twin" not in inspect.getsource(module).lower()
    assert Submission.__module__ == main.__name__
