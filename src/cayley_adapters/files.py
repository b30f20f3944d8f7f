"""Files that appear whole or not at all, and the shared cache of downloaded and converted material."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cayley_adapters.errors import CayleyError

__all__ = ["atomic_directory", "atomic_file", "cache_directory", "locked", "sha256"]


def cache_directory() -> Path:
    """Folder for downloads and converted models: ``$CAYLEY_CACHE``, else the platform's user cache."""
    if given := os.environ.get("CAYLEY_CACHE"):
        return Path(given).expanduser().resolve()
    from platformdirs import user_cache_path

    return user_cache_path("cayley-adapters")


@contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it on success and vanishes on failure."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)  # mkstemp makes files only their owner can read; results follow the user's umask
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` on success; an older ``path`` is replaced."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        for path_within in temporary.rglob("*"):  # safetensors writes files that only their owner can read
            if path_within.is_file() and path_within.stat().st_nlink > 1:
                continue  # linked from elsewhere, where its mode is someone else's matter
            path_within.chmod((0o777 if path_within.is_dir() else 0o666) & ~umask)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a kernel lock beside ``path``: a second process waits, and a killed one leaves none behind."""
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CayleyError(f"cannot write to {path.parent}: {error}; set CAYLEY_CACHE to a folder you own") from error
    with FileLock(f"{path}.lock"):
        yield


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
