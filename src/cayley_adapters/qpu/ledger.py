"""The ledger of a device run: one SQLite file that says what was meant to be sent, what was, and what came back.

Nothing is paid twice because an attempt is written down as ``unknown`` before its job is sent, and is known again only
when the service has named the job or has certainly refused it. Each change of state is one durable transaction, with
its line in the table of events; results enter in the same transaction as the state ``done``.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.core.messages import show
from cayley_adapters.qpu.ledger_schema import MOVES
from cayley_adapters.qpu.ledger_spending import Spending

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Ledger", "ledger_path", "work_tag"]


def ledger_path(base: str | Path) -> Path:
    """Where the ledger of a results folder is."""
    return Path(base, "qpu", "ledger.sqlite")


def work_tag(key: str) -> str:
    """Return the tag that every job of a work carries, whichever ledger has sent it.

    It follows from the work alone, so that a job is found again from a copy of the results folder, after the loss of
    its ledger, and from another machine.
    """
    return f"cayley-{key[:24]}"


class Ledger(Spending):
    """Attempts, results, batches and second jobs of a ledger file, opened as its base classes say."""

    def _event(self, tag: str, state: str, note: str) -> None:
        self._write("INSERT INTO event (time, tag, state, note) VALUES (?, ?, ?, ?)", (self._now(), tag, state, note))

    def plan(self, key: str, label: str, digest: str, size: str, seconds: float, reason: str = "") -> str:
        """Write down the next attempt to get a key's result, in the state ``planned``.

        Args:
            key: What identifies the result.
            label: What a person reads.
            digest: SHA-256 of what is sent.
            size: What :meth:`Submission.resolve` compares a job with.
            seconds: Estimated QPU time.
            reason: Why there is another one.

        Returns:
            Its tag, that of the work and the attempt's number.

        Raises:
            CayleyError: If the key stood for something else before.
        """
        with self.transaction():
            known = self._db.execute("SELECT digest FROM work WHERE key = ?", (key,)).fetchone()
            if known and known["digest"] != digest:
                raise CayleyError(
                    f"'{label}' is not what was sent under the same key {key[:12]}… before (its circuits, values, "
                    "shots or options differ): give what has changed another key"
                )
            if not known:
                self._write("INSERT INTO work VALUES (?, ?, ?, ?)", (key, label, digest, size))
            return self._plan(key, seconds, reason)

    def _plan(self, key: str, seconds: float, reason: str) -> str:
        number = 1 + self._db.execute("SELECT count(*) FROM attempt WHERE key = ?", (key,)).fetchone()[0]
        tag = f"{work_tag(key)}-{number}"
        self._write(
            "INSERT INTO attempt (tag, key, number, state, seconds, changed, reason) "
            "VALUES (?, ?, ?, 'planned', ?, ?, ?)",
            (tag, key, number, seconds, self._now(), reason),
        )
        self._event(tag, "planned", reason)
        return tag

    def abandon(self, tag: str, reason: str) -> str:
        """Give an attempt up and plan the next one; return the new tag."""
        with self.transaction():
            attempt = self.attempt(tag)
            self._move(tag, "abandoned", reason, {})
            return self._plan(attempt["key"], attempt["seconds"], reason)

    def take_back(self, tag: str, planned: str, job: str, reason: str) -> None:
        """Take the job of an attempt that was given up instead of the one that has not been sent yet."""
        with self.transaction():
            self._move(planned, "withdrawn", reason, {})
            self._move(tag, "submitted", reason, {"job": job})

    def move(self, tag: str, state: str, note: str = "", **fields: Any) -> None:
        """Change the state of an attempt, and further columns with it.

        Raises:
            RuntimeError: If there is no way from its state to that one.
        """
        with self.transaction():
            self._move(tag, state, note, fields)

    def intend(self, tag: str, cap: float, **fields: Any) -> None:
        """Write down that the request is about to leave, and after how many seconds the service is to end the job."""
        with self.transaction():
            self._move(tag, "unknown", "being sent", fields | {"intended": self._now()})
            self._set_cap(tag, cap)

    def _move(self, tag: str, state: str, note: str, fields: dict[str, Any]) -> None:
        before = self.attempt(tag)["state"]
        if state not in MOVES[before]:
            raise RuntimeError(f"no way from {before} to {state} for {tag}")
        fields |= {"state": state, "changed": self._now(), "reason": note}
        columns = ", ".join(f"{name} = ?" for name in fields)
        self._write(f"UPDATE attempt SET {columns} WHERE tag = ?", (*fields.values(), tag))
        self._event(tag, state, note)

    def note(self, tag: str, **fields: Any) -> None:
        """Set further columns of an attempt (``seen``, ``used``, ``reason``) that do not change its state."""
        columns = ", ".join(f"{name} = ?" for name in fields)
        with self.transaction():
            self._write(f"UPDATE attempt SET {columns} WHERE tag = ?", (*fields.values(), tag))
            self._event(tag, self.attempt(tag)["state"], ", ".join(f"{name} {value}" for name, value in fields.items()))

    def store(self, tag: str, array: np.ndarray, used: float | None) -> None:
        """Keep a result and the state ``done``, together or not at all."""
        import numpy as np

        array = np.asarray(array)
        if array.dtype.hasobject:
            raise CayleyError(f"the result of {tag} is an array of Python objects: reduce it to numbers")
        data, key = array.tobytes(), self.attempt(tag)["key"]
        with self.transaction():
            self._write(
                "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)",
                (key, tag, array.dtype.str, json.dumps(array.shape), hashlib.sha256(data).hexdigest(), data),
            )
            self._move(tag, "done", "", {"used": used, "seen": "DONE"})

    def attempt(self, tag: str) -> sqlite3.Row:
        """Return an attempt with its work's columns.

        Raises:
            CayleyError: If the ledger has no such tag.
        """
        row: sqlite3.Row | None = None
        if tag.isprintable():  # a word of the command line may hold what is no text to SQLite
            row = self._db.execute("SELECT * FROM attempt JOIN work USING (key) WHERE tag = ?", (tag,)).fetchone()
        if row is None:
            raise CayleyError(f"the ledger {self.path} has no tag '{show(tag)}': `{command('qpu status')}` lists them")
        return row

    def attempts(self, *states: str) -> list[sqlite3.Row]:
        """Return all attempts in some states, oldest first."""
        marks = ", ".join("?" * len(states))
        return self._db.execute(
            f"SELECT * FROM attempt JOIN work USING (key) WHERE state IN ({marks}) ORDER BY attempt.rowid", states
        ).fetchall()

    def latest(self, key: str) -> sqlite3.Row | None:
        """Return the attempt that counts for a key: the last one that was not withdrawn."""
        row: sqlite3.Row | None
        row = self._db.execute(
            "SELECT * FROM attempt JOIN work USING (key) "
            "WHERE key = ? AND state != 'withdrawn' ORDER BY number DESC LIMIT 1",
            (key,),
        ).fetchone()
        return row

    def was_sent(self, key: str) -> bool:
        """Say whether a key has a job, or may have one, that has not failed."""
        latest = self.latest(key)
        return latest is not None and latest["state"] in ("unknown", "submitted", "done")

    def has_result(self, key: str) -> bool:
        """Say whether the result of a key is here."""
        return self._db.execute("SELECT 1 FROM result WHERE key = ?", (key,)).fetchone() is not None

    def result(self, key: str) -> np.ndarray:
        """Return the result of a key.

        Raises:
            CayleyError: If its bytes are not those that were stored.
        """
        import numpy as np

        row = self._db.execute("SELECT * FROM result WHERE key = ?", (key,)).fetchone()
        if hashlib.sha256(row["data"]).hexdigest() != row["sha256"]:
            raise self._damaged(f"the result of {row['tag']} is not what was stored")
        try:
            return np.frombuffer(row["data"], dtype=row["dtype"]).reshape(json.loads(row["shape"])).copy()
        except (ValueError, TypeError) as error:
            raise self._damaged(f"the result of {row['tag']} has no type and shape that fit: {error}") from None

    # --- batches, second jobs of a tag, lists -----------------------------------------------------------------------

    def add_batch(self, batch: str, backend: str) -> None:
        """Write down a batch that is open."""
        with self.transaction():
            self._write("INSERT INTO batch VALUES (?, ?, ?, NULL)", (batch, backend, self._now()))

    def close_batch(self, batch: str) -> None:
        """Write down that a batch takes no more jobs."""
        with self.transaction():
            self._write("UPDATE batch SET closed = ? WHERE id = ?", (self._now(), batch))

    def open_batches(self, backend: str) -> list[str]:
        """Return the batches that may still take jobs, the newest first."""
        query = "SELECT id FROM batch WHERE backend = ? AND closed IS NULL ORDER BY rowid DESC"
        return [row["id"] for row in self._db.execute(query, (backend,))]

    def stray(self, job: str, tag: str, seen: str, note: str, used: float | None = None) -> None:
        """Write down a job that carries a tag of ours and whose result is not wanted."""
        with self.transaction():
            self._write(
                "INSERT INTO stray VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (job) DO UPDATE SET seen = excluded.seen, "
                "note = excluded.note, used = coalesce(excluded.used, used)",
                (job, tag, self._now(), seen, note, used),
            )
            self._event(tag, "stray", f"{job} {seen}: {note}")

    def strays(self) -> list[sqlite3.Row]:
        """Return all such jobs, oldest first."""
        return self._db.execute(
            "SELECT stray.*, label, number FROM stray JOIN attempt USING (tag) JOIN work USING (key) ORDER BY found"
        ).fetchall()

    def known_job(self, job: str) -> str | None:
        """Return the tag for which a job is in this ledger, if any."""
        query = "SELECT tag FROM attempt WHERE job = ? UNION SELECT tag FROM stray WHERE job = ?"
        return row["tag"] if (row := self._db.execute(query, (job, job)).fetchone()) else None

    def events(self, tag: str) -> list[tuple[float, str, str]]:
        """Return (time, state, note) of all that happened to a tag, in order."""
        rows = self._db.execute("SELECT time, state, note FROM event WHERE tag = ? ORDER BY id", (tag,))
        return [tuple(row) for row in rows]

    def rows(self) -> list[dict[str, Any]]:
        """Return a table of all attempts and second jobs, for a person to read.

        Returns:
            label, tag, attempt, state, job, seen (the service's last word), estimated_seconds, cap_seconds (at which
            the service ends it), used_seconds, age_seconds (since the state's last change), reason.
        """
        table = [
            (row, row["tag"], row["state"], row["seconds"], row["changed"], row["reason"])
            for row in self._db.execute("SELECT * FROM attempt JOIN work USING (key) ORDER BY attempt.rowid")
        ]
        table += [(row, row["tag"], "stray", 0.0, row["found"], row["note"]) for row in self.strays()]
        return [
            {
                "label": row["label"],
                "tag": tag,
                "attempt": row["number"],
                "state": state,
                "job": row["job"],
                "seen": row["seen"],
                "estimated_seconds": seconds,
                "cap_seconds": self.cap(tag) if state not in ("planned", "withdrawn", "stray") else None,
                "used_seconds": row["used"],
                "age_seconds": max(0.0, self._now() - when),
                "reason": reason,
            }
            for row, tag, state, seconds, when, reason in table
        ]
