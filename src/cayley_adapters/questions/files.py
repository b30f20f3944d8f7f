"""Question sets of the user's own: JSON lines, or CSV as MMLU is distributed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.questions.items import LETTERS, Item, QuestionSet

__all__ = ["read_csv", "read_jsonl"]

LARGEST_FILE = 200_000_000
LONGEST_TEXT = 20_000
JSONL = '{"question": "…", "choices": ["…", "…"], "answer": 0}, where answer is an index from 0, or a letter from A'
CSV = "question,A,B,C,D,letter of the right one, without a line of headings"
KEY = "questions.path"


def read_jsonl(path: Path) -> QuestionSet:
    """Read one object a line, with ``question``, ``choices``, ``answer`` and perhaps ``id`` and ``topic``.

    Raises:
        CayleyError: the file cannot be read, or a line is none such; it names the line.
    """

    def records(lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _wrong(path, number, f"no JSON ({error})", JSONL) from error
            if not isinstance(record, dict) or not {"question", "choices", "answer"} <= set(record):
                raise _wrong(path, number, f"found {_cut(record)}", JSONL)
            if not isinstance(record["choices"], list):
                raise _wrong(path, number, f"choices are {_cut(record['choices'])}", JSONL)
            yield number, record

    return _read(path, records, JSONL)


def read_csv(path: Path) -> QuestionSet:
    """Read six columns without headings: the question, four choices, and the letter of the right one.

    Raises:
        CayleyError: the file cannot be read, or a line is none such; it names the line.
    """

    def records(lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        reader = csv.reader(lines, strict=True)
        try:
            for row in reader:
                if not row:
                    continue
                if len(row) != 6:
                    raise _wrong(path, reader.line_num, f"found {len(row)} columns", CSV)
                yield reader.line_num, {"question": row[0], "choices": row[1:5], "answer": row[5].strip()}
        except csv.Error as error:
            raise _wrong(path, reader.line_num, f"no CSV ({error})", CSV) from error

    return _read(path, records, CSV)


def _read(
    path: Path, records: Callable[[Iterator[str]], Iterator[tuple[int, dict[str, Any]]]], allowed: str
) -> QuestionSet:
    items, ids = [], set()
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CayleyError(
                f"{KEY}: {path} is larger than {LARGEST_FILE // 1_000_000} MB; split it into several sets"
            )
        with path.open(encoding="utf-8-sig", newline="") as lines:
            for number, record in records(lines):
                item = _item(path, number, record, allowed)
                if item.id in ids:
                    raise _wrong(path, number, f"the id {_cut(item.id)} is there twice", "an id of its own, or none")
                ids.add(item.id)
                items.append(item)
    except UnicodeDecodeError as error:
        raise CayleyError(f"{KEY}: {path} is not UTF-8 text; convert it, e.g. with iconv") from error
    except OSError as error:
        raise CayleyError(f"{KEY}: cannot read {path}: {error.strerror}") from error
    if not items:
        raise CayleyError(f"{KEY}: {path} has no question; allowed: {allowed}")
    return QuestionSet(path.stem, path.name, "the user's own", tuple(items))


def _item(path: Path, number: int, record: dict[str, Any], allowed: str) -> Item:
    texts = [record["question"], *record["choices"], *(record.get(key, "") for key in ("id", "topic"))]
    if not all(isinstance(text, str | int | float) and not isinstance(text, bool) for text in texts):
        raise _wrong(path, number, "something that is no text among the question and its choices", allowed)
    try:
        "".join(map(str, texts)).encode()
    except UnicodeEncodeError:
        raise _wrong(path, number, "half of a character (a lone surrogate)", "text that UTF-8 can hold") from None
    if longest := next((text for text in map(str, texts) if len(text) > LONGEST_TEXT), None):
        raise _wrong(path, number, f"a text of {len(longest)} characters", f"at most {LONGEST_TEXT}")
    question, choices = str(record["question"]).strip(), tuple(str(choice).strip() for choice in record["choices"])
    if not question or not all(choices):
        raise _wrong(path, number, "an empty question or choice", allowed)
    if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) < len(choices):
        raise _wrong(path, number, f"choices {_cut(record['choices'])}", f"two to {len(LETTERS)} different ones")
    letters, given = LETTERS[: len(choices)], record["answer"]
    if isinstance(given, str) and len(given) == 1 and given.upper() in letters:
        answer = letters.index(given.upper())
    elif isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(choices):
        answer = given
    else:
        heading = "; if the line holds headings, delete it" if number == 1 else ""
        places = f"0 to {len(choices) - 1} or {letters[0]} to {letters[-1]}{heading}"
        raise _wrong(path, number, f"the answer {_cut(given)}", places)
    return Item(
        id=str(record.get("id", f"line {number}")),
        topic=str(record.get("topic", "")),
        question=question,
        choices=choices,
        answer=answer,
    )


def _wrong(path: Path, number: int, found: str, allowed: str) -> CayleyError:
    return CayleyError(f"{KEY}: {path}, line {number}: {found}; allowed: {allowed}")


def _cut(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 80 else f"{text[:77]}..."
