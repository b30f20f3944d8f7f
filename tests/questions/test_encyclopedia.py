"""The embedded set: held out, unambiguous, and the same on every machine."""

from __future__ import annotations

import pytest

from cayley_adapters.models.texts import encyclopedia
from cayley_adapters.questions.encyclopedia import CALIBRATED_ON, encyclopedia_questions, names


@pytest.fixture(scope="module")
def parts():
    return encyclopedia()


@pytest.fixture(scope="module")
def questions(parts):
    return encyclopedia_questions(parts)


def test_it_is_the_set_that_results_were_made_with(questions):
    assert (len(questions.items), questions.version) == (1103, "6ea681c2b79c")


def test_no_choice_is_an_article_of_the_training_text(parts, questions):
    trained = {article["title"] for article in parts["train"]}
    calibrated = {article["title"] for article in parts["calibration"][:CALIBRATED_ON]}
    for item in questions.items:
        assert not trained.intersection(item.choices)
        assert not calibrated.intersection(item.choices)


def test_choices_are_of_one_topic_and_fit_one_description_only(parts, questions):
    articles = {article["title"]: article for part in ("test", "calibration") for article in parts[part]}
    for item in questions.items:
        found = [articles[title] for title in item.choices]
        assert len(found) == 4
        assert {article["topic"] for article in found} == {item.topic}
        assert len({article["description"].casefold() for article in found}) == 4
        description = articles[item.choices[item.answer]]["description"]
        assert item.id == item.choices[item.answer]
        assert description in item.question
        assert len(description.split()) >= 3
        assert not any(names(description, title) for title in item.choices)
    assert len({item.id for item in questions.items}) == len(questions.items)
    places = [sum(item.answer == place for item in questions.items) / len(questions.items) for place in range(4)]
    assert all(abs(share - 0.25) < 0.05 for share in places)


@pytest.mark.parametrize(
    ("description", "title", "expected"),
    [
        ("Capital of Bangladesh", "Bangladesh", True),
        ("Chemical element with atomic number 25 (Mn)", "Manganese", False),
        ("Fruit with outer shell protecting kernel", "Nut (fruit)", True),
        ("Polish anthropologist", "Bronisław Malinowski", False),
        ("People of Brasilia", "Brasília", True),
        ("Ideology of political order", "Green politics", True),
        ("King of the Franks", "The Battle of Hastings", False),
    ],
)
def test_a_title_in_its_description(description, title, expected):
    assert names(description, title) is expected


def test_two_articles_of_one_description_are_both_left_out():
    def article(title, description):
        return {"title": title, "description": description, "topic": "Things", "extract": "text"}

    several = [
        article(f"Thing {word}", f"One of {word} kinds") for word in ("amber", "brass", "cedar", "denim", "ebony")
    ]
    twins = [article("Left", "A kind of twin"), article("Right", "a kind of  Twin.")]
    loose = [article("Short", "Two words"), {**article("Lost", "Of no known topic"), "topic": "Uncategorized"}]
    found = encyclopedia_questions({"test": [*several, *twins, *loose], "calibration": [], "train": []})
    assert not {"Left", "Right", "Short", "Lost"} & {choice for item in found.items for choice in item.choices}
