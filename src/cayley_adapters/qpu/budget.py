"""How long jobs may run: the service's cap on each, the bound on all, and when estimates have proved wrong.

An estimate is ours (:mod:`~cayley_adapters.qpu.cost`), the bill is the service's, and the two may differ by a large
factor. Each job is therefore sent with a cap (``max_execution_time``), at which the service itself ends it, and the
caps of what is sent never exceed what is left. Docs: https://quantum.cloud.ibm.com/docs/guides/max-execution-time
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.cost import PILOT_CAP_FACTOR, STOP_FACTOR
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.payload import Work

__all__ = ["Budget", "cap_of"]


def cap_of(seconds: float, factor: float) -> int:
    """Return the cap of a job in whole seconds, as the service takes it; none would be no cap at all."""
    return max(1, math.ceil(factor * seconds - 1e-9))


class Budget:
    """The seconds that the works of a ledger may use.

    Args:
        ledger: The ledger.
        calls: The service, which knows what the plan has left.
        max_seconds: QPU seconds that this ledger's jobs may use.
        cap_factor: At how many times its estimate a job is ended by the service.
    """

    def __init__(self, ledger: Ledger, calls: Calls, max_seconds: float, cap_factor: float) -> None:
        self._ledger, self._calls, self._max_seconds, self._cap_factor = ledger, calls, max_seconds, cap_factor

    def factor(self) -> float:
        """Return by how much jobs use more than is estimated, as :meth:`Ledger.expected_factor` knows it."""
        return self._ledger.expected_factor(self._calls.name)

    def cap(self, work: Work) -> int:
        """Return the cap of a work's job."""
        return cap_of(work.seconds, self._cap_factor * self.factor())

    def pilot_cap(self, work: Work) -> int:
        """Return the cap of the pilot, which is wide, but within what is left."""
        wide = min(cap_of(work.seconds, PILOT_CAP_FACTOR), self._left())
        return max(self.cap(work), math.floor(wide))

    @property
    def _bound(self) -> float:
        """The bound, and no more than was agreed to, where anybody was asked."""
        agreement = self._ledger.agreement()
        return min(self._max_seconds, agreement.max_seconds) if agreement else self._max_seconds

    def _left(self) -> float:
        plan = self._calls.time_left()
        rest = self._bound - self._ledger.seconds()
        return rest if plan is None else min(rest, plan - self._ledger.outstanding())

    def check(self, works: Sequence[Work]) -> None:
        """Check that works may be sent.

        Raises:
            CayleyError: If jobs used much more than was estimated and nobody has agreed to the new estimate, or the
                caps of these works are more than what is left of ``max_seconds`` or of the plan.
        """
        if not works:
            return
        asked, caps = math.fsum(work.seconds for work in works), sum(map(self.cap, works))
        self._check_estimates(asked)
        jobs, used = f"{len(works)} job{'s' * (len(works) > 1)}", self._ledger.seconds()
        capped = f"{caps} until the service ends them (qpu.cap_factor={self._cap_factor:g})"
        what = f"{jobs}, estimated at {self.factor() * asked:.1f} QPU seconds, may use {capped}, and"
        if used + caps > (bound := self._bound):
            raise CayleyError(
                f"{what} {used:.1f} are used or under way in {self._ledger.path}: {used + caps:.1f} in all are more "
                f"than qpu.max_seconds={bound:g}; nothing was sent. To allow it: "
                f"qpu.max_seconds={math.ceil(used + caps)}"
            )
        plan, outstanding = self._calls.time_left(), self._ledger.outstanding()
        if plan is not None and outstanding + caps > plan:
            raise CayleyError(
                f"{what} {outstanding:.1f} are under way, but the plan of this instance has {plan:.0f} left in its "
                "period; nothing was sent. Wait until time is free again, lower qpu.shots, qpu.tokens or "
                "qpu.cap_factor, or use another instance"
            )

    def _check_estimates(self, asked: float) -> None:
        agreement, factor = self._ledger.agreement(), self.factor()
        if factor > STOP_FACTOR * (agreement.factor if agreement else 1.0):
            raise CayleyError(
                f"jobs used up to {factor:.1f} times the estimated QPU seconds, so what is left to be sent takes about "
                f"{factor * asked:.0f} and not {asked:.0f}; nothing more was sent. To go on with this new estimate: "
                f"{command('qpu submit', '--yes')}"
            )
