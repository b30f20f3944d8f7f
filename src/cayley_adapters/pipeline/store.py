"""The store: what stored stages make lies in it once, and results folders link to what they rest on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import remove_partial, remove_partial_of, sha256, write_file
from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.jobs import jobs_of
from cayley_adapters.pipeline.locks import hold_alone
from cayley_adapters.pipeline.provenance import identity, provenance_path, read_record, write_json, written
from cayley_adapters.pipeline.records import log_path, record_path
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.variants import Variant

__all__ = ["FORCE", "RUNS", "USED", "links_of", "place_links", "taken"]

USED = ".store.json"
"""File of a results folder: folder and name of each job of the store that it rests on → how W&B tells it from others of
its name."""

RUNS = "runs"
"""Folder of the store in which results folders are named that use it."""

FORCE = "CAYLEY_FORCE"
"""Environment variable that is set where jobs are to run even if what they make is there already."""


@contextmanager
def taken(job: Job) -> Iterator[bool]:
    """Hold a job's files in the store alone; a job of a results folder has them anyway.

    Yields:
        Whether they are there already, from the same code, inputs, packages and machine: made by another run while this
        one waited, or by one that was killed before it could say so.
    """
    if not STAGES[job.stage].stored:
        yield False
        return
    with hold_alone(job):
        for folder in (*_folders(job), Path(job.base, "checkpoints", job.stage, *job.cell.values())):
            remove_partial(folder)
        tracked = Path(job.base, "tracked", f"{job.name}-0.json")
        for path in (*_folders(job), provenance_path(job), record_path(job), tracked):
            remove_partial_of(path)
        yield not os.environ.get(FORCE) and _is_made(job)


def _is_made(job: Job) -> bool:
    try:
        record = read_record(provenance_path(job))
        return (
            record is not None
            and record["identity"] == identity(job)
            and all(path.is_file() for path in job.outputs.values())
            and all(
                sha256(path) == record["outputs"].get(path.relative_to(job.base).as_posix()) for path in written(job)
            )
        )
    except (CayleyError, OSError):  # damaged, or inputs are missing: the job itself says what is wrong
        return False


def _folders(job: Job) -> list[Path]:
    return list(dict.fromkeys(path.parent for path in job.outputs.values()))


def links_of(variant: Variant) -> Iterator[tuple[Path, Job]]:
    """Where a results folder links to what it rests on: each place, and the job whose files are to be seen there.

    The processor's own adapter and the cells of levers are folders below, ``qpu`` and ``levers/NAME``.
    """
    for stage, row in STAGES.items():
        if row.stored:
            for job in jobs_of(stage, variant):
                yield Path(variant.folder), job
    if variant.device is not variant:
        for job in jobs_of("train", variant.device):
            yield Path(variant.device.folder), job
    for arm in dict.fromkeys(arm.variant for arm in variant.arms if arm.variant is not variant):
        for stage in ("train", "transpile", "evaluate"):
            for job in jobs_of(stage, arm):
                yield Path(arm.folder), job


def place_links(variants: Iterable[Variant], wanted: Callable[[Job], bool]) -> None:
    """Link results folders to what they rest on, or copy where the file system has no links, and keep account of it.

    Args:
        variants: of a run.
        wanted: says of a job whether its files are there or will be.

    Raises:
        CayleyError: something else is in a link's place.
    """
    for variant in variants:
        path, used = Path(variant.folder, USED), dict[str, str]()
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for folder, job in links_of(variant):
            if wanted(job):
                key, ending = f"{job.base}/{job.name}", folder.relative_to(variant.folder).name
                used.setdefault(key, f" {ending}" if ending else "")
                for target in (*_folders(job), provenance_path(job), record_path(job), log_path(job)):
                    _link(folder / target.relative_to(job.base), target, copied=key in known)
        if not used.items() <= known.items():
            write_json(known | used, path)
        _sign(Path(variant.store), Path(variant.folder).resolve())


def _sign(store: Path, folder: Path) -> None:
    """Let the store know a results folder that uses it, which may lie elsewhere."""
    note = store / RUNS / hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    if not note.exists():
        write_file(note, os.fsencode(folder))


def _link(place: Path, target: Path, copied: bool) -> None:
    pointer = os.path.relpath(target, place.parent)
    if place.is_symlink():
        if os.readlink(place) == pointer:
            return
        place.unlink()
    elif place.is_dir() and not copied:
        raise CayleyError(
            f"{place} is in the way of a link to {target}: these results were made by a version that kept all files in "
            "the results folder itself. Choose another name with run=NAME, or let them go with replace=true"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        if place.is_file():  # an older log
            place.unlink()
        if not place.exists():
            place.symlink_to(pointer)
            return
    except OSError:
        pass
    if target.is_dir():
        shutil.copytree(target, place, dirs_exist_ok=True)
    elif target.is_file():
        shutil.copy2(target, place)
