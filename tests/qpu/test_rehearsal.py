"""Where the plan has dry runs the service is asked, before anything is paid, what the first job would be charged."""

from __future__ import annotations

import pytest
from qiskit_ibm_runtime.executor_sampler import Sampler
from submitting import BACKEND, Clock, work, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.rehearsal import rehearse
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.twin import TwinService

OPTIONS = {"max_seconds": 900.0, "cap_factor": 2.0, "unknown_seconds": 1.0, "attempts": 3}
FLEX = {"plan": ("flex", "paid"), "dry_runs": True}


def opened(folder, **conditions):
    return TwinService(folder / "twin", "FakeManilaV2", **conditions)


def rehearsed(service, seconds=60.0):
    calls = Calls(service, BACKEND, Clock(), tries=2, pause=1.0, longest=2.0)
    return rehearse(calls, work(0), Sampling(8).options(), seconds)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_dry_run_tells_what_a_job_is_charged_and_is_not_paid(tmp_path, factor):
    service = opened(tmp_path, charge_factor=factor, limit_seconds=600.0, **FLEX)
    told = rehearsed(service)
    assert service.paid() == []
    assert service._get_api_client().cloud_usage()["usage_consumed_seconds"] == 0
    Sampler(mode=service.backend(BACKEND)).run(list(work(0).pubs)).result()
    assert [paid.quantum_seconds for paid in service.paid()] == [pytest.approx(told, rel=0.01)]


def test_a_plan_without_dry_runs_has_none(tmp_path):
    assert rehearsed(opened(tmp_path)) is None


def test_what_a_dry_run_would_fail_with_is_told_before_anything_is_sent(tmp_path):
    service = opened(tmp_path, **FLEX)
    service.fault("program_run", "fails", reason="qubit 3 is not there", code=1517)
    with pytest.raises(CayleyError, match=r"nothing was sent.*'work 0'.*qubit 3 is not there"):
        rehearsed(service)


@pytest.mark.parametrize("kind", ["lost_reply", "lost_request"])
def test_nothing_rests_on_a_dry_run_that_gets_no_answer(tmp_path, kind, capsys):
    service = opened(tmp_path, **FLEX)
    service.fault("program_run", kind)
    assert rehearsed(service) is None
    assert "no dry run" in capsys.readouterr().err


def test_a_dry_run_that_does_not_end_is_not_waited_for(tmp_path, capsys):
    assert rehearsed(opened(tmp_path, queue_seconds=600.0, **FLEX), seconds=30.0) is None
    assert "QUEUED for 30 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "kind", "details"),
    [
        ("program_run", "fails", {"reason": "Internal error"}),
        ("program_run", "operator", {}),
        ("job_get", "unreachable", {"times": 99}),
    ],
)
def test_what_fails_of_the_services_own_keeps_nobody_from_sending(tmp_path, call, kind, details, capsys):
    service = opened(tmp_path, **FLEX)
    service.fault(call, kind, **details)
    assert rehearsed(service) is None
    assert "dry run" in capsys.readouterr().err


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A desk whose workload is a few tiny works, and its service."""
    monkeypatch.setattr("cayley_adapters.qpu.desk.jobs_of", lambda workload, *_: [(None, one) for one in workload])

    def made(**conditions):
        service = opened(tmp_path, **FLEX, **conditions)
        return Desk(tmp_path, service, service.backend(BACKEND), OPTIONS, Sampling(8), None), service

    return made


def test_who_agrees_sees_the_estimate_of_the_dry_run_and_it_is_what_jobs_are_capped_by(desk):
    at, service = desk(charge_factor=3.0)
    shown = []
    at.send(works(3, pilot=True), 1.6, lambda text: not shown.append(text))
    charged = service.paid()[0].quantum_seconds
    factor = charged / work(0).seconds
    assert factor > 1.5  # else sending would not have stopped without the dry run
    assert f"the service reckons with {factor:.2f} times our estimate of the first job" in shown[0]
    assert f"3 jobs, about {3 * charged:.0f} s" in shown[0]
    assert [job.state for job in service.paid()] == ["Completed"] * 3
    assert [job.cap for job in service.paid()[1:]] == pytest.approx([2 * charged] * 2, abs=1)


def test_a_dry_run_is_asked_for_once(desk):
    at, service = desk()
    at.send(works(2, pilot=True), 1.6, lambda _: True)
    again, _ = desk()
    again.send(works(4, pilot=True), 1.6, lambda text: pytest.fail(text))
    with service._store.transaction() as db:
        assert db.execute("SELECT count(*) FROM jobs WHERE backend LIKE 'mock_%'").fetchone()[0] == 1
    assert len(service.paid()) == 4
