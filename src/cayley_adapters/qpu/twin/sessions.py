"""The server's answers about sessions, batches and devices."""

from __future__ import annotations

import base64
import secrets
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from cayley_adapters.qpu.twin.device import device_named
from cayley_adapters.qpu.twin.replies import Refusal, Reply, as_json, utc
from cayley_adapters.qpu.twin.store import Store, advance, session_end

__all__ = ["Sessions"]

Query = Mapping[str, list[str]]

MAX_TTL = 28_800
"""Seconds that a session or batch may last where none are asked for: eight hours."""


class Sessions:
    """The requests of ``/sessions`` and of ``/backends``."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create_session(self, query: Query, data: Mapping[str, Any]) -> Reply:
        """Open a session or batch; its clock starts with its first job."""
        session = base64.b32hexencode(secrets.token_bytes(13)).decode().lower()[:20]
        with self.store.transaction() as db:
            self._device(db, data["backend"])
            db.execute(
                "INSERT INTO sessions (id, backend, mode, max_ttl, created) VALUES (?, ?, ?, ?, ?)",
                (session, data["backend"], data.get("mode"), data.get("max_ttl", MAX_TTL), time.time()),
            )
        return self.session_details(session, {}, {})

    def session_details(self, session: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Describe a session or batch."""
        with self.store.transaction() as db:
            row, now = self._row(db, session), time.time()
            jobs = db.execute("SELECT * FROM jobs WHERE session = ?", (session,)).fetchall()
            end = session_end(db, session)
        pending = [job for job in jobs if job["ended"] is None]
        accepting = bool(row["accepting"]) and end > now
        if not pending and not accepting:
            state = "closed"
        elif row["started"] is None:
            state = "open"
        else:
            state = "active" if pending else "inactive"
        ended = [job["ended"] for job in jobs if job["ended"] is not None]
        return as_json(
            {
                "id": session,
                "backend_name": row["backend"],
                "mode": row["mode"],
                "max_ttl": row["max_ttl"],
                "active_ttl": row["max_ttl"],
                "interactive_ttl": 60,
                "state": state,
                "accepting_jobs": accepting,
                "last_job_started": utc(max((job["started"] for job in jobs if job["started"]), default=None)),
                "last_job_completed": utc(max(ended, default=None)),
                "started_at": utc(row["started"]),
                "closed_at": utc(end if end <= now else row["closed"]),
                "elapsed_time": sum(job["charged"] for job in jobs),
                "timestamps": [],
            }
        )

    def close_session(self, session: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Take no more jobs; those that are queued run."""
        with self.store.transaction() as db:
            self._row(db, session)
            db.execute("UPDATE sessions SET accepting = ? WHERE id = ?", (data["accepting_jobs"], session))
        return Reply()

    def cancel_session(self, session: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """End a session or batch now: queued jobs are cancelled, a running one runs to its end."""
        with self.store.transaction() as db:
            self._row(db, session)
            now = time.time()
            db.execute("UPDATE sessions SET accepting = 0, closed = ? WHERE id = ?", (now, session))
            advance(db, now)
        return Reply()

    def list_backends(self, query: Query, data: Mapping[str, Any]) -> Reply:
        """List the devices."""
        with self.store.transaction() as db:
            advance(db, time.time())
            rows = db.execute("SELECT * FROM backends ORDER BY name").fetchall()
            queues = [_queue(db, row["name"]) for row in rows]
        devices = []
        for row, queue in zip(rows, queues, strict=True):
            configuration = device_named(row["snapshot"]).configuration
            devices.append(
                {
                    "name": row["name"],
                    "status": {"name": "online", "reason": "available"},
                    "queue_length": queue,
                    "qubits": configuration["n_qubits"],
                    "is_simulator": False,
                    "processor_type": configuration.get("processor_type"),
                }
            )
        return as_json({"devices": devices})

    def backend_configuration(self, name: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Describe a device."""
        with self.store.transaction() as db:
            device = self._device(db, name)
        return as_json(device_named(device).configuration | {"backend_name": name})

    def backend_properties(self, name: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Tell a device's calibration."""
        with self.store.transaction() as db:
            device = self._device(db, name)
        return as_json(device_named(device).properties | {"backend_name": name})

    def backend_status(self, name: str, query: Query, data: Mapping[str, Any]) -> Reply:
        """Tell whether a device works and how many jobs wait for it."""
        with self.store.transaction() as db:
            version = device_named(self._device(db, name)).configuration["backend_version"]
            advance(db, time.time())
            queue = _queue(db, name)
        return as_json({"state": True, "status": "active", "backend_version": version, "length_queue": queue})

    def _device(self, db: sqlite3.Connection, name: str) -> str:
        row = db.execute("SELECT snapshot FROM backends WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise Refusal(404, f"backend '{name}' is not known", 1204)
        return str(row["snapshot"])

    def _row(self, db: sqlite3.Connection, session: str) -> sqlite3.Row:
        advance(db, time.time())
        row: sqlite3.Row | None = db.execute("SELECT * FROM sessions WHERE id = ?", (session,)).fetchone()
        if row is None:
            raise Refusal(404, f"session {session} is not known", 1216)
        return row


def _queue(db: sqlite3.Connection, backend: str) -> int:
    waiting = db.execute(
        "SELECT count(*) FROM jobs WHERE backend = ? AND state IN ('Queued', 'Running')", (backend,)
    ).fetchone()
    return int(waiting[0])
