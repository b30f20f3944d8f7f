"""Faults on demand: what may go wrong with a call or with a job, kept in the store until it is consumed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["CALL_FAULTS", "FATES", "RESULT_FAULTS", "Fault", "add_fault", "draw_fate", "draw_fault"]

CALL_FAULTS = {
    "unreachable": "no connection: the request does not arrive, however often the library tries again",
    "lost_request": "the connection breaks before the request is handled",
    "lost_reply": "the request is handled, then the connection breaks",
    "retried": "the request is handled, but a gateway answers 502: the library itself sends it once more",
    "status": "refused with an HTTP `status` before it is handled, at each attempt, to come back after `retry_after`",
    "slow": "handled after `seconds`, answered another `reply_seconds` later",
    "truncated": "the answer stops half way",
}
"""What may happen to a call of the client, with the details it takes."""

RESULT_FAULTS = {
    "withheld": "the answer is empty, as that of results which are not there yet",
    "damaged": "a byte in each array of the results is wrong",
    "short": "the results hold half of the shots",
}
"""What may happen to ``job_results`` besides."""

FATES = {
    "fails": "fails after `fraction` (0.5) of its time, for a `reason` with a `code`",
    "operator": "is cancelled by the operator after `fraction` (0: before it starts) of its time",
    "too_long": "is cancelled after `fraction` (0.5) of its time because it ran too long",
    "expires": "does not start, since the time of its batch is over: it and all that are queued there are cancelled",
}
"""What may happen to a job; drawn when the job is accepted, by ``fault("program_run", …)``."""


@dataclass
class Fault:
    """A fault that has been drawn for one call: its kind, its details and the attempts made so far."""

    kind: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0


def add_fault(
    db: sqlite3.Connection,
    known_calls: Collection[str],
    call: str,
    kind: str,
    after: int,
    times: int,
    details: dict[str, Any],
) -> None:
    """Keep a fault for the calls number ``after`` + 1 to ``after`` + ``times`` of a method of the client.

    Raises:
        CayleyError: If there is no such method, or no such kind of fault or detail for it.
    """
    kinds = CALL_FAULTS | {"program_run": FATES, "job_results": RESULT_FAULTS}.get(call, {})
    if call not in known_calls:
        raise CayleyError(f"the client has no method '{call}'{nearest(call, known_calls)}")
    if kind not in kinds:
        raise CayleyError(f"fault '{kind}' is unknown{nearest(kind, kinds)}; {call} knows {', '.join(kinds)}")
    strange = [name for name in details if f"`{name}`" not in kinds[kind]]
    if strange or (kind == "status" and "status" not in details):
        raise CayleyError(f"fault '{kind}' does not take {details}; it is: {kinds[kind]}")
    db.execute(
        "INSERT INTO faults (call, kind, after, times, details) VALUES (?, ?, ?, ?, ?)",
        (call, kind, after, times, json.dumps(details)),
    )


def draw_fault(db: sqlite3.Connection, call: str) -> Fault:
    """Consume the fault that this call of a method meets (an empty kind: none)."""
    return _draw(db, call, CALL_FAULTS | RESULT_FAULTS)


def draw_fate(db: sqlite3.Connection) -> Fault:
    """Consume the fate of the job that is being accepted (an empty kind: it runs to its end)."""
    return _draw(db, "program_run", FATES)


def _draw(db: sqlite3.Connection, call: str, kinds: dict[str, str]) -> Fault:
    drawn = Fault()
    for row in db.execute("SELECT * FROM faults WHERE call = ? AND times > 0 ORDER BY number", (call,)).fetchall():
        if row["kind"] not in kinds:
            continue
        if row["after"] > 0:
            db.execute("UPDATE faults SET after = after - 1 WHERE number = ?", (row["number"],))
        elif not drawn.kind:
            db.execute("UPDATE faults SET times = times - 1 WHERE number = ?", (row["number"],))
            drawn = Fault(row["kind"], json.loads(row["details"]))
    return drawn
