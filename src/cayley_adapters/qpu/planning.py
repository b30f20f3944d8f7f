"""What of a workload is to be sent now: works without a result, a job, or one at the service that nobody knew of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.core.messages import say
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.finding import Finder
from cayley_adapters.qpu.ledger import Ledger, work_tag
from cayley_adapters.qpu.payload import Work, digest, size

__all__ = ["Planner", "Progress"]

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Planner:
    """Plans attempts in a ledger.

    Attributes:
        ledger: The ledger.
        calls: What asks the service.
        finder: What looks for jobs at the service.
        options: The Sampler's options, which are part of what is measured.
        max_attempts: How often a work is sent when its jobs fail for reasons that may pass.
    """

    ledger: Ledger
    calls: Calls
    finder: Finder
    options: dict[str, Any]
    max_attempts: int

    def _next(self, work: Work, first: bool) -> tuple[Work, str] | None:
        """Return a work with the tag of the attempt that is to be sent now, if any.

        Args:
            work: The work.
            first: A first attempt may be planned.

        Raises:
            CayleyError: If it has failed for good, or would have to be sent for the first time.
        """
        latest = self.ledger.latest(work.key)
        if self.ledger.has_result(work.key):
            return None
        if not first and (latest is None or (latest["state"], latest["number"]) == ("planned", 1)):
            sends = command("qpu submit")
            raise CayleyError(f"'{work.label}' has not been sent: start `{sends}`, it goes on from here")
        if latest is None or (latest["state"] == "failed" and latest["again"] and latest["number"] < self.max_attempts):
            what, sent = digest(work, self.calls.name, self.options), size(work)
            reason = latest["reason"] if latest else ""
            return work, self.ledger.plan(work.key, work.label, what, sent, work.seconds, reason)
        if latest["state"] == "failed":
            tag = latest["tag"]
            raise CayleyError(
                f"'{work.label}' has failed for good in attempt {latest['number']} ({latest['reason']}); once that is "
                f"mended, `{command('qpu resolve', tag, '--resubmit')}` plans it again. The others are not lost by this"
            )
        return (work, latest["tag"]) if latest["state"] == "planned" else None

    def todo(self, works: Sequence[Work], progress: Progress | None, first: bool) -> list[tuple[Work, str]]:
        """Plan what is to be sent, but for what turns out to be at the service already.

        Args:
            works: The works.
            progress: Told what is asked for.
            first: First attempts may be planned.

        Returns:
            Works with the tags of their attempts.

        Raises:
            CayleyError: If one has failed for good, or would have to be sent for the first time.
        """
        todo = []
        for work, tag in [pair for work in works if (pair := self._next(work, first))]:
            if progress:
                progress(0, len(works), f"asking for {tag}")
            if self.finder.look_for(self.ledger.attempt(tag)):
                say(f"{work.label}: taken from the service, where it was sent before as {work_tag(work.key)}")
            else:
                todo.append((work, tag))
        return todo
