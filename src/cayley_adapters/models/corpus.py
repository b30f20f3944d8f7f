"""Text as token windows, with calibration, training and test parts that share no document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.reading import damaged, load_arrays, read_text
from cayley_adapters.models import wheels

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "HEALING_SHARE",
    "PARTS",
    "Windows",
    "build_windows",
    "encyclopedia",
    "healing_windows",
    "load_windows",
    "save_windows",
    "text_windows",
    "training_windows",
]

PARTS = ("calibration", "train", "test")

HEALING_SHARE = 0.75
"""Of the training text, what healing may take at most; the rest is left to the adapters."""


@dataclass(frozen=True)
class Windows:
    """Token windows of one part.

    Attributes:
        tokens: ``(windows, window)`` int32 token ids.
        documents: ``(windows, window)`` int32, the document each token comes from, for clustered errors.
    """

    tokens: np.ndarray
    documents: np.ndarray

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
        return Windows(self.tokens[:count], self.documents[:count])


def build_windows(data: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> dict[str, Windows]:
    """Tokenise the configured text and cut it into windows.

    Documents of one part are joined, each closed by the end-of-text token, and cut into ``data.window`` tokens; a
    remainder shorter than a window is dropped.

    Args:
        data: the ``data`` group of the configuration.
        tokenizer: the model's tokenizer.

    Raises:
        CayleyError: text is missing, unreadable, not UTF-8, or too short for one window in each part.
    """
    parts = {"encyclopedia": _encyclopedia, "text": _text_files, "wikitext2": _wikitext2}[data["source"]](data)
    return {name: _cut(parts[name], tokenizer, data["window"], name) for name in PARTS}


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
    return _cut(documents, tokenizer, window, "a model", key="window")


def save_windows(parts: Mapping[str, Windows], path: Path) -> None:
    """Write all parts into one safetensors file."""
    arrays = {
        f"{name}.{field}": getattr(part, field) for name, part in parts.items() for field in Windows.__annotations__
    }
    save_arrays(arrays, path)


def load_windows(path: Path, part: str) -> Windows:
    """Read one part of a file written by :func:`save_windows`.

    Raises:
        CayleyError: it is missing or damaged.
    """
    tokens, documents = load_arrays(path, f"{part}.tokens", f"{part}.documents")
    if tokens.ndim != 2 or tokens.shape != documents.shape or not tokens.size:
        raise damaged(path, f"tokens {tokens.shape} and documents {documents.shape} are no windows of one text")
    return Windows(tokens, documents)


def training_windows(path: Path, wanted: int, validation: int, healing: int = 0) -> tuple[np.ndarray, int]:
    """The first windows of the training part to train on, and its last ones to validate with.

    Args:
        path: a file written by :func:`save_windows`.
        wanted: windows to train on; fewer where the text is shorter, and at least one.
        validation: windows to validate with.
        healing: windows that the compressed model is healed on, see :func:`healing_windows`; never trained on.

    Returns:
        ``(windows, window)`` token ids, and how many of them, the first ones, are trained on.

    Raises:
        CayleyError: nothing is left to train on.
    """
    tokens = load_windows(path, "train").tokens
    left = len(tokens) - validation
    if left < 1:
        raise CayleyError(
            f"train.validation_windows={validation} leaves nothing to train on: the training text has {len(tokens)} "
            "windows. Lower it, or give more text."
        )
    train = min(max(wanted, 1), _healed(len(tokens), validation, healing)[0] if healing else left)
    return np.concatenate([tokens[:train], tokens[left:]]), train


def healing_windows(path: Path, wanted: int, validation: int) -> tuple[np.ndarray, int]:
    """Windows of the training part to heal on, which adapters are not trained on, and those to validate with.

    They are the ones right before the last, which validate, counted backwards, so that they do not depend on how many
    adapters take from the start.

    Args:
        path: a file written by :func:`save_windows`.
        wanted: windows to heal on; fewer where that is more than three quarters of the text.
        validation: windows to validate with; the last one is left out where none is asked for.

    Returns:
        ``(windows, window)`` token ids, and how many of them, the first ones, are healed on.

    Raises:
        CayleyError: there are not two windows beside those that validate.
    """
    tokens = load_windows(path, "train").tokens
    first, last = _healed(len(tokens), validation, wanted)
    if not 0 < first < last:
        raise CayleyError(
            f"heal.steps: the training text has {len(tokens)} windows, {validation} of which validate, which leaves "
            "nothing to heal on. Lower train.validation_windows or data.window, or give more text."
        )
    return tokens[first : last + validation], last - first


def _healed(windows: int, validation: int, wanted: int) -> tuple[int, int]:
    """The first window that is healed on, and the one after the last.

    The ranking of projections has a window to validate with in any case, so one is left out here as well.
    """
    last = windows - max(validation, 1)
    return last - min(wanted, round(HEALING_SHARE * last)), last


def encyclopedia() -> dict[str, list[dict[str, str]]]:
    """The articles of the embedded encyclopedia: 80 % training, 10 % calibration, 10 % test, by the hash of the title.

    Returns:
        For each of :data:`PARTS` its articles, with ``title``, ``extract``, ``description`` and ``topic``.
    """
    articles = json.loads(wheels.fetch(wheels.ENCYCLOPEDIA).read_text(encoding="utf-8"))
    parts: dict[str, list[dict[str, str]]] = {name: [] for name in PARTS}
    # In the order of the hash, the first windows of each part mix all topics.
    ranked = sorted(articles.values(), key=lambda article: hashlib.sha256(article["title"].encode()).digest())
    seen: set[str] = set()
    for article in ranked:
        text = article["extract"].strip()
        if text and text not in seen:  # some extracts stand under two titles, and could fall into two parts
            seen.add(text)
            bucket = hashlib.sha256(article["title"].encode()).digest()[-1] % 10
            parts["test" if bucket == 0 else "calibration" if bucket == 1 else "train"].append(article)
    return parts


def _encyclopedia(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """The embedded English extracts, each below its title."""
    return {
        name: [f"{article['title']}\n{article['extract'].strip()}" for article in articles]
        for name, articles in encyclopedia().items()
    }


def _text_files(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Local UTF-8 files; calibration is the last tenth of the training text."""
    train = "\n".join(read_text(Path(path).expanduser().absolute(), "data.train") for path in _paths(data["train"]))
    test = "\n".join(read_text(Path(path).expanduser().absolute(), "data.test") for path in _paths(data["test"]))
    return _split_calibration(train) | {"test": [test]}


