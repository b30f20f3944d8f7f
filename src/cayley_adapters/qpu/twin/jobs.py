"""The server's answers about jobs: acceptance, states, listings, results, usage."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.qpu.twin.device import MAX_SECONDS, Work, device_named, work_of
from cayley_adapters.qpu.twin.faults import Fault, draw_fate
from cayley_adapters.qpu.twin.replies import Refusal, Reply, as_json, utc
from cayley_adapters.qpu.twin.results import results_text
from cayley_adapters.qpu.twin.store import CHARGED, FINAL, Store, advance, end_job, session_end

__all__ = ["Conditions", "Jobs"]

Query = Mapping[str, list[str]]

RAN_TOO_LONG = 1305
"""The service's code of a job that was ended by a time limit."""


@dataclass(frozen=True)
class Conditions:
    """How the jobs fare that a process submits; they keep it, whichever process asks for them.

    Attributes:
        seed: Seed of their counts.
        queue_seconds: Time in the queue at least.
        run_seconds: Time on the device; none: their quantum seconds.
        listing_seconds: Time until listings show them.
        charge_factor: How many times what they take they are charged.
        limit_seconds: What the instance's plan allows in all; none: no limit.
        hidden: How the device differs from its calibration while they run.
    """

    seed: int = 0
    queue_seconds: float = 0.0
    run_seconds: float | None = 0.0
    listing_seconds: float = 0.0
    charge_factor: float = 1.0
    limit_seconds: float | None = None
    hidden: Hidden = NOTHING


