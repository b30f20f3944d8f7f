"""Collecting: the states of the jobs at the service, and their results once they are whole."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.qpu.calls import Calls, Unreachable, http_status
from cayley_adapters.qpu.finding import FAILED, Finder
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.payload import Work, checked_result

if TYPE_CHECKING:
    from qiskit.primitives import PrimitiveResult
    from qiskit_ibm_runtime import RuntimeJobV2

__all__ = ["Collector", "worth_again"]

_INTERNAL = {1000, 1006, 1008, 1010, 1011, 9999}
"""Codes of failures of the service's own, for which its registry of errors says to try again."""


def worth_again(seen: str, code: int | None, reason: str) -> bool:
    """Say whether a job that ended without a result may have one when it is sent again.

    Args:
        seen: ``ERROR`` or ``CANCELLED``.
        code: The service's code, if any.
        reason: The service's reason.

    Returns:
        True for an internal error of the service and for a job that its batch's end has cancelled; false for all else:
        a program that is not valid or runs too long will do so again, and what a person cancels stays so.
    """
    text = reason.lower()
    if code == 1305 or re.search(r"too long|by (the )?(user|operator)", text):
        return False
    if seen == "CANCELLED":
        return bool(re.search(r"\b(session|batch)\b.*\b(ended|closed|expired|over|time)", text))
    return code in _INTERNAL or "internal" in text


class Collector:
    """Follows jobs that the service has named.

    Args:
        ledger: The ledger, being written to.
        calls: The service.
        finder: Finds jobs by their tags.
    """

    def __init__(self, ledger: Ledger, calls: Calls, finder: Finder) -> None:
        self._ledger, self._calls, self._finder = ledger, calls, finder

    def update(self, attempt: sqlite3.Row, work: Work | None) -> None:
        """Bring an attempt in the state ``submitted`` up to date, with its result if its work is given.

        Raises:
            Unreachable: If the service gives no sensible answer, or no whole result, as often as it is asked.
            CayleyError: If the service does not know the job.
        """
        tag = attempt["tag"]
        job = self._calls.job(attempt["job"])
        if job is None:
            raise CayleyError(
                f"the service does not know job {attempt['job']} of '{attempt['label']}': use the account and instance "
                f"that sent it, or choose `{command('qpu resolve', tag, '--resubmit')}`"
            )
        seen = self._finder.status(job)
        if seen in FAILED:
            self._fail(attempt, job, seen)
        elif seen == "DONE" and work is not None:
            result = self._fetch(tag, job, work)
            self._ledger.store(tag, work.reduce(result), self._calls.usage(job))
            self._finder.second_jobs(self._ledger.attempt(tag))
        elif seen != attempt["seen"]:
            self._ledger.note(tag, seen=seen)

    def _fail(self, attempt: sqlite3.Row, job: RuntimeJobV2, seen: str) -> None:
        tag, code = attempt["tag"], job._reason_code
        reason = self._calls.text(job._reason or job._error_message or "the service gives no reason")
        self._ledger.note(tag, seen=seen)
        if better := self._finder.second_jobs(self._ledger.attempt(tag)):
            self._ledger.note(tag, job=better.job_id(), seen="QUEUED")
            self._finder.set_aside(job, tag, "second job of the work")
            return
        self._ledger.move(
            tag, "failed", f"{seen}: {reason}", used=self._calls.usage(job), again=worth_again(seen, code, reason)
        )

    def _fetch(self, tag: str, job: RuntimeJobV2, work: Work) -> PrimitiveResult:
        """Return a whole result; a damaged one is fetched again, since the service has it."""
        pauses, text = self._calls.pauses(), ""
        for attempt in range(self._calls.tries):
            if attempt:
                self._calls.clock.sleep(next(pauses))
            try:
                return checked_result(job.result(), work)
            except Exception as error:  # whatever damaged text raises in the decoders of three libraries
                text, status = self._calls.text(error), http_status(error)
            if status in (401, 403):
                raise self._calls.not_authorised(text)
        self._ledger.note(tag, seen="DONE", reason=f"no whole result yet: {text}")
        raise Unreachable(
            f"job {job.job_id()} of '{work.label}' is done, but its result could not be read in {self._calls.tries} "
            f"tries ({text}); it is paid and stays at the service: start again later to fetch it"
        )

    def usage(self) -> None:
        """Ask for the usage of ended jobs that was not final yet; without an answer it stays so."""
        for attempt in self._ledger.attempts("done", "failed"):
            if attempt["used"] is not None or not attempt["job"]:
                continue
            try:
                job = self._calls.ask(f"look up job {attempt['job']}", self._calls.service.job, attempt["job"])
            except Unreachable:
                return
            except CayleyError:
                continue
            if (used := self._calls.usage(job)) is not None:
                self._ledger.note(attempt["tag"], used=used)
