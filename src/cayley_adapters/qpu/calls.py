"""Calls to the service: what a failure proves, which are worth asking again, and no secret in any message."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from cayley_adapters.core.errors import CayleyError, causes
from cayley_adapters.core.messages import printable, without_secrets
from cayley_adapters.qpu.wire import post_once

if TYPE_CHECKING:
    from qiskit_ibm_runtime import RuntimeJobV2

__all__ = [
    "Calls",
    "Unreachable",
    "calls_of",
    "http_status",
    "is_transient",
    "proves_not_accepted",
    "retry_after",
    "usage_left",
]

T = TypeVar("T")
_MINUTE = 60.0
_NO_PROOF = {408, 425, 499}
"""4xx answers that a proxy may give while the request goes on to the service."""


class Unreachable(CayleyError):
    """The service did not answer, or not sensibly, as often as it was asked."""


def _frames(error: BaseException) -> list[Any]:
    return [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status behind an exception of the library; none if no answer came."""
    for cause in causes(error):
        status = getattr(getattr(cause, "response", None), "status_code", None) or getattr(cause, "status_code", None)
        if isinstance(status, int) and status > 0:
            return status
    return None


def proves_not_accepted(error: BaseException) -> bool:
    """Say whether an exception of ``Sampler.run`` proves that the service has not accepted, and will not accept, a job.

    It does if the request had not been reached, or if the service itself refused it (4xx) and no earlier request of the
    library's own retries can have got through. All else (no answer, 5xx, an answer that cannot be read) proves nothing:
    a gateway may fail after the service has accepted.
    """
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

    reached = [code for cause in causes(error) for code in _frames(cause)]
    if QiskitRuntimeService._run.__code__ not in reached:
        return True  # it failed while the program was prepared
    first = {QiskitRuntimeService._check_instance_usage.__code__, IBMBackend.status.__code__}
    if first & set(_frames(error)):
        return True  # what the library asks before it sends
    if not any(code.co_name == "program_run" for code in reached):
        return False  # the request had been answered: what failed came after it
    for cause in causes(error):
        response = getattr(cause, "response", None)
        if response is None:
            continue
        retries = getattr(response.raw, "retries", None)
        earlier = getattr(retries, "history", ())
        return 400 <= response.status_code < 500 and response.status_code not in _NO_PROOF and not earlier
    return False


def is_transient(error: BaseException) -> bool:
    """Say whether the same question may have an answer a little later."""
    from qiskit.providers import QiskitBackendNotFoundError
    from qiskit_ibm_runtime.api.exceptions import ApiError
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    status = http_status(error)
    if status is not None:
        return status in _NO_PROOF | {429} or status >= 500
    # The library says "not found" of a device whose description it could not fetch.
    kinds = (ApiError, RequestException, HTTPError, QiskitBackendNotFoundError, OSError, ValueError, KeyError)
    return any(isinstance(cause, kinds) for cause in causes(error)) and not isinstance(error, CayleyError)


def retry_after(error: BaseException, now: float) -> float:
    """Return the seconds to wait after a refusal for too many requests (429): what the service says, at least a minute.

    IBM takes a few jobs a minute from an account; ``Retry-After`` is a number of seconds or a date (RFC 9110, 10.2.3).
    """
    for cause in causes(error):
        said = getattr(getattr(cause, "response", None), "headers", {}).get("Retry-After", "")
        if said.strip().isdigit():
            return max(_MINUTE, float(said))
        with suppress(ValueError, TypeError):
            return max(_MINUTE, parsedate_to_datetime(said).timestamp() - now)
    return _MINUTE


def usage_left(usage: Mapping[str, Any]) -> float | None:
    """Return the seconds left of what ``GET /instances/usage`` answers; none where it names no limit."""
    if usage.get("usage_limit_reached"):
        return 0.0
    if (limit := usage.get("usage_limit_seconds")) is None:
        return None
    return max(0.0, float(limit) - float(usage.get("usage_consumed_seconds") or 0.0))


def calls_of(service: Any, backend: Any) -> Calls:
    """Return a service and its backend, asked a few times, by the clock of this machine."""
    return Calls(service, backend.name, time, tries=5, pause=1.0, longest=60.0)


