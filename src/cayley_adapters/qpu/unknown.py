"""Attempts whose fate is unknown: asked for until they are found, or until a person has to decide."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.qpu.calls import Calls, Unreachable
from cayley_adapters.qpu.finding import Finder
from cayley_adapters.qpu.ledger import Ledger, work_tag

__all__ = ["Unknown"]


class Unknown:
    """The attempts of a ledger that may be at the service or not.

    Args:
        ledger: The ledger, being written to.
        calls: The service.
        finder: Finds jobs by their tags.
        seconds: How long to ask for each, counted from the first question after :meth:`begin`.
    """

    def __init__(self, ledger: Ledger, calls: Calls, finder: Finder, seconds: float) -> None:
        self._ledger, self._clock, self._pauses = ledger, calls.clock, calls.pauses
        self._finder, self._seconds = finder, seconds
        self._since: dict[str, float] = {}

    def begin(self) -> None:
        """Count the time from now on."""
        self._since.clear()

    def ask(self, attempt: sqlite3.Row) -> None:
        """Ask for one of them once."""
        self._since.setdefault(attempt["tag"], self._clock.monotonic())
        self._finder.look_for(attempt)

    def settle(self, progress: Callable[[int, int, str], None] | None) -> None:
        """Ask for all of them until they are found or the time is over."""
        pauses = self._pauses()
        while unknown := self._ledger.attempts("unknown"):
            silent = None
            for attempt in unknown:
                try:
                    self.ask(attempt)
                except Unreachable as error:
                    silent = error
            if not (left := self._ledger.attempts("unknown")):
                return
            if progress:
                progress(0, 1, f"asking for {left[0]['tag']}" + (f" ({silent})" if silent else ""))
            self._clock.sleep(min(next(pauses), self.left()))

    def left(self) -> float:
        """Return the seconds that may still be spent on asking.

        Raises:
            CayleyError: If the time is over for one of them.
        """
        left = math.inf
        for attempt in self._ledger.attempts("unknown"):
            tag = attempt["tag"]
            asked = self._clock.monotonic() - self._since.setdefault(tag, self._clock.monotonic())
            if asked >= self._seconds:
                one, other = (command("qpu resolve", tag, *words) for words in (("--adopt", "JOB"), ("--resubmit",)))
                raise CayleyError(
                    f"it is not known whether '{attempt['label']}' was accepted ({attempt['reason']}): no new job with "
                    f"the tag {work_tag(attempt['key'])} was found in {asked:.0f} s, which proves nothing. Nothing "
                    f"more was sent. Look for the tag among your jobs, then choose `{one}` or, if it is not there, "
                    f"`{other}`; or start again to ask once more"
                )
            left = min(left, self._seconds - asked)
        return left
