"""Tables of the ledger, and the ways between the states of an attempt."""

from __future__ import annotations

__all__ = ["ADDED", "APPLICATION", "MOVES", "SCHEMA", "VERSION"]

APPLICATION = 0x43615951
"""Marks the file as ours ("CaYQ")."""

VERSION = 2

MOVES = {
    "planned": {"unknown", "submitted", "withdrawn"},
    "unknown": {"planned", "submitted", "abandoned"},
    "submitted": {"done", "failed", "abandoned"},
    "failed": {"abandoned"},
    "abandoned": {"submitted"},
    "done": set(),
    "withdrawn": set(),
}
"""From each state of an attempt to those that may follow.

planned: not sent.
unknown: the request is about to leave; from here on it may be at the service, whatever happens.
submitted: the service has named the job.
done: the result is here.
failed: the service says that there will be none.
abandoned: the user has chosen to send it again. If it turns up it is cancelled, or taken if the next attempt has not
    been sent yet, which is then withdrawn.
"""

ADDED = """
CREATE TABLE cap (tag TEXT PRIMARY KEY REFERENCES attempt (tag), seconds REAL NOT NULL) STRICT;
CREATE TABLE agreement (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, instance TEXT NOT NULL, max_seconds REAL NOT NULL,
    price REAL NOT NULL, factor REAL NOT NULL
) STRICT
"""
"""Tables that version 2 has more than version 1: after how many seconds the service ends a job, and to what was agreed.
"""

SCHEMA = f"""{ADDED};
CREATE TABLE about (id TEXT NOT NULL, created REAL NOT NULL) STRICT;
CREATE TABLE owner (pid INTEGER NOT NULL, host TEXT NOT NULL, since REAL NOT NULL) STRICT;
CREATE TABLE work (
    key TEXT PRIMARY KEY, label TEXT NOT NULL, digest TEXT NOT NULL, size TEXT NOT NULL
) STRICT;
CREATE TABLE batch (id TEXT PRIMARY KEY, backend TEXT NOT NULL, opened REAL NOT NULL, closed REAL) STRICT;
CREATE TABLE attempt (
    tag TEXT PRIMARY KEY,
    key TEXT NOT NULL REFERENCES work (key),
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    seconds REAL NOT NULL,
    used REAL,
    intended REAL,
    changed REAL NOT NULL,
    backend TEXT,
    batch TEXT REFERENCES batch (id),
    job TEXT UNIQUE,
    seen TEXT,
    again INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (key, number)
) STRICT;
CREATE TABLE result (
    key TEXT PRIMARY KEY REFERENCES work (key),
    tag TEXT NOT NULL REFERENCES attempt (tag),
    dtype TEXT NOT NULL,
    shape TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE TABLE stray (
    job TEXT PRIMARY KEY,
    tag TEXT NOT NULL REFERENCES attempt (tag),
    found REAL NOT NULL,
    seen TEXT NOT NULL,
    note TEXT NOT NULL,
    used REAL
) STRICT;
CREATE TABLE event (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, tag TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL
) STRICT
"""
