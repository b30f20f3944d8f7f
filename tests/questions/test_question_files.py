"""The user's own questions: what is read, and what a wrong line is answered with."""

from __future__ import annotations

import json

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.questions.files import read_csv, read_jsonl

GOOD = {"question": "Which?", "choices": ["one", "two"], "answer": "B"}


def test_json_lines(tmp_path):
    path = tmp_path / "mine.jsonl"
    others = [
        {**GOOD, "answer": 0, "id": "first", "topic": "sums", "note": "ignored"},
        {**GOOD, "choices": [1, 2.5, 3]},
    ]
    path.write_text("\n".join(["\ufeff" + json.dumps(GOOD), "", *map(json.dumps, others)]), encoding="utf-8")
    questions = read_jsonl(path)
    assert (questions.name, questions.source) == ("mine", "mine.jsonl")
    assert [one.answer for one in questions.items] == [1, 0, 1]
    assert [one.id for one in questions.items] == ["line 1", "first", "line 4"]
    assert questions.items[2].choices == ("1", "2.5", "3")
    assert questions.items[1].topic == "sums"


def test_csv_as_mmlu_is_distributed(tmp_path):
    path = tmp_path / "anatomy_test.csv"
    path.write_text('"A lesion, of\nthe nerve",a,"b ""x""",c,d,C\nplain,1,2,3,4,A\n', encoding="utf-8")
    first, second = read_csv(path).items
    assert first.question == "A lesion, of\nthe nerve"
    assert first.choices == ("a", 'b "x"', "c", "d")
    assert (first.answer, second.answer) == (2, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "line 2: no JSON"),
        ("[1, 2]", r"line 2: found \[1, 2\]; allowed: .*question"),
        ('{"question": "x"}', "line 2: found"),
        (json.dumps({**GOOD, "choices": "one two"}), "line 2: choices are"),
        (json.dumps({**GOOD, "choices": ["one"]}), "two to 26 different ones"),
        (json.dumps({**GOOD, "choices": ["one", " one "]}), "two to 26 different ones"),
        (json.dumps({**GOOD, "choices": ["one", None]}), "something that is no text"),
        (json.dumps({**GOOD, "choices": ["one", ""]}), "an empty question or choice"),
        (json.dumps({**GOOD, "question": "x" * 20_001}), "a text of 20001 characters; allowed: at most 20000"),
        (json.dumps({**GOOD, "answer": "C"}), 'line 2: the answer "C"; allowed: 0 to 1 or A to B$'),
        (json.dumps({**GOOD, "answer": 2}), "the answer 2"),
        (json.dumps({**GOOD, "answer": True}), "the answer true"),
        (json.dumps({**GOOD, "answer": "AB"}), 'the answer "AB"'),
        (json.dumps({**GOOD, "id": "line 1"}), "is there twice"),
        ("[" * 100_000, "line 2: no JSON"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line, encoding="utf-8")
    with pytest.raises(CayleyError, match=message):
        read_jsonl(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question,A,B,C,D,answer\nplain,1,2,3,4,A\n", "line 1: the answer .*if the line holds headings, delete it"),
        ("plain,1,2,3,4,A\nplain,1,2,3,A\n", "line 2: found 5 columns; allowed: question,A,B,C,D"),
        ('plain,1,2,3,4,A\n"open,1,2,3,4,A\n', "no CSV"),
        ("\n\n", "has no question"),
    ],
)
def test_a_wrong_csv_is_named(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    with pytest.raises(CayleyError, match=message):
        read_csv(tmp_path / "x.csv")


def test_unreadable_files(tmp_path, monkeypatch):
    with pytest.raises(CayleyError, match=r"cannot read .*No such file"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"caf\xe9,1,2,3,4,A\n")
    with pytest.raises(CayleyError, match="not UTF-8"):
        read_csv(tmp_path / "x.csv")
    monkeypatch.setattr("cayley_adapters.questions.files.LARGEST_FILE", 3)
    with pytest.raises(CayleyError, match="larger than"):
        read_csv(tmp_path / "x.csv")