class Calls:
    """The service, asked a bounded number of times with growing pauses.

    Args:
        service: A ``QiskitRuntimeService``.
        name: Its backend that is used.
        clock: Has ``time``, ``monotonic`` and ``sleep`` as the module :mod:`time` has.
        tries: How often to ask.
        pause: First pause in seconds.
        longest: Longest pause in seconds.
    """

    def __init__(self, service: Any, name: str, clock: Any, tries: int, pause: float, longest: float) -> None:
        self.service, self.name, self.clock, self.tries = service, name, clock, tries
        self._pause, self._longest = pause, longest

    @cached_property
    def backend(self) -> Any:
        """The backend, an ``IBMBackend``."""
        backend = self.ask(f"look up {self.name}", self.service.backend, self.name)
        post_once(self.service)
        return backend

    @property
    def instance(self) -> str:
        """The instance that pays for jobs of the backend."""
        return str(self.backend._instance)

    def time_left(self) -> float | None:
        """Return the seconds that the instance's plan has left; none if the service names no limit."""
        client = self.service._get_api_client(self.instance)
        return usage_left(self.ask("ask for the usage of the instance", client.cloud_usage))

    def job(self, job: str) -> RuntimeJobV2 | None:
        """Return a job by its id; none if the service says, each time it is asked, that there is no such job."""
        from qiskit_ibm_runtime.exceptions import RuntimeJobNotFound

        def find() -> RuntimeJobV2 | None:
            try:
                return self.service.job(job)
            except RuntimeJobNotFound:
                return None

        pauses = self.pauses()
        for attempt in range(self.tries):
            if attempt:
                self.clock.sleep(next(pauses))
            if found := self.ask(f"look up job {job}", find):
                return found
        return None

    def tagged(self, tag: str) -> list[RuntimeJobV2]:
        """Return the backend's jobs that carry a tag, the oldest first, whenever they were sent."""
        what = f"look for jobs with the tag {tag}"
        # With an instance, else the service asks that of which it has spoken last; without a time, which would be this
        # machine's, and its clock may be wrong.
        options = {"job_tags": [tag], "limit": None, "instance": self.instance, "backend_name": self.name}
        return [job for job in reversed(self.ask(what, self.service.jobs, **options)) if tag in (job.tags or [])]

    def usage(self, job: RuntimeJobV2) -> float | None:
        """Return the QPU seconds that a job is charged; none while they are not final or cannot be had."""
        try:
            usage = self.ask(f"ask for the usage of {job.job_id()}", job.metrics).get("usage") or {}
        except CayleyError:
            return None
        if usage.get("status", "pending") == "pending":
            return None
        found = [usage[name] for name in ("qpu_charge_time_seconds", "quantum_seconds", "seconds") if name in usage]
        return float(found[0]) if found and found[0] is not None else None

    def estimate(self, job: RuntimeJobV2) -> float | None:
        """Return the QPU seconds that the service itself estimates for a job; none if it does not say."""
        try:
            said = self.ask(f"ask for the estimate of {job.job_id()}", lambda: job.usage_estimation)
        except CayleyError:
            return None
        found = said.get("quantum_seconds")
        return None if found is None else float(found)

    def pauses(self) -> Iterator[float]:
        """Yield growing pauses in seconds, a quarter longer or shorter, so that processes do not go in step."""
        pause = self._pause
        while True:
            yield pause * random.uniform(0.75, 1.25)
            pause = min(1.6 * pause, self._longest)

    def text(self, error: BaseException | str) -> str:
        """Return what an exception or the service says, on one line, shortened and without secrets."""
        words = error if isinstance(error, str) else f"{type(error).__name__}: {getattr(error, 'message', error)}"
        account: dict[str, str] = {}
        with suppress(Exception):  # an account that cannot be read has no token to hide
            account = self.service.active_account() or {}
        saved = [account[key] for key in ("token", "instance") if account.get(key)]
        return printable(without_secrets(" ".join(words.split()), saved))[:500]

    def ask(self, what: str, question: Callable[..., T], *args: Any, **options: Any) -> T:
        """Return the answer to a question that changes nothing, or changes the same when it is asked again.

        Raises:
            Unreachable: If no sensible answer came.
            CayleyError: If the service refuses, or the answer will not change.
        """
        pauses = self.pauses()
        for attempt in range(self.tries):
            try:
                return question(*args, **options)
            except CayleyError:
                raise
            except Exception as error:
                text, status = self.text(error), http_status(error)
                again = is_transient(error)
                pause = retry_after(error, self.clock.time()) if status == 429 else None
            if status in (401, 403):
                raise self.not_authorised(text)
            if not again:
                raise CayleyError(f"{what}: {text}")
            if attempt + 1 < self.tries:
                self.clock.sleep(pause or next(pauses))
        raise Unreachable(f"{what}: no answer after {self.tries} tries ({text}); a rerun goes on from here")

    def not_authorised(self, text: str) -> CayleyError:
        """Return the error for a missing or refused account."""
        return CayleyError(
            f"the service does not accept your account ({text}): save a valid one with "
            "QiskitRuntimeService.save_account(token=…) or set QISKIT_IBM_TOKEN, then start again"
        )
