"""Files that appear whole or not at all, and the shared cache of downloaded and converted material."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "PARTIAL",
    "atomic_directory",
    "atomic_file",
    "cache_directory",
    "cached",
    "locked",
    "remove_partial",
    "remove_partial_of",
    "save_arrays",
    "sha256",
    "write_file",
]

PARTIAL = ".partial-"
"""How the names of files and folders begin that are not yet whole."""

LEAST_ROOM = 2**20
"""Bytes free on a disk that is not full."""

SAID = "CAYLEY_CACHE_TOLD"
"""Environment variable that is set once a user has been told where the cache lies."""


def cache_directory() -> Path:
    """Folder for downloads and converted models: ``$CAYLEY_CACHE``, else the platform's user cache.

    Where neither can be written to – no home, an unknown user, a read-only or full disk – it is a folder for temporary
    files, and one line says so.

    Raises:
        CayleyError: nothing can be written anywhere.
    """
    wanted = _wanted_cache()
    if wanted is not None and _writable(wanted):
        return wanted
    return _temporary_cache(wanted)


def cached(*parts: str) -> Path:
    """Where something lies in the cache, or will: also in a cache that can only be read, if it is there."""
    wanted = _wanted_cache()
    with suppress(OSError):
        if wanted is not None and wanted.joinpath(*parts).exists():
            return wanted.joinpath(*parts)
    return cache_directory().joinpath(*parts)


def _wanted_cache() -> Path | None:
    """The cache that is asked for or usual; None for a user without a home."""
    if given := os.environ.get("CAYLEY_CACHE"):
        with suppress(RuntimeError):
            return Path(given).expanduser().resolve()
        return None
    from platformdirs import user_cache_path

    try:
        return user_cache_path("cayley-adapters")
    except RuntimeError:  # no home
        return None


def _writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or it itself where it is not there; nothing is written to find out."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK) and shutil.disk_usage(there).free >= LEAST_ROOM
    except OSError:
        return False


def _temporary_cache(wanted: Path | None) -> Path:
    """A folder of this user's own among temporary files; the first process that takes it says so."""
    try:
        folder = Path(tempfile.gettempdir(), f"cayley-adapters-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise CayleyError(
            f"neither {wanted or 'a home'} nor a folder for temporary files can be written to ({error.strerror}); set "
            "CAYLEY_CACHE to a folder that can"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise CayleyError(f"{folder} is another user's; set CAYLEY_CACHE to a folder of your own")
    if SAID not in os.environ:
        os.environ[SAID] = "1"  # for the processes that this one starts
        where = f"the cache {wanted} cannot be written to" if wanted else "there is no home for a cache"
        say(f"{where}: what is fetched or compiled goes to {folder}; CAYLEY_CACHE=FOLDER chooses another place")
    return folder


@contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it on success and vanishes on failure.

    A process that is killed leaves the temporary file; :func:`remove_partial` deletes it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{PARTIAL}{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)  # mkstemp makes files only their owner can read; results follow the user's umask
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(path: Path | str, content: str | bytes) -> None:
    """Write a text in UTF-8, or bytes; see :func:`atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def save_arrays(arrays: dict[str, np.ndarray], path: Path | str, **metadata: str) -> None:
    """Write arrays as safetensors, with texts about them; see :func:`atomic_file`."""
    from safetensors.numpy import save_file

    with atomic_file(path) as temporary:
        save_file(arrays, temporary, metadata=metadata or None)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` on success; an older ``path`` is replaced.

    A process that is killed while it replaces leaves the older folder, the new one or none, never a part of either.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, older = (Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{path.name}-", dir=path.parent)) for _ in range(2))
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        for path_within in temporary.rglob("*"):  # safetensors writes files that only their owner can read
            if path_within.is_dir():
                path_within.chmod(0o777 & ~umask)
            elif path_within.stat().st_nlink == 1:  # else linked from elsewhere, and not ours
                path_within.chmod(0o666 & ~umask)
                _flush(path_within)
        if path.exists():
            os.replace(path, older)  # deleting it where it is would show a part of it for a while
        os.replace(temporary, path)
    finally:
        for folder in (temporary, older):
            shutil.rmtree(folder, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have a file's bytes on the disk before it gets its name: after a power cut some file systems show it empty.

    It is also where a network file system says that the disk is full.
    """
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def remove_partial(folder: Path) -> None:
    """Delete what processes that were killed have left half-written below ``folder``, where nothing else writes."""
    for pattern in (f"{PARTIAL}*", ".tmp??????"):  # the second is what safetensors is writing
        for path in list(folder.rglob(pattern)):
            _remove(path)


def remove_partial_of(path: Path) -> None:
    """Delete what killed processes have left half-written of one file or folder, which nothing else writes."""
    for stem, suffix in {(path.stem, path.suffix), (path.name, "")}:
        for left in path.parent.glob(f"{PARTIAL}{glob.escape(stem)}-{'?' * 8}{glob.escape(suffix)}"):
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a kernel lock beside ``path``: a second process waits, and a killed one leaves none behind.

    What a killed process has left of ``path`` is deleted first: downloads and converted models are large. Something
    that is there, where nothing can be written, needs no lock.
    """
    from filelock import FileLock

    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        if path.exists():
            yield
            return
        raise CayleyError(f"cannot write to {path.parent}: {error}; set CAYLEY_CACHE to a folder you own") from error
    try:
        remove_partial_of(path)
        yield
    finally:
        lock.release()


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