class Jobs:
    """The requests of ``/jobs`` and of ``/instances``."""

    def __init__(self, store: Store, conditions: Conditions) -> None:
        self.store, self.conditions = store, conditions

    def program_run(self, query: Query, data: Mapping[str, Any]) -> Reply:
        """Check a job, commit it, and tell its id."""
        if data["program_id"] != "executor":
            raise Refusal(404, f"program '{data['program_id']}' is not known; the twin runs 'executor'", 1207)
        with self.store.transaction() as db:
            known = db.execute("SELECT snapshot FROM backends WHERE name = ?", (data.get("backend"),)).fetchone()
        if known is None:
            raise Refusal(404, f"backend '{data.get('backend')}' is not known", 1204)
        work = work_of(data["params"], device_named(known["snapshot"]), self.conditions.seed)
        job = base64.b32hexencode(secrets.token_bytes(13)).decode().lower()[:20]
        with self.store.transaction() as db:
            now = time.time()
            advance(db, now)
            session = data.get("session_id")
            if session is not None:
                _check_session(db, session, data["backend"], now)
            self._insert(db, job, data, work, draw_fate(db), now)
        return as_json({"id": job, "backend": data["backend"], "session_id": session, "private": _is_private(data)})

    def _insert(
        self, db: sqlite3.Connection, job: str, data: Mapping[str, Any], work: Work, fate: Fault, now: float
    ) -> None:
        limit = min(data.get("cost") or MAX_SECONDS, MAX_SECONDS)
        seconds = self.conditions.charge_factor * work.quantum_seconds
        outcome, fraction, reason, code = _outcome(fate, seconds, limit, data.get("session_id"))
        run = self.conditions.run_seconds
        row = {
            "id": job,
            "backend": data["backend"],
            "session": data.get("session_id"),
            "program": data["program_id"],
            "image": data.get("runtime", ""),
            "tags": json.dumps(data.get("tags", [])),
            "private": _is_private(data),
            "cost": limit,
            "seed": work.seed,
            "executions": work.executions,
            "quantum_seconds": seconds,
            "run_seconds": seconds if run is None else run,
            "created": now,
            "visible": now + self.conditions.listing_seconds,
            "ready": now + self.conditions.queue_seconds,
            "outcome": outcome,
            "fraction": fraction,
            "outcome_reason": reason,
            "outcome_code": code,
        }
        db.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
        db.execute("INSERT INTO payloads VALUES (?, ?)", (job, json.dumps(data["params"])))
        if self.conditions.hidden:
            db.execute("INSERT INTO hidden VALUES (?, ?)", (job, json.dumps(self.conditions.hidden.figures)))

    def jobs_get(self, query: Query, data: Mapping[str, Any]) -> Reply:
        """List the jobs that a query asks for, a page at a time, without those that listings do not show yet."""
        now = time.time()
        clauses = ["gone = 0", "visible <= ?"]
        values: list[str | float] = [now]
        for name, column in (("backend", "backend"), ("program", "program"), ("session_id", "session")):
            if name in query:
                clauses.append(f"{column} = ?")
                values.append(query[name][0])
        if "pending" in query:
            clauses.append(f"state {'NOT ' if query['pending'][0] == 'true' else ''}IN {FINAL}")
        for name, comparison in (("created_after", ">="), ("created_before", "<=")):
            if name in query:
                clauses.append(f"created {comparison} ?")
                values.append(datetime.fromisoformat(query[name][0]).timestamp())
        for tag in query.get("tags", []):
            clauses.append("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)")
            values.append(tag)
        order = "ASC" if query.get("sort") == ["ASC"] else "DESC"
        limit, offset = (int(query.get(name, [usual])[0]) for name, usual in (("limit", 20), ("offset", 0)))
        with self.store.transaction() as db:
            advance(db, now)
            rows = db.execute(
                f"SELECT * FROM jobs WHERE {' AND '.join(clauses)} ORDER BY number {order}", values
            ).fetchall()
        page = [_described(row) for row in rows[offset : offset + min(limit, 200)]]
        return as_json({"jobs": page, "count": len(rows), "limit": limit, "offset": offset})

    def job_get(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Describe a job, with its parameters unless they are not wanted or the job is private."""
        with self.store.transaction() as db:
            row = self._row(db, job)
            described = _described(row)
            if query.get("exclude_params") != ["true"] and not row["private"]:
                params = db.execute("SELECT params FROM payloads WHERE id = ?", (job,)).fetchone()["params"]
                described["params"] = json.loads(params)
        return as_json(described)

    def job_results(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Tell a job's results: nothing before its end, the reason of a failure; a private job's only once."""
        with self.store.transaction() as db:
            row = self._row(db, job)
            params = db.execute("SELECT params FROM payloads WHERE id = ?", (job,)).fetchone()["params"]
            device = db.execute("SELECT snapshot FROM backends WHERE name = ?", (row["backend"],)).fetchone()[
                "snapshot"
            ]
            hidden = db.execute("SELECT figures FROM hidden WHERE id = ?", (job,)).fetchone()
        if row["state"] != "Completed":
            return Reply(200, row["reason"]) if row["reason"] else Reply()
        differs = Hidden(*json.loads(hidden["figures"])) if hidden else NOTHING
        text = results_text(self.store.results, row, params, device_named(device), differs)
        if row["private"]:
            with self.store.transaction() as db:
                if self._row(db, job)["read"]:
                    raise Refusal(404, f"the results of the private job {job} have been read before", 1250)
                db.execute("UPDATE jobs SET read = 1 WHERE id = ?", (job,))
        return Reply(200, text)

    def job_cancel(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Cancel a job that has not ended; what has run of it is charged."""
        with self.store.transaction() as db:
            row, now = self._row(db, job), time.time()
            if row["state"] in FINAL:
                raise Refusal(409, f"job {job} has ended: {row['state']}", 1220)
            charged = 0.0
            if row["state"] == "Running":
                charged = min((now - row["started"]) / row["run_seconds"], 1.0) * row["quantum_seconds"]
                db.execute("UPDATE backends SET free_at = ? WHERE name = ?", (now, row["backend"]))
            end_job(db, job, now, "Cancelled", "Cancelled by the user", None, charged)
        return Reply()

    def job_delete(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Forget a job that has ended."""
        with self.store.transaction() as db:
            if self._row(db, job)["state"] not in FINAL:
                raise Refusal(409, f"job {job} has not ended", 1220)
            db.execute("UPDATE jobs SET gone = 1 WHERE id = ?", (job,))
        return Reply()

    def job_logs(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Tell what a job has logged, which is nothing."""
        with self.store.transaction() as db:
            self._row(db, job)
        raise Refusal(404, f"job {job} has no logs", 1230)

    def job_metadata(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Tell a job's times and what it is charged."""
        with self.store.transaction() as db:
            row = self._row(db, job)
        ended = row["state"] in FINAL
        seconds = row["charged"]
        usage = {"quantum_seconds": seconds, "seconds": seconds, "qpu_charge_time_seconds": seconds}
        return as_json(
            {
                "timestamps": {
                    "created": utc(row["created"]),
                    "running": utc(row["started"]),
                    "finished": utc(row["ended"]),
                },
                "bss": {"seconds": seconds},
                "usage": usage | {"status": "completed" if ended else "pending"},
                "executions": row["executions"],
            }
        )

    def update_tags(self, job: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Replace a job's tags."""
        with self.store.transaction() as db:
            self._row(db, job)
            db.execute("UPDATE jobs SET tags = ? WHERE id = ?", (json.dumps(data["tags"]), job))
        return Reply()

    def cloud_usage(self, query: Query, data: Mapping[str, Any]) -> Reply:
        """Tell what the instance has used."""
        with self.store.transaction() as db:
            advance(db, time.time())
            total = f"SELECT coalesce(sum(charged), 0.0) AS total FROM jobs WHERE {CHARGED}"
            consumed = db.execute(total).fetchone()["total"]
        usage = {"instance_id": "twin", "plan_id": "twin", "usage_consumed_seconds": consumed}
        if (limit := self.conditions.limit_seconds) is not None:
            usage |= {"usage_limit_seconds": limit, "usage_limit_reached": consumed >= limit}
        return as_json(usage)

    def _row(self, db: sqlite3.Connection, job: str) -> sqlite3.Row:
        advance(db, time.time())
        row: sqlite3.Row | None
        row = db.execute("SELECT * FROM jobs WHERE id = ? AND gone = 0", (job,)).fetchone()
        if row is None:
            raise Refusal(404, f"Job not found. Job ID: {job}", 1291)
        return row


def _is_private(data: Mapping[str, Any]) -> bool:
    return bool(data.get("private"))


def _check_session(db: sqlite3.Connection, session: str, backend: str, now: float) -> None:
    row = db.execute("SELECT * FROM sessions WHERE id = ?", (session,)).fetchone()
    if row is None or row["backend"] != backend:
        raise Refusal(404, f"session {session} is not known on {backend}", 1216)
    if not row["accepting"] or session_end(db, session) <= now:
        raise Refusal(400, f"session {session} has been closed", 1217)


def _outcome(
    fate: Fault, seconds: float, limit: float, session: str | None
) -> tuple[str, float, str | None, int | None]:
    """Return how a job is to end: its state, the fraction of its time that it runs, the reason and its code."""
    details, longest = fate.details, min(1.0, limit / seconds)
    if fate.kind == "expires" and session is not None:
        return "Expired", 0.0, None, None
    if fate.kind == "fails" and (fraction := details.get("fraction", 0.5)) <= longest:
        reason = details.get("reason", "Internal error while the job ran")
        return "Failed", fraction, reason, details.get("code", 9999)
    if fate.kind in ("operator", "expires") and (fraction := details.get("fraction", 0.0)) <= longest:
        return "Cancelled", fraction, "Cancelled by the operator", None
    if fate.kind or seconds > limit:  # whatever else would have happened, it is ended by then
        fraction = min(details.get("fraction", 0.5), longest) if fate.kind == "too_long" else longest
        return "Cancelled", fraction, "Ran too long", RAN_TOO_LONG
    return "Completed", 1.0, None, None


def _described(row: sqlite3.Row) -> dict[str, Any]:
    """Return what the service tells of a job."""
    state: dict[str, Any] = {"status": row["state"]}
    if row["reason"]:
        state |= {"reason": row["reason"]} | ({"reasonCode": row["reason_code"]} if row["reason_code"] else {})
    too_long = row["reason_code"] == RAN_TOO_LONG
    return {
        "id": row["id"],
        "backend": row["backend"],
        "state": state,
        "status": "Cancelled - Ran too long" if too_long else row["state"],
        "program": {"id": row["program"]},
        "runtime": row["image"],
        "created": utc(row["created"]),
        "ended": utc(row["ended"]),
        "cost": row["cost"],
        "tags": json.loads(row["tags"]),
        "session_id": row["session"],
        "private": bool(row["private"]),
        "usage": {"seconds": row["charged"]},
        "estimated_running_time_seconds": row["quantum_seconds"],
    }
