"""What the jobs of a ledger have used or may still use, how far estimates were off, and to what a person has agreed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cayley_adapters.qpu.cost import STOP_FACTOR
from cayley_adapters.qpu.ledger_file import LedgerFile

__all__ = ["Agreement", "Spending"]


@dataclass(frozen=True)
class Agreement:
    """What a person has agreed to.

    Attributes:
        instance: The instance that pays.
        max_seconds: Seconds that the ledger's jobs may use.
        price: US dollars a second.
        factor: By which estimates were known to be too low.
    """

    instance: str
    max_seconds: float
    price: float
    factor: float

    def covers(self, other: Agreement) -> bool:
        """Whether who agreed to this need not be asked about the other: the same instance, and no more of anything."""
        same = self.instance == other.instance and other.max_seconds <= self.max_seconds and other.price <= self.price
        return same and other.factor <= STOP_FACTOR * self.factor


class Spending(LedgerFile):
    """The columns of a ledger that are about seconds and money."""

    def cap(self, tag: str) -> float | None:
        """Return the seconds after which the service ends the job of an attempt; none if nobody has told it."""
        row = self._db.execute("SELECT seconds FROM cap WHERE tag = ?", (tag,)).fetchone()
        return None if row is None else float(row["seconds"])

    def _set_cap(self, tag: str, seconds: float) -> None:
        statement = "INSERT INTO cap VALUES (?, ?) ON CONFLICT (tag) DO UPDATE SET seconds = excluded.seconds"
        self._write(statement, (tag, seconds))

    def seconds(self) -> float:
        """Return the QPU seconds of all that was sent or may have been: used ones where known, else caps."""
        return math.fsum(most if used is None else used for used, most in self._spent())

    def outstanding(self) -> float:
        """Return the QPU seconds that may still be used by jobs whose usage is not known."""
        return math.fsum(most for used, most in self._spent() if used is None)

    def _spent(self) -> list[tuple[float | None, float]]:
        most = "coalesce(cap.seconds, attempt.seconds)"
        sent = "attempt LEFT JOIN cap USING (tag) WHERE state NOT IN ('planned', 'withdrawn')"
        # A second job of a tag is not in the estimates: until its usage is known it counts as much as the first.
        stray = "stray JOIN attempt USING (tag) LEFT JOIN cap USING (tag)"
        queries = (f"SELECT attempt.used, {most} FROM {sent}", f"SELECT stray.used, {most} FROM {stray}")
        return [tuple(row) for query in queries for row in self._db.execute(query)]

    def factor(self, backend: str) -> float | None:
        """Return by how much jobs of a backend used more than was estimated: the largest, at least 1.

        Returns:
            None as long as the usage of no job is known that ran to its end or was ended by its cap.
        """
        found = self._db.execute(
            "SELECT max(used / seconds) FROM attempt WHERE backend = ? AND seconds > 0 AND used IS NOT NULL "
            "AND (state = 'done' OR used > seconds)",
            (backend,),
        ).fetchone()[0]
        return None if found is None else max(1.0, float(found))

    def expected_factor(self, backend: str) -> float:
        """Return by how much jobs are expected to use more than is estimated.

        What was measured counts; before that what was agreed to, which the service's dry run may have raised; else 1.
        """
        agreement = self.agreement()
        return self.factor(backend) or (agreement.factor if agreement else 1.0)

    def agree(self, to: Agreement) -> None:
        """Write down what a person has agreed to."""
        with self.transaction():
            self._write(
                "INSERT INTO agreement (time, instance, max_seconds, price, factor) VALUES (?, ?, ?, ?, ?)",
                (self._now(), to.instance, to.max_seconds, to.price, to.factor),
            )

    def agreement(self) -> Agreement | None:
        """Return what was agreed to last."""
        row = self._db.execute("SELECT * FROM agreement ORDER BY id DESC LIMIT 1").fetchone()
        return row and Agreement(row["instance"], row["max_seconds"], row["price"], row["factor"])
