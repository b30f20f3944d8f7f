"""The server's memory: one SQLite file that several processes share and that any of them may leave at any instant."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cayley_adapters.core.errors import CayleyError

__all__ = ["CHARGED", "FINAL", "MOCK", "Store", "advance", "end_job", "session_end"]

FINAL = ("Completed", "Failed", "Cancelled")

MOCK = "mock_"
"""How the names of devices begin that only reckon what jobs would be charged."""

CHARGED = f"backend NOT LIKE '{MOCK}%'"
"""The condition for jobs that the instance pays."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS backends (name TEXT PRIMARY KEY, snapshot TEXT NOT NULL, free_at REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, backend TEXT NOT NULL, mode TEXT NOT NULL, max_ttl REAL, created REAL NOT NULL,
    started REAL, closed REAL, accepting INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, backend TEXT NOT NULL REFERENCES backends (name),
    session TEXT REFERENCES sessions (id), program TEXT NOT NULL, image TEXT NOT NULL, tags TEXT NOT NULL,
    private INTEGER NOT NULL, cost REAL, seed INTEGER NOT NULL, executions INTEGER NOT NULL,
    quantum_seconds REAL NOT NULL, run_seconds REAL NOT NULL,
    created REAL NOT NULL, visible REAL NOT NULL, ready REAL NOT NULL, started REAL, ends REAL, ended REAL,
    outcome TEXT NOT NULL, fraction REAL NOT NULL, outcome_reason TEXT, outcome_code INTEGER,
    state TEXT NOT NULL DEFAULT 'Queued', reason TEXT, reason_code INTEGER, charged REAL NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0, read INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS pending ON jobs (backend, number) WHERE state IN ('Queued', 'Running');
CREATE TABLE IF NOT EXISTS payloads (id TEXT PRIMARY KEY REFERENCES jobs (id), params TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hidden (id TEXT PRIMARY KEY REFERENCES jobs (id), figures TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY, call TEXT NOT NULL, kind TEXT NOT NULL, after INTEGER NOT NULL, times INTEGER NOT NULL,
    details TEXT NOT NULL
);
"""


class Store:
    """Jobs, sessions, faults and devices in a folder; no connection outlives a transaction, so that forks are safe.

    Args:
        folder: Where; made if need be.

    Raises:
        CayleyError: If it cannot be written, or holds a file that is no store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        try:
            self.results.mkdir(parents=True, exist_ok=True)
            with self.transaction() as db:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
        except (OSError, sqlite3.DatabaseError) as error:
            raise CayleyError(f"the twin cannot use the folder {folder}: {error}; give another one") from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection whose changes happen all at the end, or not at all; others wait."""
        db = sqlite3.connect(self.folder / "twin.sqlite", timeout=120, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        finally:
            db.close()


def advance(db: sqlite3.Connection, now: float) -> None:
    """Let time pass: devices take their jobs one by one in the order of acceptance; sessions end at their time."""
    for backend in db.execute("SELECT * FROM backends").fetchall():
        free_at = backend["free_at"]
        while job := db.execute(
            "SELECT * FROM jobs WHERE backend = ? AND state IN ('Queued', 'Running') "
            "ORDER BY state = 'Queued', number LIMIT 1",
            (backend["name"],),
        ).fetchone():
            if job["state"] == "Running":
                if job["ends"] > now:
                    break
                free_at = job["ends"]
                share = job["fraction"] * job["quantum_seconds"]
                end_job(db, job["id"], free_at, job["outcome"], job["outcome_reason"], job["outcome_code"], share)
                continue
            start = max(job["ready"], free_at)
            if session_end(db, job["session"]) <= min(start, now):
                _cancel_queued(db, job["session"], session_end(db, job["session"]))
            elif start > now:
                break
            elif job["fraction"] == 0 and job["outcome"] != "Expired":  # it ends before it starts
                end_job(db, job["id"], start, job["outcome"], job["outcome_reason"], job["outcome_code"], 0.0)
            elif job["outcome"] == "Expired":
                db.execute("UPDATE sessions SET accepting = 0, closed = ? WHERE id = ?", (start, job["session"]))
                _cancel_queued(db, job["session"], start)
            else:
                ends = start + job["fraction"] * job["run_seconds"]
                db.execute(
                    "UPDATE jobs SET state = 'Running', started = ?, ends = ? WHERE id = ?", (start, ends, job["id"])
                )
                db.execute("UPDATE sessions SET started = coalesce(started, ?) WHERE id = ?", (start, job["session"]))
        if free_at != backend["free_at"]:
            db.execute("UPDATE backends SET free_at = ? WHERE name = ?", (free_at, backend["name"]))
    for row in db.execute("SELECT DISTINCT session FROM jobs WHERE state = 'Queued' AND session NOT NULL").fetchall():
        if session_end(db, row["session"]) <= now:
            _cancel_queued(db, row["session"], session_end(db, row["session"]))


def end_job(
    db: sqlite3.Connection, job: str, when: float, state: str, reason: str | None, code: int | None, charged: float
) -> None:
    """Bring a job to its final state."""
    db.execute(
        "UPDATE jobs SET state = ?, ended = ?, reason = ?, reason_code = ?, charged = ? WHERE id = ?",
        (state, when, reason, code, charged, job),
    )


def session_end(db: sqlite3.Connection, session: str | None) -> float:
    """Return when a session ended or will end at the latest, in seconds since 1970; infinity: not known yet.

    Its clock starts with its first job.
    """
    row = db.execute("SELECT * FROM sessions WHERE id = ?", (session,)).fetchone()
    if row is None:
        return math.inf
    if row["closed"] is not None:
        return float(row["closed"])
    return math.inf if row["started"] is None or row["max_ttl"] is None else float(row["started"] + row["max_ttl"])


def _cancel_queued(db: sqlite3.Connection, session: str | None, when: float) -> None:
    queued = db.execute("SELECT id FROM jobs WHERE session IS ? AND state = 'Queued'", (session,)).fetchall()
    for job in queued:
        end_job(db, job["id"], when, "Cancelled", "The session or batch ended before the job started", None, 0.0)