def _wikitext2(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """``Salesforce/wikitext`` raw, pinned by revision; needs the hub (or its local cache)."""
    from datasets import load_dataset

    try:
        splits = load_dataset(data["id"], data["config"], revision=data["revision"])
    except Exception as error:  # the client raises many classes, all meaning that the hub cannot be reached
        raise CayleyError(
            f"could not fetch {data['id']} ({data['config']}) from the Hugging Face hub ({type(error).__name__}).\n"
            "Check the network, or use the embedded text (data=encyclopedia) or your own files "
            "(data=text data.train=FILE data.test=FILE)."
        ) from error
    return _split_calibration("".join(splits["train"]["text"])) | {"test": _articles("".join(splits["test"]["text"]))}


def _articles(text: str) -> list[str]:
    """Split WikiText at its top-level headings, ``" = Title = "``, for clustered errors."""
    documents: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.startswith(" = ") and not line.startswith(" = = ") and documents[-1]:
            documents.append([])
        documents[-1].append(line)
    return [joined for lines in documents if (joined := "".join(lines)).strip()]


def _split_calibration(text: str) -> dict[str, list[str]]:
    """The last tenth of a text, cut at a line end where there is one, is for calibration."""
    cut = text.rfind("\n", 0, len(text) * 9 // 10) + 1 or len(text) * 9 // 10
    return {"train": [text[:cut]], "calibration": [text[cut:]]}


def _paths(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _cut(
    documents: Sequence[str], tokenizer: PreTrainedTokenizerBase, window: int, part: str, key: str = "data.window"
) -> Windows:
    encoded = tokenizer(list(documents), add_special_tokens=False, verbose=False)["input_ids"]
    end = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    tokens = np.concatenate([np.asarray(ids + end, dtype=np.int32) for ids in encoded])
    owners = np.repeat(np.arange(len(encoded), dtype=np.int32), [len(ids) + len(end) for ids in encoded])
    count = len(tokens) // window
    if count == 0:
        raise CayleyError(
            f"too little text for {part}: {len(tokens)} tokens, but one window needs {key}={window}. "
            f"Give more text or lower {key}."
        )
    shape = (count, window)
    return Windows(tokens[: count * window].reshape(shape), owners[: count * window].reshape(shape))
