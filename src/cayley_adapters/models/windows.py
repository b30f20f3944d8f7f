"""Token windows of a text, and which of their tokens are scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.reading import damaged, load_arrays

__all__ = ["Windows", "load_windows", "save_windows"]


@dataclass(frozen=True)
class Windows:
    """Token windows of one part.

    Attributes:
        tokens: ``(windows, window)`` int32 token ids.
        documents: ``(windows, window)`` int32, the document each token comes from, for clustered errors.
        scored: ``(windows, window)`` bool, whether a token is predicted, in training and in tests: those of headings
            and of what stands between documents are read as context only.
        words: ``(windows, window)`` int32, how many words begin in a token; words are what white space parts.
        bytes: ``(windows, window)`` int32, how many bytes of UTF-8 a token stands for.
    """

    tokens: np.ndarray
    documents: np.ndarray
    scored: np.ndarray
    words: np.ndarray
    bytes: np.ndarray

    def __getitem__(self, chosen: slice) -> Windows:
        """Some of the windows."""
        return self.map(lambda values: values[chosen])

    def first(self, count: int, purpose: str) -> Windows:
        """The first ``count`` windows.

        Raises:
            CayleyError: there are fewer.
        """
        if count > len(self.tokens):
            raise CayleyError(
                f"{purpose}={count} asks for more text than there is: {len(self.tokens)} windows of "
                f"{self.tokens.shape[1]} tokens. Lower {purpose} or data.window, or give more text."
            )
        return self[:count]

    def overlapping(self, context: int) -> Windows:
        """Windows of the same text that each begin ``context`` tokens before the last one's end, scored after these.

        So a token is scored once, with at least ``context`` tokens before it in its window; the first ones of the text
        are not scored.

        Args:
            context: at least 1 and less than a window; 0 leaves the windows as they are.
        """
        if context == 0:
            return self
        window = self.tokens.shape[1]
        starts = np.arange(0, self.tokens.size - window + 1, window - context)
        found = self.map(lambda values: values.ravel()[starts[:, None] + np.arange(window)])
        found.scored[:, :context] = False
        return found

    def whole(self, count: int) -> Windows:
        """The first ``count`` tokens of each window, all of them scored."""
        found = self.map(lambda values: values[:, :count].copy())
        found.scored[:] = True
        return found

    def select(self, values: np.ndarray) -> np.ndarray:
        """Of values of all tokens but the first of each window, ``(windows, window − 1)``, those of scored tokens."""
        found: np.ndarray = values[self.scored[:, 1:]]
        return found

    @property
    def clusters(self) -> np.ndarray:
        """``(tokens,)`` for each scored token what it shares errors with: its document.

        Where all are of one document its windows stand for it, as −1, −2, …: a block bootstrap instead of one over
        documents.
        """
        documents = self.select(self.documents[:, 1:])
        if len(np.unique(documents)) > 1:
            return documents
        own = np.arange(-1, -1 - len(self.tokens), -1, dtype=documents.dtype)
        return self.select(np.broadcast_to(own[:, None], self.documents[:, 1:].shape))

    @property
    def scored_words(self) -> int:
        """How many words the scored tokens have."""
        return int(self.select(self.words[:, 1:]).sum())

    @property
    def scored_bytes(self) -> int:
        """How many bytes of UTF-8 the scored tokens have."""
        return int(self.select(self.bytes[:, 1:]).sum())

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> Windows:
        """The same change of each array."""
        return Windows(*(change(getattr(self, field.name)) for field in fields(self)))


def save_windows(parts: Mapping[str, Windows], path: Path) -> None:
    """Write all parts into one safetensors file."""
    save_arrays(
        {f"{name}.{key.name}": getattr(part, key.name) for name, part in parts.items() for key in fields(part)}, path
    )


def load_windows(path: Path, part: str) -> Windows:
    """Read one part of a file written by :func:`save_windows`.

    Raises:
        CayleyError: it is missing or damaged.
    """
    found = load_arrays(path, *(f"{part}.{field.name}" for field in fields(Windows)))
    shapes = {values.shape for values in found}
    if len(shapes) > 1 or found[0].ndim != 2 or not found[0].size:
        raise damaged(path, f"arrays of {', '.join(map(str, shapes))} are no windows of one text")
    return Windows(*found)
