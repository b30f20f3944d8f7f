"""Jobs found by their tags: sent by whomever, of unknown fate, second ones of a work, and those that turn up late."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.ledger import Ledger, work_tag

if TYPE_CHECKING:
    from qiskit_ibm_runtime import RuntimeJobV2

__all__ = ["FAILED", "WAITING", "Finder"]

FAILED = ("ERROR", "CANCELLED")
WAITING = ("INITIALIZING", "QUEUED")
_PREFERRED = ("DONE", "RUNNING", *WAITING, *FAILED)


class Finder:
    """Asks the service for jobs by their tags and writes down what it finds.

    Args:
        ledger: The ledger, being written to.
        calls: The service.
    """

    def __init__(self, ledger: Ledger, calls: Calls) -> None:
        self._ledger, self._calls = ledger, calls

    def status(self, job: RuntimeJobV2) -> str:
        """Return the service's word for the state of a job."""
        return str(self._calls.ask(f"ask for the state of {job.job_id()}", job.status))

    def look_for(self, attempt: sqlite3.Row) -> bool:
        """Ask once for a job of an attempt's work that this ledger does not know, and adopt it.

        Before an attempt is sent it may be that of a copy of this ledger, of one that was lost, or of another machine;
        afterwards its own, if its reply was lost. An empty answer proves nothing about the latter.
        """
        jobs = self._ranked(attempt)
        if not jobs:
            return False
        how = "found by its tag" if attempt["state"] == "unknown" else "found by its tag before it was sent"
        # Its usage tells how far estimates are off, so it needs what is known of one that is sent.
        known = {"intended": attempt["intended"] or attempt["changed"], "backend": self._calls.name}
        self._ledger.move(attempt["tag"], "submitted", how, job=jobs[0].job_id(), **known)
        self._set_others_aside(jobs, attempt["tag"])
        return True

    def _set_others_aside(self, jobs: list[RuntimeJobV2], tag: str) -> None:
        """Set aside all but the first of the jobs of a work; failed ones beside a failed one count as attempts."""
        if len(jobs) > 1 and self.status(jobs[0]) not in FAILED:
            for job in jobs[1:]:
                self.set_aside(job, tag, "second job of the work")

    def second_jobs(self, attempt: sqlite3.Row) -> RuntimeJobV2 | None:
        """Set aside the other jobs of the work of an attempt whose job has ended.

        Returns:
            One of them to take instead, if the attempt's own job has failed.
        """
        jobs = self._ranked(attempt)
        if attempt["seen"] in FAILED:
            self._set_others_aside(jobs, attempt["tag"])
            return jobs[0] if jobs and self.status(jobs[0]) not in FAILED else None
        for job in jobs:
            self.set_aside(job, attempt["tag"], "second job of the work")
        return None

    def forget_failed(self, attempt: sqlite3.Row) -> None:
        """Set aside the failed jobs of an attempt's work, so that none is taken instead of sending it again."""
        for job in self._ranked(attempt):
            if self.status(job) in FAILED:
                self.set_aside(job, attempt["tag"], "failed before")

    def late(self) -> list[str]:
        """Ask once for the jobs that were given up without an answer; say of each that turned up what was done."""
        told = []
        for attempt in self._ledger.attempts("abandoned"):
            latest = self._ledger.latest(attempt["key"])
            assert latest is not None  # if none is later it is the attempt itself
            # What turns up before the next one is sent is adopted as that; while it is not known whether the next one
            # arrived, a job may be either's.
            if attempt["job"] or latest["state"] in ("planned", "unknown", "failed"):
                continue
            for job in self._ranked(attempt):
                note = self.set_aside(job, attempt["tag"], "turned up after it was given up", running=False)
                told.append(f"job {job.job_id()} of {attempt['tag']} {note}")
        return told

    def set_aside(self, job: RuntimeJobV2, tag: str, why: str, running: bool = True) -> str:
        """Write down a job whose result is not wanted, cancel it if it waits (or runs), and return what was done."""
        seen = self.status(job)
        self._ledger.stray(job.job_id(), tag, seen, why)  # before it is cancelled: a rerun goes on from here
        if seen in WAITING or (running and seen == "RUNNING"):
            try:
                self._calls.ask(f"cancel {job.job_id()}", job.cancel)
                seen, done = "CANCELLED", "cancelled"
            except CayleyError as error:
                seen = self.status(job)
                done = "cancelled" if seen == "CANCELLED" else f"not cancelled ({error})"
        else:
            done = f"not cancelled, it was {seen}"
        used = self._calls.usage(job) if seen not in (*WAITING, "RUNNING") else None
        self._ledger.stray(job.job_id(), tag, seen, f"{why}; {done}", used)
        return f"{why}; {done}"

    def follow_up(self) -> None:
        """Go on with jobs set aside whose end or usage is not known: a killed process may have left them waiting."""
        for row in self._ledger.strays():
            if row["used"] is None and (job := self._calls.job(row["job"])):
                self.set_aside(job, row["tag"], row["note"].split(";")[0], running=row["note"].startswith("second"))

    def _ranked(self, attempt: sqlite3.Row) -> list[RuntimeJobV2]:
        """Return the jobs of an attempt's work that the ledger does not know; the most advanced first, then the oldest.

        A tag that begins otherwise was given by an earlier version.
        """
        tag = work_tag(attempt["key"])
        jobs = self._calls.tagged(tag if attempt["tag"].startswith(tag) else attempt["tag"])
        jobs = [job for job in jobs if self._ledger.known_job(job.job_id()) is None]
        order = {name: number for number, name in enumerate(_PREFERRED)}
        return sorted(jobs, key=lambda job: order.get(self.status(job), len(order))) if len(jobs) > 1 else jobs
