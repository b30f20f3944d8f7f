"""What is in the store: how much of it, how old, what made it, and which runs rest on it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import text_table
from cayley_adapters.pipeline.provenance import read_record
from cayley_adapters.pipeline.store import RUNS, USED

__all__ = ["Entry", "contents", "contents_table", "remove"]


@dataclass(frozen=True)
class Entry:
    """What one job has left in the store.

    Attributes:
        path: of its record.
        stage: that made it.
        cell: its folders, such as ``ratio0.2 d4 seed0``.
        code: hash of the code that made it.
        folders: that its files lie in.
        bytes: of all its files.
        made: seconds since 1970.
        users: results folders that rest on it.
    """

    path: Path
    stage: str
    cell: str
    code: str
    folders: tuple[Path, ...]
    bytes: int
    made: float
    users: tuple[str, ...]

    @property
    def base(self) -> Path:
        """The folder that it shares with other cells."""
        return self.path.parent.parent


def contents(store: Path) -> list[Entry]:
    """All that is in the store, the largest first.

    Raises:
        CayleyError: there is no store.
    """
    if not store.is_dir():
        raise CayleyError(f"{store} is no store; run the workflow first, or name another one: cayley store --path PATH")
    users = _users(store)
    found = []
    for path in store.glob("*/*/provenance/*.json"):
        record = read_record(path)
        if record is None or path.name.startswith("."):
            continue
        base = path.parent.parent
        folders = tuple(sorted({_own_folder(base, name) for name in record["outputs"]}))
        files = [item for folder in folders for item in folder.rglob("*") if item.is_file()]
        size = sum(item.stat().st_size for item in files)
        key = (base.parent.name, base.name, path.stem)
        cell = " ".join(record["cell"].values())
        entry = Entry(
            path, record["stage"], cell, record["code"], folders, size, path.stat().st_mtime, tuple(users.get(key, ()))
        )
        found.append(entry)
    return sorted(found, key=lambda entry: (-entry.bytes, entry.path))


def _own_folder(base: Path, name: str) -> Path:
    """The folder of a file that a record names, which lies below the job's own: a foreign record may name any."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
        raise CayleyError(f"the record of {base} names {name!r}, which is no file of it; delete {base}")
    return base / path.parent


def _users(store: Path) -> dict[tuple[str, ...], list[str]]:
    """Stage, folder and job → the results folders that say that they rest on it.

    Those beside the store count as well as those that it was told of: all may have been moved together.
    """
    told = [Path(os.fsdecode(note.read_bytes()), USED) for note in (store / RUNS).glob("*")]
    above = store.resolve().parent
    beside = [*above.glob(f"*/{USED}"), *above.glob(f"*/*/{USED}")]
    notes = {note.resolve() for note in (*told, *beside) if note.is_file()}
    found: dict[tuple[str, ...], list[str]] = {}
    for note in sorted(notes):
        name = note.parent.name if note.parents[1] == above else f"{note.parents[1].name}/{note.parent.name}"
        for place in json.loads(note.read_text(encoding="utf-8")):
            found.setdefault(Path(place).parts[-3:], []).append(name)
    return found


def contents_table(entries: Sequence[Entry]) -> str:
    """A table for people, with its sum."""
    now = time.time()
    rows = [
        {
            "size": _size(entry.bytes),
            "age": _age(now - entry.made),
            "what": f"{entry.stage} {entry.cell}".strip(),
            "of": entry.base.name,
            "code": entry.code[:8],
            "used by": ", ".join(entry.users) or "nothing",
        }
        for entry in entries
    ]
    unused = sum(entry.bytes for entry in entries if not entry.users)
    whole = f"{len(entries)} entries, {_size(sum(entry.bytes for entry in entries))}; {_size(unused)} used by no run"
    columns = ("size", "age", "what", "of", "code", "used by")
    return "\n".join([text_table(rows, columns, right=("size", "age")), "", whole]) if rows else whole


def remove(entries: Sequence[Entry]) -> None:
    """Delete what jobs have left, and folders that are empty then."""
    for entry in entries:
        entry.path.unlink(missing_ok=True)  # first: without its record nothing counts as made
        for folder in entry.folders:
            shutil.rmtree(folder, ignore_errors=True)
        for path in _beside(entry):
            path.unlink(missing_ok=True)
        for folder in sorted(entry.base.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        if entry.base.is_dir() and not any(entry.base.iterdir()):
            entry.base.rmdir()


def _beside(entry: Entry) -> Iterator[Path]:
    name = entry.path.stem
    yield from (entry.base / "logs" / f"{name}.json", entry.base / "logs" / f"{name}.log")
    yield entry.base / "locks" / f"{name}.lock"
    yield from (entry.base / "tracked").glob(f"{name}-[0-9].json")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
