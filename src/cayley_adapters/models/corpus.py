"""Text as token windows, with calibration, training and test parts that share no text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.texts import PARTS, Document, documents_of
from cayley_adapters.models.windows import Windows, load_windows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "HEALING_SHARE",
    "build_windows",
    "healing_windows",
    "text_windows",
    "training_windows",
    "window_of",
]

HEALING_SHARE = 0.75
"""Of the training text, what healing may take at most; the rest is left to the adapters."""

CALIBRATION_SHARE = 0.1
"""Of the tokens of training text that has no calibration part of its own, what calibrates."""

BETWEEN = "\n\n"
"""What stands between two documents: plain text, and no token that means something to a chat model."""


def build_windows(data: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> dict[str, Windows]:
    """Tokenise the configured text and cut it into windows.

    Documents of one part are joined with a blank line between them and cut into ``data.window`` tokens; a remainder
    shorter than a window is dropped.

    Args:
        data: the ``data`` group of the configuration.
        tokenizer: the model's tokenizer.

    Raises:
        CayleyError: text is missing, unreadable, not UTF-8, or too short for one window in each part.
    """
    parts = documents_of(data)
    streams = {name: _stream(documents, tokenizer) for name, documents in parts.items()}
    if "calibration" not in streams:
        cut = _calibration_starts(streams["train"].documents[0])
        streams["calibration"] = streams["train"].map(lambda values: values[:, cut:])
        streams["train"] = streams["train"].map(lambda values: values[:, :cut])
    return {name: _cut(streams[name], data["window"], name) for name in PARTS}


def text_windows(text: str | Sequence[str], tokenizer: PreTrainedTokenizerBase, window: int) -> Windows:
    """Cut a text into windows, as the parts of the configured one are.

    Args:
        text: one document, or several.
        tokenizer: the model's tokenizer.
        window: tokens of a window; a remainder that is shorter is dropped.

    Raises:
        CayleyError: it is no text, or too short for one window.
    """
    documents = [text] if isinstance(text, str) else list(text)
    if not documents or not all(isinstance(one, str) for one in documents):
        raise CayleyError("text is no text; give a str, or a list of them, one a document")
    return _cut(_stream([Document(one) for one in documents], tokenizer), window, "a model", key="window")


def window_of(text: str, tokenizer: PreTrainedTokenizerBase) -> Windows:
    """A text as one window, as long as it is, all of it scored."""
    ((tokens, scored, *counts),) = _tokenised([Document(text)], tokenizer)
    kept = Windows(tokens, np.zeros_like(tokens), scored, *counts)
    return kept.map(lambda values: values[None, scored])


def training_windows(path: Path, wanted: int, validation: int, healing: int = 0) -> tuple[Windows, int]:
    """The first windows of the training part to train on, and its last ones to validate with.

    Args:
        path: a file written by :func:`save_windows`.
        wanted: windows to train on; fewer where the text is shorter, and at least one.
        validation: windows to validate with.
        healing: windows that the compressed model is healed on, see :func:`healing_windows`; never trained on.

    Returns:
        The windows, and how many of them, the first ones, are trained on.

    Raises:
        CayleyError: nothing is left to train on.
    """
    windows = load_windows(path, "train")
    left = len(windows.tokens) - validation
    if left < 1:
        raise CayleyError(
            f"train.validation_windows={validation} leaves nothing to train on: the training text has "
            f"{len(windows.tokens)} windows. Lower it, or give more text."
        )
    train = min(max(wanted, 1), _healed(len(windows.tokens), validation, healing)[0] if healing else left)
    return windows.map(lambda values: np.concatenate([values[:train], values[left:]])), train


def healing_windows(path: Path, wanted: int, validation: int) -> tuple[Windows, int]:
    """Windows of the training text to heal on, which adapters are not trained on, and those to validate with.

    They are the ones right before the last, which validate, counted backwards, so that they do not depend on how many
    adapters take from the start.

    Args:
        path: a file written by :func:`save_windows`.
        wanted: windows to heal on; fewer where that is more than three quarters of the text.
        validation: windows to validate with; the last one is left out where none is asked for.

    Returns:
        The windows, and how many of them, the first ones, are healed on.

    Raises:
        CayleyError: there are not two windows beside those that validate.
    """
    windows = load_windows(path, "train")
    first, last = _healed(len(windows.tokens), validation, wanted)
    if not 0 < first < last:
        raise CayleyError(
            f"heal.steps: the training text has {len(windows.tokens)} windows, {validation} of which validate, which "
            "leaves nothing to heal on. Lower train.validation_windows or data.window, or give more text."
        )
    return windows[first : last + validation], last - first


def _healed(windows: int, validation: int, wanted: int) -> tuple[int, int]:
    """The first window that is healed on, and the one after the last.

    The ranking of projections has a window to validate with in any case, so one is left out here as well.
    """
    last = windows - max(validation, 1)
    return last - min(wanted, round(HEALING_SHARE * last)), last


def _calibration_starts(documents: np.ndarray) -> int:
    """Where the calibrating tail of training text begins: with a document, if one begins within 5 % of the text."""
    wanted = round(len(documents) * (1 - CALIBRATION_SHARE))
    borders = np.flatnonzero(np.diff(documents)) + 1
    near = borders[np.abs(borders - wanted) <= len(documents) * CALIBRATION_SHARE / 2]
    return int(near[np.abs(near - wanted).argmin()]) if len(near) else wanted


def _cut(stream: Windows, window: int, part: str, key: str = "data.window") -> Windows:
    found = stream.tokens.size
    if found < window:
        raise CayleyError(
            f"too little text for {part}: {found} tokens, but one window needs {key}={window}. "
            f"Give more text or lower {key}."
        )
    return stream.map(lambda values: values[0, : found // window * window].reshape(-1, window))


def _stream(documents: Sequence[Document], tokenizer: PreTrainedTokenizerBase) -> Windows:
    """All documents as one long window."""
    rows = list(_tokenised(documents, tokenizer))
    lengths = [len(tokens) for tokens, *_ in rows]
    tokens, scored, words, sizes = (np.concatenate(column) for column in zip(*rows, strict=True))
    owners = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
    return Windows(tokens, owners, scored, words, sizes).map(lambda values: values[None])


def _tokenised(documents: Sequence[Document], tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[np.ndarray, ...]]:
    """Token ids of each document and the blank line after it, whether they are scored, their words and their bytes."""
    if not tokenizer.is_fast:
        raise CayleyError(
            "the model's tokenizer does not tell which characters a token stands for, so words and bytes cannot be "
            "counted; add a tokenizer.json to its folder (tokenizers of transformers' fast kind have one)"
        )
    # What looks like a special token in a text is text.
    plain = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
    between = np.asarray(tokenizer(BETWEEN, **plain)["input_ids"], dtype=np.int32)
    encoded = tokenizer([document.text for document in documents], return_offsets_mapping=True, **plain)
    for document, ids, offsets in zip(documents, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        text, n = document.text, len(ids)
        # Several tokens may share a character, and white space may lie between two: each begins where the last ended.
        ends = np.maximum.accumulate(np.asarray(offsets, dtype=np.int64).reshape(n, 2)[:, 1])
        starts = np.concatenate([[0], ends[:-1]])[:n]
        scored = np.ones(n + len(between), dtype=bool)
        scored[n:] = False
        for start, end in document.headings:
            scored[:n] &= (starts < start) | (starts >= end)
        counts = np.zeros((2, n + len(between)), dtype=np.int32)
        borders = np.concatenate([starts, [len(text)]])
        for row, before in enumerate((_words_before(text), _bytes_before(text))):
            counts[row, :n] = np.diff(before[borders])
        yield np.concatenate([np.asarray(ids, dtype=np.int32), between]), scored, *counts


def _words_before(text: str) -> np.ndarray:
    """How many words begin before each character, and in all."""
    before = np.zeros(len(text) + 1, dtype=np.int64)
    before[[match.start() + 1 for match in re.finditer(r"\S+", text)]] = 1
    return before.cumsum()


def _bytes_before(text: str) -> np.ndarray:
    """How many bytes of UTF-8 lie before each character, and in all."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sizes = 1 + (points >= 0x80) + (points >= 0x800) + (points >= 0x10000)
    return np.concatenate([[0], sizes.cumsum()])
