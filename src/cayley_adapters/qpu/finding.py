"""Jobs found by their tags: those whose fate was not known, second ones of a tag, and those that turn up late."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.ledger import Ledger

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
        """Ask once for the job of an attempt whose fate is unknown, and adopt it; an empty answer proves nothing."""
        jobs = self._ranked(attempt)
        if not jobs:
            return False
        self._ledger.move(attempt["tag"], "submitted", "found by its tag", job=jobs[0].job_id())
        for job in jobs[1:]:
            self.set_aside(job, attempt["tag"], "second job of the tag")
        return True

    def second_jobs(self, attempt: sqlite3.Row) -> RuntimeJobV2 | None:
        """Set aside the other jobs that carry the tag of an attempt whose job has ended.

        Returns:
            One of them to take instead, if the attempt's own job has failed.
        """
        jobs = [job for job in self._ranked(attempt) if job.job_id() != attempt["job"]]
        better = None
        if jobs and attempt["seen"] in FAILED and self.status(jobs[0]) not in FAILED:
            better = jobs.pop(0)
        for job in jobs:
            self.set_aside(job, attempt["tag"], "second job of the tag")
        return better

    def late(self) -> list[str]:
        """Ask once for the jobs that were given up without an answer; say of each that turned up what was done."""
        told = []
        found = {row["tag"] for row in self._ledger.strays()}
        for attempt in self._ledger.attempts("abandoned"):
            if attempt["job"] or attempt["tag"] in found or not (jobs := self._ranked(attempt)):
                continue
            tag, latest = attempt["tag"], self._ledger.latest(attempt["key"])
            assert latest is not None  # if none is later it is the attempt itself
            if latest["state"] == "planned" and self.status(jobs[0]) not in FAILED:
                self._ledger.take_back(tag, latest["tag"], jobs[0].job_id(), "turned up before it was sent again")
                told.append(f"job {jobs.pop(0).job_id()} of {tag} turned up and is taken")
            for job in jobs:
                note = self.set_aside(job, tag, "turned up after it was given up", running=False)
                told.append(f"job {job.job_id()} of {tag} {note}")
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
        """Return the jobs with the tag of an attempt, not those set aside; the most advanced first, then the oldest."""
        aside = {row["job"] for row in self._ledger.strays()}
        jobs = self._calls.tagged(attempt["tag"], attempt["intended"])
        jobs = [job for job in jobs if job.job_id() not in aside]
        order = {name: number for number, name in enumerate(_PREFERRED)}
        return sorted(jobs, key=lambda job: order.get(self.status(job), len(order))) if len(jobs) > 1 else jobs
