"""Faults on demand reach the caller as the real network's and the real device's do."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from qiskit_ibm_runtime import Batch
from qiskit_ibm_runtime.exceptions import (
    IBMNotAuthorizedError,
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobFailureError,
    RuntimeJobMaxTimeoutError,
    RuntimeProgramNotFound,
)
from twin_jobs import TAG, send

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.twin import TwinService


@pytest.fixture
def service(tmp_path) -> TwinService:
    return TwinService(tmp_path)


@pytest.fixture
def backend(service):
    return service.backend("fake_fez")


@pytest.mark.parametrize(
    ("kind", "details", "error", "message", "status", "accepted"),
    [
        ("unreachable", {}, IBMRuntimeError, "Max retries exceeded.*Network is unreachable", -1, 0),
        ("lost_request", {}, IBMRuntimeError, "Connection aborted", -1, 0),
        ("lost_reply", {}, IBMRuntimeError, "Connection aborted", -1, 1),
        ("truncated", {}, Exception, "Unterminated string", None, 1),
        ("status", {"status": 400}, IBMRuntimeError, "400 Client Error", 400, 0),
        ("status", {"status": 401}, IBMNotAuthorizedError, "401 Client Error", None, 0),
        ("status", {"status": 404}, RuntimeProgramNotFound, "404 Client Error", 404, 0),
        ("status", {"status": 429}, IBMRuntimeError, "429 Client Error", 429, 0),
        # the library tries again by itself, and then tells no status
        ("status", {"status": 500}, IBMRuntimeError, "too many 500 error responses", -1, 0),
        ("status", {"status": 503}, IBMRuntimeError, "too many 503 error responses", -1, 0),
        ("status", {"status": 501}, IBMRuntimeError, "501 Server Error", 501, 0),
    ],
)
def test_submission_that_fails_once(service, backend, kind, details, error, message, status, accepted):
    service.fault("program_run", kind, **details)
    with pytest.raises(error, match=f"(?s){message}") as caught:
        send(backend)
    assert getattr(caught.value.__context__, "status_code", None) == status
    assert [p.tags for p in service.paid()] == [(TAG,)] * accepted
    assert [job.tags for job in service.jobs(job_tags=[TAG])] == [[TAG]] * accepted
    assert send(backend).done()


def test_request_that_the_library_repeats_is_accepted_twice(service, backend):
    service.fault("program_run", "retried")
    job = send(backend)
    first, second = service.paid()
    assert first.tags == second.tags == (TAG,)
    assert job.job_id() == second.job_id
    assert first.quantum_seconds == second.quantum_seconds > 0


def test_faults_wait_for_their_call_and_are_consumed(service, tmp_path):
    service.fault("program_run", "lost_request", after=1, times=2)
    other = TwinService(tmp_path)  # the fault belongs to the server, not to the process that asked for it
    outcomes = []
    for opened in (service, other, service, other):
        try:
            send(opened.backend("fake_fez"))
            outcomes.append("accepted")
        except IBMRuntimeError:
            outcomes.append("lost")
    assert outcomes == ["accepted", "lost", "lost", "accepted"]
    assert len(service.paid()) == 2


def test_lost_reply_to_a_question_is_asked_again_later(service, backend):
    job = send(backend)
    for call, ask in [
        ("job_get", job.status),
        ("jobs_get", service.jobs),
        ("job_results", job.result),
        ("job_metadata", job.usage),
        ("cloud_usage", service.usage),
        ("backend_status", backend.status),
    ]:
        service.fault(call, "lost_reply")
        with pytest.raises(Exception, match=r"Connection aborted|Max retries"):
            ask()
        ask()
    assert len(service.paid()) == 1


def test_slow_answers(service, backend):
    service.fault("cloud_usage", "slow", seconds=0.2, reply_seconds=0.1)
    start = time.perf_counter()
    service.usage()
    assert time.perf_counter() - start >= 0.3


def test_listing_lags_behind_a_lost_reply(tmp_path, monkeypatch):
    service = TwinService(tmp_path, listing_seconds=1000.0)
    service.fault("program_run", "lost_reply")
    with pytest.raises(IBMRuntimeError):
        send(service.backend("fake_fez"))
    assert len(service.paid()) == 1
    assert service.jobs(job_tags=[TAG]) == []
    assert service.job(service.paid()[0].job_id).done()
    later = time.time() + 2000
    monkeypatch.setattr("time.time", lambda: later)
    assert [job.job_id() for job in service.jobs(job_tags=[TAG])] == [service.paid()[0].job_id]


def test_job_that_fails_half_way_costs_what_it_ran(service, backend):
    service.fault("program_run", "fails", fraction=0.25, reason="The refrigerator warmed up", code=8001)
    job = send(backend)
    assert job.status() == "ERROR"
    assert "The refrigerator warmed up" in job.error_message()
    with pytest.raises(RuntimeJobFailureError, match="Error code 8001; The refrigerator warmed up"):
        service.job(job.job_id()).result()
    whole = send(backend)
    assert job.usage() == pytest.approx(0.25 * whole.usage())


def test_operator_cancels(service, backend):
    service.fault("program_run", "operator")
    service.fault("program_run", "operator", fraction=0.5)
    before, during, whole = send(backend), send(backend), send(backend)
    assert [job.status() for job in (before, during, whole)] == ["CANCELLED", "CANCELLED", "DONE"]
    with pytest.raises(RuntimeInvalidStateError):
        before.result()
    assert before.metrics()["timestamps"]["running"] is None
    assert (before.usage(), during.usage()) == (0, pytest.approx(0.5 * whole.usage()))


def test_job_runs_too_long(service, backend):
    service.fault("program_run", "too_long", fraction=1.0)
    with pytest.raises(RuntimeJobMaxTimeoutError, match="Error code 1305"):
        send(backend).result()
    assert service.paid()[0].state == "Cancelled"
    assert service.paid()[0].quantum_seconds > 0


def test_batch_runs_out(service, backend):
    service.fault("program_run", "expires", after=1)
    batch = Batch(backend=backend)
    assert send(batch).done()
    assert send(batch).status() == "CANCELLED"
    with pytest.raises(IBMRuntimeError, match="has been closed"):
        send(batch)
    assert [p.quantum_seconds > 0 for p in service.paid()] == [True, False]
    assert send(backend).done()


def test_results_are_bad_once(service, backend):
    job = send(backend)
    good = job.result()[0].data.meas
    service.fault("job_results", "withheld", times=2)
    assert job.result() is None
    assert job.result() is None
    for kind, error in (("truncated", TypeError), ("damaged", zlib.error)):  # what the library's decoders raise
        service.fault("job_results", kind)
        with pytest.raises(error):
            job.result()
        assert np.array_equal(job.result()[0].data.meas.array, good.array)
    service.fault("job_results", "short")
    assert job.result()[0].data.meas.num_shots == 25
    assert job.result()[0].data.meas.num_shots == 50


@pytest.mark.parametrize(
    ("call", "kind", "details", "message"),
    [
        ("program_runs", "lost_reply", {}, "did you mean 'program_run'"),
        ("jobs_get", "fails", {}, "'fails' is unknown.*jobs_get knows unreachable"),
        ("program_run", "fail", {}, "did you mean 'fails'"),
        ("program_run", "fails", {"share": 1}, r"does not take \{'share': 1\}; it is: fails after `fraction`"),
        ("program_run", "status", {}, "does not take"),
    ],
)
def test_unknown_faults_are_refused(service, call, kind, details, message):
    with pytest.raises(CayleyError, match=message):
        service.fault(call, kind, **details)
