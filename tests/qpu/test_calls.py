"""What the library's exceptions prove, checked on those that it raises itself, and messages without secrets."""

from __future__ import annotations

import pytest
from qiskit_ibm_runtime.executor_sampler import Sampler
from requests import RequestException
from submitting import BACKEND, CIRCUIT, SHOTS, Clock

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.calls import (
    Calls,
    Unreachable,
    http_status,
    is_transient,
    proves_not_accepted,
    retry_after,
)
from cayley_adapters.qpu.twin.replies import Reply
from cayley_adapters.qpu.wire import post_once


def failure(service, pub=(CIRCUIT, [[0.1]], SHOTS)):
    """The exception of sending a job."""
    try:
        Sampler(mode=service.backend(BACKEND)).run([pub])
    except Exception as error:  # of many kinds, that is the point
        return error
    pytest.fail("the job was sent")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429])
def test_a_refusal_proves_that_nothing_was_accepted(service, status):
    service.fault("program_run", "status", status=status)
    error = failure(service)
    assert http_status(error) == status
    assert proves_not_accepted(error)
    assert is_transient(error) == (status == 429)
    assert service.paid() == []


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
def test_an_answer_on_the_way_proves_nothing(service, status):
    service.fault("program_run", "status", status=status)
    error = failure(service)
    assert not proves_not_accepted(error)
    assert is_transient(error)


@pytest.mark.parametrize("kind", ["unreachable", "lost_request", "lost_reply", "truncated"])
def test_no_answer_proves_nothing(service, kind):
    service.fault("program_run", kind)
    assert not proves_not_accepted(failure(service))
    assert len(service.paid()) == (kind not in ("unreachable", "lost_request"))


@pytest.mark.parametrize("call", ["cloud_usage", "backend_status"])
@pytest.mark.parametrize("kind", ["unreachable", "lost_reply"])
def test_what_fails_before_the_job_is_sent_proves_that_it_was_not(service, call, kind):
    service.backend(BACKEND)
    service.fault(call, kind)
    error = failure(service)
    assert proves_not_accepted(error)
    assert is_transient(error)
    assert service.paid() == []


def test_a_program_that_cannot_be_prepared_was_not_sent(service):
    error = failure(service, (CIRCUIT, None, SHOTS))
    assert proves_not_accepted(error)


def test_a_refusal_of_the_librarys_second_request_proves_nothing(service, monkeypatch):
    """The first one may have been accepted by the service and its answer lost by a gateway."""
    handle, posts = service._server.handle, []

    def scripted(method, target, body):
        if (method, target) != ("POST", "/jobs"):
            return handle(method, target, body)
        posts.append(handle(method, target, body))
        return Reply(502) if len(posts) == 1 else Reply(403, '{"errors": []}')

    backend = service.backend(BACKEND)
    monkeypatch.setattr(service._server, "handle", scripted)
    error = failure(service)
    assert (len(posts), http_status(error)) == (2, 403)
    assert not proves_not_accepted(error)
    post_once(service)
    posts.clear()
    with pytest.raises(Exception, match="502"):
        Sampler(mode=backend).run([(CIRCUIT, [[0.1]], SHOTS)])
    assert len(posts) == 1


def test_a_failure_after_the_answer_proves_nothing(service, monkeypatch):
    """The library looks up the backend that the answer names: a 404 then is not the job's."""
    handle = service._server.handle

    def scripted(method, target, body):
        reply = handle(method, target, body)
        return Reply(200, reply.text.replace(BACKEND, "other")) if (method, target) == ("POST", "/jobs") else reply

    service.backend(BACKEND)
    monkeypatch.setattr(service._server, "handle", scripted)
    assert not proves_not_accepted(failure(service))
    assert len(service.paid()) == 1


def test_reading_is_still_repeated_by_the_library(service):
    service.backend(BACKEND)
    post_once(service)
    job = Sampler(mode=service.backend(BACKEND)).run([(CIRCUIT, [[0.1]], SHOTS)])
    service.fault("job_get", "retried")
    assert service.job(job.job_id()).job_id() == job.job_id()


def test_questions_are_asked_a_bounded_number_of_times_with_growing_pauses(service):
    clock = Clock()
    calls = Calls(service, BACKEND, clock, tries=6, pause=1.0, longest=3.0)
    service.fault("jobs_get", "status", times=100, status=503)
    with pytest.raises(Unreachable, match=r"6 tries.*503"):
        calls.ask("list", service.jobs)
    assert len(clock.slept) == 5
    for slept, mean in zip(clock.slept, [1.0, 1.6, 2.56, 3.0, 3.0], strict=True):
        assert 0.75 * mean <= slept <= 1.25 * mean


@pytest.mark.parametrize(("status", "words"), [(401, "account"), (403, "account"), (404, "404"), (400, "400")])
def test_what_will_not_change_is_asked_once(service, status, words):
    clock = Clock()
    service.fault("jobs_get", "status", status=status)
    with pytest.raises(CayleyError, match=words):
        Calls(service, BACKEND, clock, tries=6, pause=1.0, longest=3.0).ask("list", service.jobs)
    assert clock.slept == []


def test_tokens_do_not_get_into_messages(service, monkeypatch, caplog):
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "first/secret")
    monkeypatch.setenv("QISKIT_IBM_QUANTUM_TOKEN", "second+secret")
    monkeypatch.setattr(service._account, "token", "third secret")

    def leak():
        raise RequestException(
            "apikey first/secret; first%2Fsecret; second+secret; third secret; Bearer abc.def; https://me:pw@host"
        )

    with pytest.raises(CayleyError) as caught:
        Calls(service, BACKEND, Clock(), tries=2, pause=1.0, longest=1.0).ask("leak", leak)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None  # a traceback would print it
    for secret in ("first", "second", "third", "abc.def", "pw"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(("said", "seconds"), [({}, 60), ({"retry_after": 5}, 60), ({"retry_after": 95}, 95)])
def test_too_many_requests_are_waited_for_as_long_as_the_service_says_and_at_least_a_minute(service, said, seconds):
    service.fault("program_run", "status", status=429, **said)
    assert retry_after(failure(service), 0.0) == seconds
    clock = Clock()
    service.backend(BACKEND)
    for session in (client._session for client in service._get_api_clients().values()):
        session.mount("http://", type(session.get_adapter("http://x"))(service._server, 0))  # urllib3 waits by itself
    service.fault("jobs_get", "status", status=429, **said)
    Calls(service, BACKEND, clock, tries=2, pause=1.0, longest=1.0).ask("list", service.jobs)
    assert clock.slept == [seconds]


def test_a_date_to_come_back_at_is_understood(service):
    when = "Mon, 30 Nov 2026 12:02:30 GMT"
    service.fault("program_run", "status", status=429, retry_after=when)
    assert retry_after(failure(service), 1_796_040_000.0) == 150
