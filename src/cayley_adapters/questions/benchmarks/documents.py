"""Documents of the embedded tasks: what the encyclopedia's test articles give, and sums of two numbers.

A hash chooses and orders them, so that every machine makes the same; another choice is another version of the task.
The task files in the folder ``panel`` name these functions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cayley_adapters.models.texts import encyclopedia
from cayley_adapters.questions.encyclopedia import encyclopedia_questions, names
from cayley_adapters.questions.items import spread

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["DOCUMENTS", "YES_NO", "last_word", "sums", "titles", "words", "yes_no"]

ARTICLES, LAST_WORDS, YES_NO, TITLES, SUMS = 40, 120, 60, 60, 500
"""How many documents each task has."""

LONGEST = 700
"""Characters of an article that is read before a question."""

LARGEST_SUM = 99


def words(**_: Any) -> dict[str, Dataset]:
    """Articles without their titles, as WikiText has them: a document each."""
    return _test({"text": _text(article)} for article in _articles()[:ARTICLES])


def last_word(**_: Any) -> dict[str, Dataset]:
    """Beginnings of articles that end in a word which was read before, as most of LAMBADA's do; no full stop follows.

    The word has five letters or more and is no part of the title; what comes before it has ten words or more.
    """
    found = []
    for article in _articles():
        pieces = re.split(r"(?<=[a-z])\.(?=\s|$)", _text(article))
        for end in range(len(pieces) - 1, 0, -1):
            text = ".".join(pieces[:end]).strip()
            before, _space, last = text.rpartition(" ")
            known = re.findall(r"[a-z]+", before.casefold())
            if re.fullmatch(r"[a-z]{5,}", last) and last in known and len(known) >= 10 and len(text) <= LONGEST:
                found.append({"text": " ".join(text.split())})
                break
    return _test(found[:LAST_WORDS])


def yes_no(**_: Any) -> dict[str, Dataset]:
    """Articles, and whether a description is theirs; for every other one it is that of another of its topic."""
    articles = [article for article in _articles() if article["description"] and len(_text(article)) <= LONGEST]
    found: list[dict[str, Any]] = []
    for article in articles:
        if names(article["description"], article["title"]):
            continue
        own = article["description"]
        others = [other["description"] for other in articles if other["topic"] == article["topic"]]
        others = [other for other in others if other.casefold() != own.casefold()]
        if not others:
            continue
        label = len(found) % 2
        shown = own if label else min(others, key=lambda other: _rank(article["title"] + other))
        question = f"is “{shown}” a description of {article['title']}"
        found.append({"passage": _text(article), "question": question, "label": label})
    return _test(found[:YES_NO])


def titles(**_: Any) -> dict[str, Dataset]:
    """Which title fits a description, see :func:`cayley_adapters.questions.encyclopedia.encyclopedia_questions`."""
    asked = spread(encyclopedia_questions(encyclopedia()).items, TITLES)
    return _test({"question": item.question, "choices": list(item.choices), "answer": item.answer} for item in asked)


def sums(**_: Any) -> dict[str, Dataset]:
    """Sums of two numbers, at most 99, each pair once; and others for examples, where such are asked for."""
    pairs = [(a, b) for a in range(1, LARGEST_SUM) for b in range(1, LARGEST_SUM + 1 - a)]
    pairs.sort(key=lambda pair: _rank(f"{pair[0]}+{pair[1]}"))
    rows = [{"first": a, "second": b, "sum": str(a + b)} for a, b in pairs]
    return _test(rows[:SUMS]) | {"train": _dataset(rows[SUMS : SUMS + 20])}


DOCUMENTS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "encyclopedia_words": words,
    "encyclopedia_last_word": last_word,
    "encyclopedia_yes_no": yes_no,
    "encyclopedia_titles": titles,
    "sums_of_two": sums,
}
"""Name of each embedded task → what makes its documents."""


def _articles() -> list[dict[str, str]]:
    """Test articles, in an order of their own."""
    return sorted(encyclopedia()["test"], key=lambda article: _rank(article["title"]))


def _text(article: Mapping[str, str]) -> str:
    return " ".join(article["extract"].split())


def _rank(text: str) -> bytes:
    return hashlib.sha256(f"benchmark|{text}".encode()).digest()


def _test(rows: Iterable[Mapping[str, Any]]) -> dict[str, Dataset]:
    return {"test": _dataset(rows)}


def _dataset(rows: Iterable[Mapping[str, Any]]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list(list(rows))
