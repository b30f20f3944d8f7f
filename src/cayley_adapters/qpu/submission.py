"""Submission: each work is paid once and its result kept, whatever happens to this process or to the service.

A call may be repeated at any time and from any process: it goes on from what the ledger says. See
:mod:`~cayley_adapters.qpu.ledger_schema` for the states of an attempt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say
from cayley_adapters.qpu.budget import Budget
from cayley_adapters.qpu.calls import Calls, Unreachable
from cayley_adapters.qpu.collecting import Collector
from cayley_adapters.qpu.cost import CAP_FACTOR
from cayley_adapters.qpu.finding import Finder
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.payload import Work, checked_works
from cayley_adapters.qpu.planning import Planner, Progress
from cayley_adapters.qpu.resolving import resolve
from cayley_adapters.qpu.sending import Sender, checked_options
from cayley_adapters.qpu.unknown import Unknown

if TYPE_CHECKING:
    import numpy as np
    from qiskit_ibm_runtime import QiskitRuntimeService

__all__ = ["Submission", "Work"]

_ROUNDS = 10
"""How many rounds on end a wait goes on while the service does not answer."""


class Submission:
    """Works sent to a backend of a service and collected from it, by way of a ledger.

    Args:
        ledger: The ledger.
        service: The service.
        backend: Name of its backend.
        options: Options of ``qiskit_ibm_runtime.executor_sampler.Sampler``, as nested plain values.
        max_seconds: QPU seconds that this ledger's jobs may use: used ones, and the caps of those under way.
        cap_factor: At how many times its estimate a job is ended by the service.
        max_attempts: How often a work is sent when its jobs fail for reasons that may pass.
        unknown_seconds: How long to ask for a job whose fate is unknown, counted from the first question of a call, or
            for what the service charges for the pilot.
        batch_seconds: Longest time of a batch; none: the service's own.
        tries: How often to ask a question that gets no sensible answer.
        pause: First pause between questions in seconds.
        longest_pause: Longest pause in seconds.
        wait: Wait for another process that writes to the ledger, instead of refusing.
        clock: Has ``time``, ``monotonic`` and ``sleep``, as the module :mod:`time`.

    Raises:
        CayleyError: If the options are not the Sampler's.
    """

    def __init__(
        self,
        ledger: Ledger,
        service: QiskitRuntimeService,
        backend: str,
        options: Mapping[str, Any] | None = None,
        *,
        max_seconds: float = math.inf,
        cap_factor: float = CAP_FACTOR,
        max_attempts: int = 3,
        unknown_seconds: float = 300.0,
        batch_seconds: int | None = None,
        tries: int = 5,
        pause: float = 1.0,
        longest_pause: float = 60.0,
        wait: bool = False,
        clock: Any = time,
    ) -> None:
        self._ledger, self._wait, self._clock = ledger, wait, clock
        self._usage_seconds, checked = unknown_seconds, checked_options(options)
        self._calls = Calls(service, backend, clock, tries, pause, longest_pause)
        self._budget = Budget(ledger, self._calls, max_seconds, cap_factor)
        self._sender = Sender(ledger, self._calls, checked, batch_seconds)
        self._finder = Finder(ledger, self._calls)
        self._planner = Planner(ledger, self._calls, self._finder, checked, max_attempts)
        self._collector = Collector(ledger, self._calls, self._finder)
        self._unknown = Unknown(ledger, self._calls, self._finder, unknown_seconds)

    def submit(self, works: Iterable[Work], progress: Progress | None = None) -> None:
        """Send all works that have no result and no job yet, at the service or here; several go through one batch.

        The service is asked for each work first, so that a job of a copied or lost ledger, or of another machine, is
        adopted. A pilot goes alone, and the others follow when it is known what it was charged.

        Args:
            works: The works.
            progress: Told how many are sent.

        Raises:
            CayleyError: If the caps of what is to be sent exceed what is left (nothing is sent then), estimates have
                proved wrong, the fate of an earlier one is still unknown, one was refused, or one has failed for good.
        """
        works = checked_works(list(works))
        with self._ledger.writing(self._wait):
            self._unknown.begin()
            self._unknown.settle(progress)
            self._late()
            todo = self._planner.todo(works, progress, first=True)
            if len(todo) > 1 and self._calibrate(works, todo, progress):
                todo = self._planner.todo(works, progress, first=True)
            self._send(todo, progress)

    def poll(self) -> None:
        """Bring the states of all jobs up to date, without their results and without waiting.

        Raises:
            CayleyError: If the service does not answer or does not know a job.
        """
        with self._ledger.writing(self._wait):
            self._round({}, every=True)
            self._collector.usage()

    def collect(
        self, works: Iterable[Work], wait: bool = False, progress: Progress | None = None
    ) -> dict[str, np.ndarray]:
        """Return the results of works by key, fetching those that are new.

        Args:
            works: The works.
            wait: Ask, with growing pauses, until all are there, sending again what failed for a reason that may pass;
                otherwise ask once and return what there is.
            progress: Told how many results are here, of how many, and what goes on.

        Raises:
            CayleyError: If waiting is of no use: a work was never sent or has failed for good, the fate of one is still
                unknown, or the service does not answer.
        """
        works = checked_works(list(works))
        by_key = {work.key: work for work in works}
        if all(self._ledger.has_result(key) for key in by_key):  # no lock, no service
            return {key: self._ledger.result(key) for key in by_key}
        with self._ledger.writing(self._wait):
            self._unknown.begin()
            pauses, before, silent = self._calls.pauses(), -1, 0
            while True:
                note = ""
                try:
                    self._round(by_key, every=False)
                    silent = 0
                except Unreachable as error:
                    note, silent = str(error), silent + 1
                    if wait and silent >= _ROUNDS:
                        raise
                done = sum(self._ledger.has_result(key) for key in by_key)
                if progress:
                    progress(done, len(works), note or self._note(by_key))
                if done == len(works) or not wait:
                    break
                todo = self._planner.todo(works, None, first=False)
                left = self._unknown.left()
                self._send(todo, None)
                if done != before:
                    pauses, before = self._calls.pauses(), done
                if not todo:
                    self._clock.sleep(min(next(pauses), left))
            self._collector.usage()
        return {key: self._ledger.result(key) for key in by_key if self._ledger.has_result(key)}

    def status(self) -> list[dict[str, Any]]:
        """Return the ledger's table for a person, as :meth:`Ledger.rows` does; asks nobody and needs no lock."""
        return self._ledger.rows()

    def resolve(self, tag: str, adopt: str | None = None, resubmit: bool = False) -> str:
        """Decide about an attempt whose fate is unknown, or that has failed for good.

        Args:
            tag: Its tag.
            adopt: Id of the job that is its own.
            resubmit: Give it up and plan another one, which the next ``submit`` or ``collect`` sends.

        Returns:
            What was done, for a person.

        Raises:
            CayleyError: If it makes no sense.
        """
        with self._ledger.writing(self._wait):
            return resolve(self._ledger, self._calls, self._finder, tag, adopt, resubmit)

    def _round(self, by_key: Mapping[str, Work], every: bool) -> None:
        """Ask once for all that may have changed; what one job does not answer does not keep the others from it."""
        silent: Unreachable | None = None

        def tried(step: Callable[[], Any]) -> None:
            nonlocal silent
            try:
                step()
            except Unreachable as error:
                silent = silent or error

        for attempt in self._ledger.attempts("unknown"):
            tried(partial(self._unknown.ask, attempt))
        tried(self._late)
        tried(self._finder.follow_up)
        for attempt in self._ledger.attempts("submitted"):
            if every or attempt["key"] in by_key:
                work = by_key.get(attempt["key"])
                tried(partial(self._collector.update, attempt, work))
        if silent:
            raise silent

    def _late(self) -> None:
        for told in self._finder.late():
            say(told)

    def _send(self, todo: Sequence[tuple[Work, str]], progress: Progress | None) -> None:
        self._budget.check([work for work, _ in todo])
        for number, (work, tag) in enumerate(todo):
            if progress:
                progress(number, len(todo), work.label)
            if not self._sender.send(work, tag, self._budget.cap(work), many=len(todo) > 1):
                self._unknown.settle(progress)
        if progress and todo:
            progress(len(todo), len(todo), "sent")
        self._sender.close_batches()

    def _calibrate(self, works: Sequence[Work], todo: Sequence[tuple[Work, str]], progress: Progress | None) -> bool:
        """Send the pilot of works before all others, wait until it is known what it was charged, and say if it was."""
        pilot = next((work for work in works if work.pilot), None)
        if pilot is None or self._ledger.factor(self._calls.name) is not None:
            return False
        self._budget.check([work for work, _ in todo])
        done = False
        while not done:
            for work, tag in self._planner.todo([pilot], progress, first=True):
                if not self._sender.send(work, tag, self._budget.pilot_cap(work), many=False):
                    self._unknown.settle(progress)
                self._tell_estimate(work)
            done = self._wait_for(pilot, progress)
        return True

    def _tell_estimate(self, work: Work) -> None:
        """Say what the service itself estimates for a job that has been sent."""
        latest = self._ledger.latest(work.key)
        job = self._calls.job(latest["job"]) if latest and latest["job"] else None
        if job and (seconds := self._calls.estimate(job)) is not None:
            say(f"{work.label}: the service estimates {seconds:.1f} QPU seconds, where {work.seconds:.1f} are expected")

    def _wait_for(self, pilot: Work, progress: Progress | None) -> bool:
        """Wait until the pilot has ended and its usage is known; say whether it has a result."""
        pauses, silent, since = self._calls.pauses(), 0, self._clock.monotonic()
        while True:
            try:
                self._round({pilot.key: pilot}, every=False)
                silent = 0
            except Unreachable:
                silent += 1
                if silent >= _ROUNDS:
                    raise
            self._collector.usage()
            latest = self._ledger.latest(pilot.key)
            assert latest is not None  # it was sent
            if latest["state"] == "failed" or (latest["state"] == "done" and latest["used"] is not None):
                return bool(latest["state"] == "done")
            if latest["state"] != "done":
                since = self._clock.monotonic()
            elif self._clock.monotonic() - since >= self._usage_seconds:
                raise CayleyError(
                    f"the service does not tell yet what it charges for '{pilot.label}', by which the others are "
                    "estimated; nothing more was sent. Start again later: it goes on from here"
                )
            if progress:
                progress(0, 1, f"waiting for the first, small job, which is {self._note([pilot.key])}")
            self._clock.sleep(min(next(pauses), self._unknown.left()))

    def _note(self, keys: Iterable[str]) -> str:
        seen = [latest["seen"] or latest["state"] for key in keys if (latest := self._ledger.latest(key))]
        return ", ".join(f"{seen.count(name)} {name.lower()}" for name in sorted(set(seen) - {"DONE"}))
