"""The ledger of a device run: one SQLite file that says what was meant to be sent, what was, and what came back.

Nothing is paid twice because an attempt is written down as ``unknown`` before its job is sent, and is known again only
when the service has named the job or has certainly refused it. Each change of state is one durable transaction, with
its line in the table of events; results enter in the same transaction as the state ``done``.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.errors import CayleyError
from cayley_adapters.qpu.ledger_schema import APPLICATION, MOVES, SCHEMA, VERSION

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Ledger"]


class Ledger:
    """A ledger file; reading needs no lock, writing happens inside :meth:`writing`.

    Args:
        path: The file; it is made where it is missing.
        create: Refuse a missing file instead of making it.
        clock: Returns seconds since 1970.

    Raises:
        CayleyError: If the file is missing, damaged, another program's or a later version's.
    """

    def __init__(self, path: Path | str, create: bool = True, clock: Any = time.time) -> None:
        self.path, self._clock, self._held = Path(path), clock, False
        if not create and not self.path.exists():
            raise CayleyError(f"there is no ledger at {self.path}: `cayley qpu submit` makes it")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        except (OSError, sqlite3.Error) as error:
            raise CayleyError(f"cannot open the ledger {self.path}: {error}; nothing was sent") from None
        try:
            self._open()
        except (sqlite3.DatabaseError, CayleyError) as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError):  # locked, read-only, disk full: not a damage
                raise CayleyError(f"cannot use the ledger {self.path}: {error}; nothing was sent") from None
            if isinstance(error, CayleyError):
                raise
            raise self._damaged(str(error)) from None

    def _open(self) -> None:
        self._db.row_factory = sqlite3.Row
        # A rollback journal works on network disks too, and EXTRA also syncs the folder after a commit: with FULL a
        # power cut may bring back the state before the last one, that is forget an intent whose job has been sent.
        self._db.execute("PRAGMA journal_mode = DELETE")
        for pragma in ("synchronous = EXTRA", "fullfsync = ON", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        if (found := self._db.execute("PRAGMA integrity_check(3)").fetchall()) and found[0][0] != "ok":
            raise self._damaged("; ".join(row[0] for row in found))
        with self.transaction():
            if not self._db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
                for statement in SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO about VALUES (?, ?)", (uuid.uuid4().hex, self._clock()))
                self._db.execute(f"PRAGMA application_id = {APPLICATION}")
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        if self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise CayleyError(f"{self.path} is another program's database: nothing was sent; give another path")
        if (version := self._db.execute("PRAGMA user_version").fetchone()[0]) != VERSION:
            raise CayleyError(
                f"the ledger {self.path} has schema version {version} and this cayley-adapters knows {VERSION}: nothing "
                "was sent; use the version that wrote it"
            )

    def _damaged(self, what: str) -> CayleyError:
        return CayleyError(
            f"the ledger {self.path} is damaged or not a ledger ({what}); nothing was sent. It is the record of what is "
            "paid: do not delete it. Put back a copy, or save what can be read with "
            f"`sqlite3 {self.path} .recover | sqlite3 new.sqlite` and put new.sqlite in its place"
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def tag(self) -> str:
        """Tag that all jobs of this ledger carry."""
        return f"cayley-{self._db.execute('SELECT id FROM about').fetchone()[0][:12]}"

    @contextmanager
    def writing(self, wait: bool = False) -> Iterator[None]:
        """Hold the kernel lock beside the file; a killed process leaves none behind.

        Args:
            wait: Wait for a process that has it, instead of saying which one it is.

        Raises:
            CayleyError: If another process has it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(f"{self.path}.lock", fallback_to_soft=False)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            raise CayleyError(self._owner()) from None
        except OSError as error:
            raise CayleyError(f"cannot lock {self.path}: {error}; put the ledger on another disk") from None
        try:
            self._held = True
            with self.transaction():
                self._db.execute("DELETE FROM owner")
                self._db.execute("INSERT INTO owner VALUES (?, ?, ?)", (os.getpid(), socket.gethostname(), self._now()))
            yield
        finally:
            self._held = False
            lock.release()

    def _owner(self) -> str:
        row = self._db.execute("SELECT * FROM owner").fetchone()
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["since"])) if row else ""
        who = f"process {row['pid']} on {row['host']}, since {since}," if row else "another process"
        return f"{who} is writing to the ledger {self.path}: wait until it has finished (`cayley qpu status` works now)"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside durable as a whole, or undo it.

        Raises:
            CayleyError: If the file cannot be written (a full disk, say).
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise CayleyError(f"cannot write to the ledger {self.path}: {error}; mend that and start again") from None

    def _now(self) -> float:
        return float(self._clock())

    def _write(self, statement: str, values: Sequence[Any] = ()) -> int:
        if not self._held:
            raise RuntimeError("a ledger is written to inside `with ledger.writing()` only")
        with closing(self._db.execute(statement, values)) as cursor:
            return cursor.rowcount

    def _event(self, tag: str, state: str, note: str) -> None:
        self._write(
            "INSERT INTO event (time, tag, state, note) VALUES (?, ?, ?, ?)", (self._now(), tag, state, note)
        )

    # --- attempts ---------------------------------------------------------------------------------------------------

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
            Its unique tag.

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
            number = 1 + self._db.execute("SELECT count(*) FROM attempt WHERE key = ?", (key,)).fetchone()[0]
            tag = f"cayley-{key[:10]}-{number}-{uuid.uuid4().hex[:8]}"
            self._write(
                "INSERT INTO attempt (tag, key, number, state, seconds, changed, reason) VALUES (?,?,?,'planned',?,?,?)",
                (tag, key, number, seconds, self._now(), reason),
            )
            self._event(tag, "planned", reason)
        return tag

    def move(self, tag: str, state: str, note: str = "", **fields: Any) -> None:
        """Change the state of an attempt, and further columns with it.

        Raises:
            RuntimeError: If there is no way from its state to that one.
        """
        with self.transaction():
            self._move(tag, state, note, fields)

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

        array = np.ascontiguousarray(array)
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
        row = self._db.execute("SELECT * FROM attempt JOIN work USING (key) WHERE tag = ?", (tag,)).fetchone()
        if row is None:
            raise CayleyError(f"the ledger {self.path} has no tag '{tag}': `cayley qpu status` lists them")
        return row

    def attempts(self, *states: str) -> list[sqlite3.Row]:
        """Return all attempts in some states, oldest first."""
        marks = ", ".join("?" * len(states))
        return self._db.execute(
            f"SELECT * FROM attempt JOIN work USING (key) WHERE state IN ({marks}) ORDER BY attempt.rowid", states
        ).fetchall()

    def latest(self, key: str) -> sqlite3.Row | None:
        """Return the attempt that counts for a key: the last one; none if it was never planned."""
        return self._db.execute(
            "SELECT * FROM attempt JOIN work USING (key) WHERE key = ? ORDER BY number DESC LIMIT 1", (key,)
        ).fetchone()

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
        return np.frombuffer(row["data"], dtype=row["dtype"]).reshape(json.loads(row["shape"])).copy()

    def seconds(self) -> float:
        """Return the QPU seconds of all that was sent or may have been: used ones where known, else estimated."""
        sent = self._db.execute("SELECT coalesce(used, seconds) FROM attempt WHERE state != 'planned'")
        # A second job of a tag is not in the estimates: until its usage is known it counts as much as the first.
        extra = self._db.execute("SELECT coalesce(stray.used, seconds) FROM stray JOIN attempt USING (tag)")
        return math.fsum(row[0] for query in (sent, extra) for row in query)

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
            label, tag, attempt, state, job, seen (the service's last word), estimated_seconds, used_seconds, age_seconds
            (since the state's last change), reason.
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
                "used_seconds": row["used"],
                "age_seconds": max(0.0, self._now() - when),
                "reason": reason,
            }
            for row, tag, state, seconds, when, reason in table
        ]
