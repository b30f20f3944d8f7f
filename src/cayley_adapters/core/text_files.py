"""The user's own files of text: which files are meant, and the documents in them."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.reading import read_text

__all__ = ["SEPARATORS", "expand", "read_documents"]

SUFFIXES = (".txt", ".md", ".jsonl")
"""Of a folder's files, those that are read."""

SEPARATORS = {"blank_lines": r"\n[^\S\n]*\n\s*", "form_feed": r"\f"}
"""Name → regular expression of what stands between the documents of a file."""


def expand(paths: Sequence[str]) -> list[str]:
    """The files that are meant by paths of files, folders and globs, each once, in a folder or glob sorted by name.

    Args:
        paths: a folder stands for all files of :data:`SUFFIXES` below it, hidden ones left out; what is neither a
            folder nor a glob of any file is taken for a file, there or not.

    Raises:
        ValueError: a folder has no such file.
    """
    found: dict[str, None] = {}
    for path in paths:
        if os.path.isdir(path):
            below = (str(file.relative_to(path)) for file in sorted(Path(path).rglob("*")) if file.suffix in SUFFIXES)
            files = [os.path.join(path, name) for name in below if not any(p[0] == "." for p in Path(name).parts)]
            files = [file for file in files if os.path.isfile(file)]
        elif glob.has_magic(path) and not os.path.lexists(path):
            files = sorted(file for file in glob.glob(path, recursive=True) if os.path.isfile(file)) or [path]
        else:
            files = [path]
        if not files:
            raise ValueError(f"{path} holds no file of text; folders are searched for {', '.join(SUFFIXES)}")
        found |= dict.fromkeys(files)
    return list(found)


def read_documents(path: str, key: str, separator: str | None, field: str) -> Iterator[str]:
    """The documents of a file, at least one, none of them blank.

    Args:
        path: UTF-8 text, or JSON lines where its name ends in ``.jsonl``.
        key: the option that names it, for messages.
        separator: a name of :data:`SEPARATORS` or a regular expression, of what stands between documents; a file of
            text is one document if None.
        field: of JSON lines, the key whose value is a document.

    Raises:
        CayleyError: as :func:`cayley_adapters.core.reading.read_text`; a line is no JSON object with that field; or
            nothing is left between separators.
    """
    text = read_text(path, key)
    if path.endswith(".jsonl"):
        parts = [
            _field(line, field, f"{key}={path}: line {n}") for n, line in enumerate(text.split("\n"), 1) if line.strip()
        ]
    else:
        between = [] if separator is None else re.finditer(SEPARATORS.get(separator, separator), text)
        borders = [0, *(place for match in between for place in match.span()), len(text)]
        parts = [text[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]
    documents = [part for part in parts if part.strip()]
    if not documents:
        raise CayleyError(f"{key}={path}: holds no document; data.separator leaves nothing, give another one")
    yield from documents


def _field(line: str, field: str, where: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CayleyError(f"{where} is no JSON ({error}); give one object a line") from error
    if not isinstance(record, dict) or not isinstance(record.get(field), str):
        has = f"it has {', '.join(map(str, record))}" if isinstance(record, dict) else "it is no object"
        raise CayleyError(f"{where} has no text at {field!r}: {has}; name its key with data.field")
    text: str = record[field]
    return text
