"""Jobs are known by their work: from a copy of a ledger, without one, from another machine, whatever the clock says."""

from __future__ import annotations

import shutil

import pytest
from submitting import BACKEND, Clock, check_results, states, submission, twin, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger, work_tag

TODO = works(3)


def everything(folder, service):
    submission(folder, service).submit(TODO)
    return submission(folder, service).collect(TODO, wait=True)


@pytest.mark.parametrize("sent", [0, 1, 3])
def test_a_copied_folder_pays_nothing_twice(tmp_path, service, sent):
    """It is copied before anything was sent, in the middle, or when all was; then both go on."""
    if sent < 3:
        service.fault("program_run", "status", after=sent, status=422)
        with pytest.raises(CayleyError, match="refused"):
            submission(tmp_path / "a", service).submit(TODO)
    else:
        submission(tmp_path / "a", service).submit(TODO)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for folder in ("a", "b", "a"):
        check_results(service, everything(tmp_path / folder, service), TODO)
    assert len(service.paid()) == 3


@pytest.mark.parametrize("kind", ["lost_reply", "truncated"])
def test_a_lost_reply_in_a_copied_folder_is_known_to_both(tmp_path, service, kind):
    shutil.copytree(tmp_path, tmp_path / "b", ignore=shutil.ignore_patterns("twin", "b"))
    service.fault("program_run", kind, after=1)
    for folder in (tmp_path / "a", tmp_path / "b"):
        check_results(service, everything(folder, service), TODO)
    assert len(service.paid()) == 3


def test_a_deleted_ledger_pays_nothing_twice(tmp_path, service):
    submission(tmp_path / "a", service).submit(TODO[:2])
    shutil.rmtree(tmp_path / "a")
    check_results(service, everything(tmp_path / "a", service), TODO)
    assert len(service.paid()) == 3
    assert "taken" not in states(submission(tmp_path / "a", service))


def test_failed_jobs_from_before_count_as_attempts(tmp_path, service):
    """Without its ledger a work is not sent more often than with it."""
    for lost in range(4):
        service.fault("program_run", "fails", times=9)
        with pytest.raises(CayleyError, match="failed for good in attempt 3"):
            everything(tmp_path / f"ledger{lost}", service)
    assert len(service.paid()) == 3 * len(TODO)


def test_another_machine_adopts_what_is_under_way(tmp_path, service):
    busy = twin(tmp_path, queue_seconds=1000.0)
    submission(tmp_path / "a", busy).submit(TODO)
    submission(tmp_path / "b", service).submit(TODO)
    assert [row["job"] for row in Ledger(tmp_path / "b" / "ledger.sqlite").rows()] == [p.job_id for p in service.paid()]
    assert len(service.paid()) == 3


class Wrong(Clock):
    """A clock that is days off."""

    def __init__(self, days: float) -> None:
        super().__init__()
        self._off = days * 86_400

    def time(self) -> float:
        return super().time() + self._off


@pytest.mark.parametrize("days", [2.0, -2.0, 400.0])
def test_a_wrong_clock_does_not_hide_a_job(tmp_path, service, days):
    service.fault("program_run", "lost_reply")
    submission(tmp_path, service, clock=Wrong(days)).submit(TODO[:1])
    assert states(submission(tmp_path, service)) == ["submitted"]
    assert len(service.paid()) == 1


def test_tags_follow_from_the_work_alone(tmp_path, service):
    submission(tmp_path / "a", service).submit(TODO[:1])
    (paid,) = service.paid()
    assert paid.tags == (work_tag(TODO[0].key), f"{work_tag(TODO[0].key)}-1")
    assert service.jobs(job_tags=[work_tag(TODO[0].key)], backend_name=BACKEND)[0].job_id() == paid.job_id


def test_a_job_of_another_device_is_not_taken(tmp_path, service):
    from cayley_adapters.qpu.twin import TwinService

    submission(tmp_path / "a", service).submit(TODO[:1])
    TwinService(tmp_path / "twin", "FakeLimaV2")
    with service._store.transaction() as db:
        db.execute("UPDATE jobs SET backend = 'fake_lima'")
    submission(tmp_path / "b", service).submit(TODO[:1])
    assert len(service.paid()) == 2


@pytest.mark.parametrize(("target", "state"), [("/backends", "planned"), ("/instances/usage", "planned")])
def test_who_dies_while_a_job_is_prepared_has_sent_nothing(tmp_path, service, monkeypatch, target, state):
    """What the library asks before it sends is no part of the request."""
    submission(tmp_path, service)  # makes the ledger
    handle, posts = service._server.handle, []

    def dying(method, asked, body):
        if method == "GET" and asked.startswith(target) and asked.endswith(("status", "usage")):
            raise KeyboardInterrupt
        posts.append(asked)
        return handle(method, asked, body)

    service.backend(BACKEND)
    first = submission(tmp_path, service)
    first._budget._calls.time_left = lambda: None  # it asks for the usage before any sending
    monkeypatch.setattr(service._server, "handle", dying)
    with pytest.raises(KeyboardInterrupt):
        first.submit(TODO[:1])
    monkeypatch.undo()
    assert states(submission(tmp_path, service)) == [state]
    assert service.paid() == []
    check_results(service, everything(tmp_path, service), TODO)
    assert len(service.paid()) == 3


def test_the_intent_is_written_just_before_the_request(tmp_path, service, monkeypatch):
    handle, seen = service._server.handle, []

    def watching(method, target, body):
        path = tmp_path / "ledger.sqlite"
        found = {row["state"] for row in Ledger(path).rows()} if path.exists() else set()
        seen.append((method, target.partition("?")[0], found))
        return handle(method, target, body)

    monkeypatch.setattr(service._server, "handle", watching)
    submission(tmp_path, service).submit(TODO[:1])
    posted = next(i for i, (method, target, _) in enumerate(seen) if (method, target) == ("POST", "/jobs"))
    assert seen[posted][2] == {"unknown"}
    assert all("unknown" not in found for _, _, found in seen[:posted])
