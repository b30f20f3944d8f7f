"""Tables of the answers, and their picture."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.questions.items import Item, QuestionSet, prompted
from cayley_adapters.questions.statistics import compare, wilson
from cayley_adapters.questions.tables import SAMPLE_COLUMNS, TABLE_COLUMNS, Marked, flips, samples, table
from cayley_adapters.report.plots.files import save_figure
from cayley_adapters.report.plots.questions import neighbours, questions_figure

ARMS = ["uncompressed", "compressed", "blocks_exact", "blocks_noise1", "lora"]


@pytest.fixture(scope="module")
def questions():
    items = [
        Item(id=f"q{n}", topic="t", question=f"Number {n}?", choices=("yes", "certainly", "no"), answer=n % 3)
        for n in range(60)
    ]
    return QuestionSet("a set", "made", "none", tuple(prompted(item, "cloze") for item in items))


@pytest.fixture(scope="module")
def arms():
    methods = ["uncompressed", "compressed", "cayley", "cayley", "lora"]
    frame = pd.DataFrame({"arm": ARMS, "method": methods, "model": "a_model", "compression_ratio": [0, *[0.2] * 4]})
    noisy = frame["arm"] == "blocks_noise1"
    return frame.assign(
        block_dim=[np.nan, np.nan, 4, 4, 4],
        noise_scale=[np.nan, np.nan, 0, 1, np.nan],
        readout=np.where(noisy, "sign_constrained", "signed"),
        shots=np.where(noisy, 8192, np.inf),
        adapter_parameters=[0, 0, 51840, 51840, 57600],
        backend=np.where(noisy, "FakeFez", None),
        mitigation=np.where(noisy, "none", None),
    )


@pytest.fixture(scope="module")
def marked(questions):
    generator = np.random.default_rng(0)
    values = np.log(generator.dirichlet(np.ones(3), size=(5, 60)))
    for arm, share in enumerate((0.7, 0.3, 0.5, 0.4, 0.6)):
        for row, item in zip(values[arm], questions.items, strict=True):
            if generator.random() < share:
                row[item.answer] = 0
    return Marked(questions.items, values)


def test_accuracy_of_each_arm(questions, arms, marked):
    found = table(arms, questions, "cloze", marked)
    assert list(found.columns) == TABLE_COLUMNS
    right = marked.log_likelihood.argmax(axis=2) == [item.answer for item in questions.items]
    per_character = marked.log_likelihood / np.array([3, 9, 2])
    right_norm = per_character.argmax(axis=2) == [item.answer for item in questions.items]
    assert found["correct"].tolist() == right.sum(axis=1).tolist()
    assert found["acc_norm"].tolist() == pytest.approx(right_norm.mean(axis=1).tolist())
    assert found.loc[0, ["accuracy_ci95_low", "accuracy_ci95_high"]].tolist() == pytest.approx(
        wilson(int(right[0].sum()), 60)
    )
    assert found["chance"].tolist() == pytest.approx([1 / 3] * 5)
    assert (found["question_set_version"] == questions.version).all()


def test_flips_are_those_that_the_comparisons_count(questions, marked):
    found, counts = flips(ARMS, questions.items, marked), compare(ARMS, marked.right)
    listed = found.groupby(["first", "second", "direction"]).size()
    for row in counts.itertuples():
        assert listed.get((row.first, row.second, "lost"), 0) == row.only_first
        assert listed.get((row.first, row.second, "gained"), 0) == row.only_second
    one = found[(found["first"] == "uncompressed") & (found["direction"] == "lost")].iloc[0]
    item = questions.items[one["number"]]
    assert (one["question"], one["choices"]) == (item.question, "yes | certainly | no")
    assert one["answer_uncompressed"] == one["right_answer"] == item.choices[item.answer]
    assert one[f"answer_{one['second']}"] != one["right_answer"]


def test_samples_hold_shares_and_texts(questions, marked):
    texts = pd.DataFrame(
        [
            {"arm": arm, "number": 7, "temperature": t, "draw": d, "text": [" Certainly not", None][d]}
            for arm in ARMS
            for t in (0.5, 2.0)
            for d in (0, 1)
        ]
    )
    found = samples(ARMS, questions.items, marked, [7], [0.5, 2.0], 1000, texts)
    assert list(found.columns) == SAMPLE_COLUMNS
    assert len(found) == 5 * 2 * (3 + 2)
    choices = found[found["kind"] == "choice"]
    assert choices.groupby(["arm", "temperature"])["share"].sum().tolist() == pytest.approx([1] * 10)
    assert choices.groupby(["arm", "temperature"])["right"].sum().tolist() == [1] * 10
    assert (choices["share"] - choices["probability"]).abs().max() < 0.06
    assert found[found["kind"] == "text"]["right"].tolist() == [True, False] * 10


def test_neighbours_lead_along_the_noise(arms):
    assert neighbours(arms) == [
        ("uncompressed", "compressed"),
        ("compressed", "blocks_exact"),
        ("compressed", "lora"),
        ("blocks_exact", "lora"),
        ("blocks_exact", "blocks_noise1"),
    ]
    assert neighbours(arms[:3]) == [("uncompressed", "compressed"), ("compressed", "blocks_exact")]


@pytest.mark.parametrize("count", [3, 5])
def test_the_picture_says_what_was_asked_and_how(questions, arms, marked, tmp_path, count):
    part = Marked(questions.items, marked.log_likelihood[:count])
    accuracy = table(arms[:count], questions, "cloze", part)
    figure = questions_figure(accuracy, compare(ARMS[:count], part.right))
    left, right = figure.axes
    assert [tick.get_text().split("\n")[0] for tick in left.get_yticklabels()] == [
        *("uncompressed", "compressed", "blocks d = 4, exact", "blocks d = 4, λ = 1", "LoRA")
    ][:count]
    assert len(right.get_yticklabels()) == {3: 2, 5: 5}[count]
    note = " ".join(text.get_text() for text in figure.texts)
    for piece in (f"60 questions of a set (version {questions.version}", "compression ratio 0.2", "Holm"):
        assert piece in note
    assert ("8,192 shots" in note) == (count == 5)
    for name in ("a", "b"):
        save_figure(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
