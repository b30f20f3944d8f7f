"""Tables of the ledger, and the ways between the states of an attempt."""

from __future__ import annotations

__all__ = ["APPLICATION", "MOVES", "SCHEMA", "VERSION"]

APPLICATION = 0x43615951
"""Marks the file as ours ("CaYQ")."""

VERSION = 1

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
unknown: about to be sent; from here on it may be at the service, whatever happens.
submitted: the service has named the job.
done: the result is here.
failed: the service says that there will be none.
abandoned: the user has chosen to send it again. If it turns up it is cancelled, or taken if the next attempt has not
    been sent yet, which is then withdrawn.
"""

SCHEMA = """
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
