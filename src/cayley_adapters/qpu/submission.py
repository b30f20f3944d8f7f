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
from cayley_adapters.qpu.calls import Calls, Unreachable
from cayley_adapters.qpu.collecting import Collector
from cayley_adapters.qpu.finding import Finder
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.payload import Work, checked_works, digest, size
from cayley_adapters.qpu.resolving import resolve
from cayley_adapters.qpu.sending import Sender, checked_options

if TYPE_CHECKING:
    import numpy as np
    from qiskit_ibm_runtime import QiskitRuntimeService

__all__ = ["Submission", "Work"]

Progress = Callable[[int, int, str], None]

_ROUNDS = 10
"""How many rounds on end a wait goes on while the service does not answer."""


class Submission:
    """Works sent to a backend of a service and collected from it, by way of a ledger.

    Args:
        ledger: The ledger.
        service: The service.
        backend: Name of its backend.
        options: Options of ``qiskit_ibm_runtime.executor_sampler.Sampler``, as nested plain values.
        max_seconds: QPU seconds that this ledger's jobs may use, estimated ones included.
        max_attempts: How often a work is sent when its jobs fail for reasons that may pass.
        unknown_seconds: How long to ask for a job whose fate is unknown, counted from the first question of a call.
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
        self._options = checked_options(options)
        self._max_seconds, self._max_attempts, self._unknown_seconds = max_seconds, max_attempts, unknown_seconds
        self._calls = Calls(service, backend, clock, tries, pause, longest_pause)
        self._sender = Sender(ledger, self._calls, self._options, batch_seconds)
        self._finder = Finder(ledger, self._calls)
        self._collector = Collector(ledger, self._calls, self._finder)
        self._asked: dict[str, float] = {}

    def submit(self, works: Iterable[Work], progress: Progress | None = None) -> None:
        """Send all works that have no result and no job yet; several go through one batch.

        Args:
            works: The works.
            progress: Told how many are sent.

        Raises:
            CayleyError: If sending them may exceed ``max_seconds`` (nothing is sent then), the fate of an earlier one
                is still unknown, one was refused, or one has failed for good.
        """
        works = checked_works(list(works))
        with self._ledger.writing(self._wait):
            self._asked.clear()
            self._settle(progress)
            self._late()
            todo = [pair for work in works if (pair := self._next(work, first=True))]
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
            self._asked.clear()
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
                todo = [pair for work in works if (pair := self._next(work, first=False))]
                left = self._check_unknown()
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
            self._asked.setdefault(attempt["tag"], self._clock.monotonic())
            tried(partial(self._finder.look_for, attempt))
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

    def _next(self, work: Work, first: bool) -> tuple[Work, str] | None:
        """Return a work with the tag of the attempt that is to be sent now, if any.

        Args:
            work: The work.
            first: A first attempt may be planned.

        Raises:
            CayleyError: If it has failed for good, or would have to be sent for the first time.
        """
        latest = self._ledger.latest(work.key)
        if self._ledger.has_result(work.key):
            return None
        if not first and (latest is None or (latest["state"], latest["number"]) == ("planned", 1)):
            raise CayleyError(f"'{work.label}' has not been sent: start `cayley qpu submit`, it goes on from here")
        if latest is None or (
            latest["state"] == "failed" and latest["again"] and latest["number"] < self._max_attempts
        ):
            what, sent = digest(work, self._calls.name, self._options), size(work)
            reason = latest["reason"] if latest else ""
            return work, self._ledger.plan(work.key, work.label, what, sent, work.seconds, reason)
        if latest["state"] == "failed":
            tag = latest["tag"]
            raise CayleyError(
                f"'{work.label}' has failed for good in attempt {latest['number']} ({latest['reason']}); once that is "
                f"mended, `cayley qpu resolve {tag} --resubmit` plans it again. The others are not lost by this"
            )
        return (work, latest["tag"]) if latest["state"] == "planned" else None

    def _send(self, todo: Sequence[tuple[Work, str]], progress: Progress | None) -> None:
        self._check_budget([work for work, _ in todo])
        for number, (work, tag) in enumerate(todo):
            if progress:
                progress(number, len(todo), work.label)
            if not self._sender.send(work, tag, many=len(todo) > 1):
                self._settle(progress)
        if progress and todo:
            progress(len(todo), len(todo), "sent")
        self._sender.close_batches()

    def _check_budget(self, works: Sequence[Work]) -> None:
        used, asked = self._ledger.seconds(), math.fsum(work.seconds for work in works)
        if works and used + asked > self._max_seconds:
            raise CayleyError(
                f"{len(works)} jobs take about {asked:.1f} QPU seconds and {used:.1f} are used or under way in "
                f"{self._ledger.path}: {used + asked:.1f} in all are more than qpu.max_seconds={self._max_seconds:g}; "
                f"nothing was sent. To allow it: qpu.max_seconds={math.ceil(used + asked)}"
            )

    def _settle(self, progress: Progress | None) -> None:
        """Ask for all jobs whose fate is unknown until they are found or the stated time is over."""
        pauses = self._calls.pauses()
        while unknown := self._ledger.attempts("unknown"):
            silent = None
            for attempt in unknown:
                self._asked.setdefault(attempt["tag"], self._clock.monotonic())
                try:
                    self._finder.look_for(attempt)
                except Unreachable as error:
                    silent = error
            if not (left := self._ledger.attempts("unknown")):
                return
            if progress:
                progress(0, 1, f"asking for {left[0]['tag']}" + (f" ({silent})" if silent else ""))
            self._clock.sleep(min(next(pauses), self._check_unknown()))

    def _check_unknown(self) -> float:
        """Return the seconds that may still be spent on asking for jobs whose fate is unknown."""
        left = math.inf
        for attempt in self._ledger.attempts("unknown"):
            tag = attempt["tag"]
            asked = self._clock.monotonic() - self._asked.setdefault(tag, self._clock.monotonic())
            if asked >= self._unknown_seconds:
                raise CayleyError(
                    f"it is not known whether '{attempt['label']}' was accepted ({attempt['reason']}): no job with the "
                    f"tag {tag} was found in {asked:.0f} s, which proves nothing. Nothing more was sent. Look for the "
                    f"tag among your jobs, then choose `cayley qpu resolve {tag} --adopt JOB` or, if it is not there, "
                    f"`cayley qpu resolve {tag} --resubmit`; or start again to ask once more"
                )
            left = min(left, self._unknown_seconds - asked)
        return left

    def _note(self, by_key: Mapping[str, Work]) -> str:
        seen = [latest["seen"] or latest["state"] for key in by_key if (latest := self._ledger.latest(key))]
        return ", ".join(f"{seen.count(name)} {name.lower()}" for name in sorted(set(seen) - {"DONE"}))
