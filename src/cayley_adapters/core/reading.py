"""Reading files: a results folder's, whole or with one sentence that says which to make anew, and users' text."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["damaged", "flat", "load_arrays", "load_json", "read_text"]


def damaged(path: Path | str, what: object) -> CayleyError:
    """Return the error about a file that is not what a stage of this program wrote."""
    return CayleyError(f"cannot read {path}: {what}; delete it and run the same command again")


def load_json(path: Path | str, *keys: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        *keys: what it must have.

    Raises:
        CayleyError: it is missing, no JSON object, or lacks a key.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if not isinstance(found, dict):
        raise damaged(path, f"it holds {type(found).__name__} where an object with keys is needed")
    if missing := [key for key in keys if key not in found]:
        raise damaged(path, f"it has no {', '.join(missing)}")
    return found


def load_arrays(path: Path | str, *names: str) -> list[np.ndarray]:
    """Read arrays of a safetensors file.

    Args:
        path: the file.
        *names: the arrays' names.

    Returns:
        The arrays, in that order.

    Raises:
        CayleyError: it is missing, no safetensors file, or lacks an array.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return [file.get_tensor(name) for name in names]
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise damaged(path, error) from error


LARGEST_FILE = 1_000_000_000
"""Bytes; tokens and windows of a larger one would not fit into the memory of most machines."""

LONGEST_WORD = 1_000_000
"""Characters without white space; tokenizers take more than linear time and memory for them."""


def read_text(path: Path | str, key: str) -> str:
    """Read a UTF-8 text file.

    Args:
        path: the file; a byte order mark at its start is left out.
        key: the option that names it, for the message.

    Raises:
        CayleyError: it is not there, a folder, unreadable, empty, larger than 1 GB, binary, or not UTF-8.
    """
    start = f"{key}={path}"
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise CayleyError(f"{start}: is {what}; give a UTF-8 text file")
        if found.st_size > LARGEST_FILE:
            raise CayleyError(
                f"{start}: has {found.st_size} bytes, and at most {LARGEST_FILE} are read; give a part of it"
            )
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CayleyError(f"{start}: is not UTF-8 text (byte {error.start}); convert it, e.g. with iconv") from error
    except FileNotFoundError as error:
        raise CayleyError(f"{start}: there is no such file; give a UTF-8 text file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CayleyError(f"{start}: cannot be read ({reason}); give a UTF-8 text file") from error
    if "\0" in text:
        raise CayleyError(f"{start}: holds NUL characters, so it is binary; give a UTF-8 text file")
    if not text.strip():
        raise CayleyError(f"{start}: is empty; give a UTF-8 text file with some text")
    if len(text) > LONGEST_WORD and (longest := max(map(len, text.split()))) > LONGEST_WORD:
        raise CayleyError(
            f"{start}: holds {longest} characters without white space between them, and at most {LONGEST_WORD} are "
            "read; put spaces or line ends into it"
        )
    return text


def flat(raw: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Sections within each other as dotted keys."""
    for key, value in raw.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
