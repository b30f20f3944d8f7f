"""Questions as data: prompts, versions, files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.questions.items import Item, QuestionSet, load_set, prompted, save_set, spread


def item(number: int = 0, **changes) -> Item:
    return Item(
        **{"id": f"q{number}", "topic": "", "question": " Which? ", "choices": ("one", "three", "é"), "answer": 1}
        | changes
    )


def test_cloze_scores_the_choices_texts():
    put = prompted(item(), "cloze")
    assert put.prompt == "Question: Which?\nAnswer:"
    assert put.continuations == (" one", " three", " é")
    assert put.lengths == (3, 5, 1)


def test_letters_are_put_as_the_harness_puts_mmlu():
    put = prompted(item(choices=("w", "x", "y", "z")), "letters")
    assert put.prompt == "Which?\nA. w\nB. x\nC. y\nD. z\nAnswer:"
    assert put.continuations == (" A", " B", " C", " D")


def test_the_version_follows_the_content_and_not_the_form():
    questions = QuestionSet("a", "b", "c", (item(0), item(1)))
    assert questions.with_items([prompted(one, "cloze") for one in questions.items]).version == questions.version
    for changed in (item(1, answer=0), item(1, question="What?"), item(1, choices=("one", "two", "é"))):
        assert questions.with_items([item(0), changed]).version != questions.version
    assert questions.with_items([item(1), item(0)]).version != questions.version


def test_a_set_is_read_back_and_says_what_it_is(tmp_path):
    questions = QuestionSet("a", "b", "CC BY-SA", (prompted(item(0, question="line\nbreak  “x”"), "cloze"), item(1)))
    save_set(questions, tmp_path / "items.jsonl", tmp_path / "set.json", format="cloze")
    again, about = load_set(tmp_path / "items.jsonl", tmp_path / "set.json")
    assert again == questions
    assert about["version"] == questions.version
    assert (about["questions"], about["licence"], about["format"]) == (2, "CC BY-SA", "cloze")
    lines = (tmp_path / "items.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0])["question"] == "line\nbreak  “x”"
    (tmp_path / "items.jsonl").write_text("\n".join(lines[1:]), encoding="utf-8")
    with pytest.raises(CayleyError, match="is not what"):
        load_set(tmp_path / "items.jsonl", tmp_path / "set.json")


@given(st.integers(1, 200), st.none() | st.integers(1, 300))
def test_a_part_of_a_set_is_spread_over_it(total, limit):
    chosen = [int(one.id[1:]) for one in spread([item(number) for number in range(total)], limit)]
    assert len(chosen) == min(limit or total, total)
    gaps = [after - before for before, after in zip(chosen, [*chosen[1:], total], strict=True)]
    assert chosen[0] == 0
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1
