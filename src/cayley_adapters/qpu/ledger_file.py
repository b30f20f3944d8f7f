"""The ledger's file: opened only when it is whole and ours, written durably, by one process at a time."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.qpu.ledger_schema import ADDED, APPLICATION, MOVES, SCHEMA, VERSION

__all__ = ["LedgerFile"]


class LedgerFile:
    """A SQLite file; reading needs no lock, writing happens inside :meth:`writing`.

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
            raise CayleyError(f"there is no ledger at {self.path}: `{command('qpu submit')}` makes it")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        except (OSError, sqlite3.Error) as error:
            raise CayleyError(f"cannot open the ledger {self.path}: {error}; nothing was sent") from None
        try:
            self._open()
        except (sqlite3.DatabaseError, CayleyError) as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError) and "decode" not in str(
                error
            ):  # locked, read-only, disk full: not a damage
                raise CayleyError(f"cannot use the ledger {self.path}: {error}; nothing was sent") from None
            if isinstance(error, CayleyError):
                raise
            raise self._damaged(str(error)) from None

    def _open(self) -> None:
        self._db.row_factory = sqlite3.Row
        if not (tables := self._db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()):
            # The lock is made with the first change: a ledger that was written to is never empty again.
            if Path(f"{self.path}.lock").exists():
                raise self._damaged("it is empty, and was not when it was last written to")
            self._create()
        if self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise CayleyError(f"{self.path} is another program's database: nothing was sent; give another path")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 1:
            self._upgrade()
        if (version := self._db.execute("PRAGMA user_version").fetchone()[0]) != VERSION:
            raise CayleyError(
                f"the ledger {self.path} has schema version {version} and this cayley-adapters knows {VERSION}: "
                "nothing was sent; use the version that wrote it"
            )
        if tables and (found := self._db.execute("PRAGMA integrity_check(3)").fetchall())[0][0] != "ok":
            raise self._damaged("; ".join(row[0] for row in found))
        if tables:
            self._check_content()
        self._db.execute("PRAGMA journal_mode = DELETE")
        # A rollback journal works on network disks too, and EXTRA also syncs the folder after a commit: with FULL a
        # power cut may bring back the state before the last one, that is forget an intent whose job has been sent.
        for pragma in ("synchronous = EXTRA", "fullfsync = ON", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")

    def _check_content(self) -> None:
        """Refuse what SQLite finds whole and this program would trip over."""
        sql = [row["sql"] for row in self._db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]
        if {" ".join(item.split()) for item in SCHEMA.split(";")} - {" ".join(item.split()) for item in sql}:
            raise self._damaged(f"its tables are not those of version {VERSION}")
        if self._db.execute("PRAGMA foreign_key_check").fetchone():
            raise self._damaged("some rows belong to no other")
        if len(self._db.execute("SELECT id FROM about").fetchall()) != 1:
            raise self._damaged("it does not say which ledger it is")
        for table in ("owner", "work", "batch", "attempt", "stray", "event", "cap", "agreement"):
            for row in self._db.execute(f"SELECT * FROM {table}"):  # reads what is no UTF-8, too
                if table == "attempt" and row["state"] not in MOVES:
                    raise self._damaged(f"{row['tag']} is in the unknown state {row['state']!r}")

    def _create(self) -> None:
        with self.transaction():
            if self._db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
                return  # another process was faster
            self._add(SCHEMA)
            self._db.execute("INSERT INTO about VALUES (?, ?)", (uuid.uuid4().hex, self._now()))
            self._db.execute(f"PRAGMA application_id = {APPLICATION}")

    def _upgrade(self) -> None:
        with self.transaction():
            if self._db.execute("PRAGMA user_version").fetchone()[0] < VERSION:  # no other process was faster
                self._add(ADDED)

    def _add(self, tables: str) -> None:
        for statement in tables.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _damaged(self, what: str) -> CayleyError:
        return CayleyError(
            f"the ledger {self.path} is damaged or not a ledger ({what}); nothing was sent. It is the record of what "
            "is paid: do not delete it. Put back a copy, or save what can be read with "
            f"`sqlite3 {self.path} .recover | sqlite3 new.sqlite` and put new.sqlite in its place"
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

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
        now = command("qpu status")
        return f"{who} is writing to the ledger {self.path}: wait until it has finished (`{now}` works now)"

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
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            raise CayleyError(f"cannot write to the ledger {self.path}: {error}; mend that and start again") from None

    def _now(self) -> float:
        return float(self._clock())

    def _write(self, statement: str, values: Sequence[Any] = ()) -> int:
        if not self._held:
            raise RuntimeError("a ledger is written to inside `with ledger.writing()` only")
        with closing(self._db.execute(statement, values)) as cursor:
            return cursor.rowcount
