"""Answers to requests of the harness, kept on disk as they come, so that a run that is cut off goes on where it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TextIO

from cayley_adapters.core.files import write_file

__all__ = ["Answered", "digest"]


def digest(kind: str, request: Any, repeat: int) -> str:
    """What a request is known by.

    Args:
        kind: such as ``loglikelihood``.
        request: its arguments.
        repeat: how often the same was asked before: a task may want several draws of one text.
    """
    text = json.dumps([kind, list(request), repeat], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Answered:
    """Answers by the digest of their request.

    Args:
        path: file of JSON lines, one an answer behind a first one that is the key; None keeps them in memory alone. A
            file with another key is begun anew, and a line that was cut off is dropped.
        key: what all answers rest on: model, blocks, noise, code and machine.
    """

    def __init__(self, path: Path | None = None, key: str = "") -> None:
        self._answers: dict[str, Any] = {}
        self._file: TextIO | None = None
        if path is None:
            return
        kept = _read(path, key)
        # Whole before it is added to: a line that was cut off would join the next one.
        write_file(path, "".join(json.dumps(content) + "\n" for content in (key, *kept)))
        for known, answer in kept:
            self.add(known, answer)
        self._file = path.open("a", encoding="utf-8")

    def __contains__(self, key: str) -> bool:
        return key in self._answers

    def __getitem__(self, key: str) -> Any:
        return self._answers[key]

    def add(self, key: str, answer: Any) -> None:
        """Take up an answer: a text, a number, or a number and whether it is the likeliest text."""
        self._answers[key] = tuple(answer) if isinstance(answer, list | tuple) else answer
        self._write([key, answer])

    def close(self) -> None:
        """Leave the file as it is."""
        if self._file:
            self._file.close()

    def _write(self, content: Any) -> None:
        if self._file:
            self._file.write(json.dumps(content) + "\n")
            self._file.flush()


def _read(path: Path, key: str) -> list[tuple[str, Any]]:
    """Answers in a file of this key, as far as it is whole."""
    found: list[tuple[str, Any]] = []
    try:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        if json.loads(first) != key:
            return []
        for line in lines:
            known, answer = json.loads(line)
            found.append((str(known), answer))
    except (OSError, ValueError, TypeError, RecursionError):
        pass  # what comes behind is asked again
    return found
