"""numba's ``njit`` with a cache that notices edits in every module of this package.

numba's own cache watches the module of the cached function alone, and would go on using compiled code whose callees,
compiled into it, have changed in another module. Here the cache's folder carries a hash of all kernels' sources, and
nothing else decides: a second copy of the same kernels, wherever it lies, compiles nothing anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from cayley_adapters.core.files import cache_directory, locked

__all__ = ["compiled"]


@cache
def _folder() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return str(cache_directory() / "numba" / digest.hexdigest()[:16])


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator: ``numba.njit(**options)`` with this package's cache."""

    def decorate(function: Callable[..., Any]) -> Any:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = _folder()  # read while the cache is set up, and only then
        try:
            made = numba.njit(cache=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before
        if isinstance(kept := getattr(made, "_cache", None), FunctionCache):
            _keep_by_source(kept, _folder())
            _save_alone(kept._cache_file)
            _load_whole(kept._cache_file)
        return made

    return decorate


def _keep_by_source(kept: Any, folder: str) -> None:
    """Leave the path and the time of the module's file out of where a function's compiled code lies."""
    kept._impl.locator.get_cache_path = lambda: folder
    kept._cache_path = folder
    kept._cache_file = IndexDataCacheFile(folder, kept._impl.filename_base, source_stamp=None)


def _save_alone(files: Any) -> None:
    """Let one process at a time add to a function's compiled code.

    numba reads the index, picks a free number and writes index and code, all without a lock: where two processes
    compile a function for different types at the same time, a later one could be given the code of the wrong one.
    """
    save = files.save

    def save_alone(key: Any, data: Any) -> None:
        with locked(Path(files._index_path)):
            save(key, data)

    files.save = save_alone


def _load_whole(files: Any) -> None:
    """Compile anew what was damaged in the cache; numba would end with whatever reading it raises."""
    load = files.load

    def load_whole(key: Any) -> Any:
        try:
            return load(key)
        except Exception:  # of pickle, of the file system, or of LLVM
            with suppress(OSError):
                Path(files._index_path).unlink(missing_ok=True)
            return None

    files.load = load_whole
