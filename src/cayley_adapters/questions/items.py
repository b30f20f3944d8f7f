"""Questions as versioned data: what one is, how it is put to a model, and the file that holds a set of them."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import write_file
from cayley_adapters.core.reading import damaged, load_json

__all__ = ["LETTERS", "Item", "QuestionSet", "load_set", "prompted", "save_set", "spread"]

LETTERS = string.ascii_uppercase


class Item(BaseModel):
    """One question.

    Attributes:
        id: unique within its set.
        topic: what it is about; may be empty.
        question: its text.
        choices: two to 26 different texts.
        answer: index of the right one.
        prompt: what the model reads, empty until :func:`prompted`.
        continuations: what it is scored on, choice for choice; empty until :func:`prompted`.
        lengths: characters of each choice as it is scored, for ``acc_norm``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    topic: str
    question: str
    choices: tuple[str, ...]
    answer: int
    prompt: str = ""
    continuations: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()


@dataclass(frozen=True)
class QuestionSet:
    """A set of questions.

    Attributes:
        name: what tables call it.
        source: where it comes from, in words.
        licence: of the texts, as far as it is known.
        items: the questions.
    """

    name: str
    source: str
    licence: str
    items: tuple[Item, ...]

    @property
    def version(self) -> str:
        """Twelve hex digits that change with any question, choice or answer, but not with how they are put."""
        put = {"prompt", "continuations", "lengths"}
        return hashlib.sha256(_lines([item.model_dump(exclude=put) for item in self.items])).hexdigest()[:12]

    def with_items(self, items: Sequence[Item]) -> QuestionSet:
        """The same set with other questions."""
        return replace(self, items=tuple(items))


def prompted(item: Item, form: str) -> Item:
    """Put a question to a model in one of two forms; each continuation is a space and what follows it.

    Args:
        item: the question.
        form: ``cloze`` scores the text of each choice after ``Question: …\\nAnswer:``, as lm-evaluation-harness puts
            ARC; ``letters`` lists the choices in the prompt and scores their letters, as it puts MMLU.
    """
    if form == "cloze":
        prompt, scored = f"Question: {item.question.strip()}\nAnswer:", item.choices
    else:
        scored = tuple(LETTERS[: len(item.choices)])
        listed = "".join(f"{letter}. {choice}\n" for letter, choice in zip(scored, item.choices, strict=True))
        prompt = f"{item.question.strip()}\n{listed}Answer:"
    continuations = tuple(f" {text}" for text in scored)
    return item.model_copy(
        update={"prompt": prompt, "continuations": continuations, "lengths": tuple(map(len, scored))}
    )


def spread(items: Sequence[Item], limit: int | None) -> tuple[Item, ...]:
    """``limit`` questions spread evenly over a set, so that no subject at its end is left out; all if None."""
    count = len(items) if limit is None else min(limit, len(items))
    return tuple(items[index * len(items) // count] for index in range(count))


def save_set(questions: QuestionSet, items: Path, about: Path, **notes: Any) -> None:
    """Write a set as JSON lines, and beside it what it is: name, version, source, licence, SHA-256 of the lines.

    Args:
        questions: the set.
        items: path of the lines.
        about: path of the description.
        **notes: what else to say there.
    """
    content = _lines([item.model_dump() for item in questions.items])
    description = {
        "name": questions.name,
        "version": questions.version,
        "source": questions.source,
        "licence": questions.licence,
        "questions": len(questions.items),
        "sha256": hashlib.sha256(content).hexdigest(),
        **notes,
    }
    write_file(items, content)
    write_file(about, json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def load_set(items: Path, about: Path) -> tuple[QuestionSet, dict[str, Any]]:
    """Read a set written by :func:`save_set`, and its description.

    Raises:
        CayleyError: the lines are not those that were described.
    """
    description = load_json(about, "sha256", "name", "source", "licence", "format")
    try:
        content = items.read_bytes()
    except OSError as error:
        raise damaged(items, error) from error
    if hashlib.sha256(content).hexdigest() != description["sha256"]:
        raise CayleyError(f"{items} is not what {about} describes; delete both and run the same command again")
    try:
        found = tuple(Item.model_validate_json(line) for line in content.splitlines())
    except ValidationError as error:
        raise damaged(items, error) from error
    return QuestionSet(description["name"], description["source"], description["licence"], found), description


def _lines(records: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
