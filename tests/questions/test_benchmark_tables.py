"""Benchmarks as tables: intervals, paired comparisons and flips of scores that are made up."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from cayley_adapters.questions.benchmarks.asking import DOCUMENT_COLUMNS, SCORE_COLUMNS
from cayley_adapters.questions.benchmarks.comparisons import compared_pairs, flips, intervals, pairs_of
from cayley_adapters.questions.benchmarks.documents import DOCUMENTS
from cayley_adapters.questions.benchmarks.tables import OF_A_MODEL, benchmark_table
from cayley_adapters.questions.statistics import wilson
from cayley_adapters.report.plots.benchmarks import benchmarks_figure, model_labels, shown_metrics

ARMS = ["uncompressed", "ratio0.2", "ratio0.2-d4-exact", "ratio0.2-d4-noise1", "ratio0.2-lora-d4"]


@pytest.fixture(scope="module")
def models() -> pd.DataFrame:
    rows = pd.DataFrame(index=range(5), columns=OF_A_MODEL)
    rows["arm"], rows["model"], rows["noise_scale"] = ARMS, "smollm2_135m", [0, 0, 0, 1, 0]
    rows["method"] = ["uncompressed", "compressed", "cayley", "cayley", "lora"]
    rows["compression_ratio"], rows["block_dim"] = [0, 0.2, 0.2, 0.2, 0.2], [np.nan, np.nan, 4, 4, 4]
    rows["executor"] = ["exact", "exact", "exact", "noisy", "exact"]
    return rows


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    """Sixty documents of choices, and twenty texts whose words each model but the first loses half a nat on."""
    rng = np.random.default_rng(0)
    rows = []
    for place, arm in enumerate(ARMS):
        right = (np.arange(60) % 6 < 5 - place).astype(float)
        rows += [[arm, "yes_no", "none", n, "acc", right[n], np.nan, "yes" if right[n] else "no"] for n in range(60)]
        for n in range(20):
            words = 30.0 + n
            loss = 3 * words + 0.5 * words * (place > 0) + rng.normal() * (place > 1)
            rows.append([arm, "words", "none", n, "word_perplexity", -loss, words, None])
            rows.append([arm, "words", "none", n, "bits_per_byte", -loss, 5 * words, None])
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def results(scores: pd.DataFrame) -> dict:
    """As the harness has them."""
    found = {}
    for arm, part in scores.groupby("arm"):
        words = part[part["metric"] == "word_perplexity"]
        found[arm] = {
            "results": {
                "yes_no": {"acc,none": part[part["metric"] == "acc"]["score"].mean(), "acc_stderr,none": 0.05},
                "words": {
                    "word_perplexity,none": math.exp(-words["score"].sum() / words["weight"].sum()),
                    "word_perplexity_stderr,none": "N/A",
                    "alias": "words",
                },
            },
            "groups": {"all": {"acc,none": 0.6, "acc_stderr,none": 0.1}},
            "versions": {"yes_no": 1.0, "words": 2.0},
            "n-shot": {"yes_no": 0, "words": 0},
            "n-samples": {"yes_no": {"effective": 60}, "words": {"effective": 20}},
            "higher_is_better": {"yes_no": {"acc": True}, "words": {"word_perplexity": False}},
            "chance": {"yes_no": 0.5},
        }
    return found


def test_each_model_is_compared_with_what_it_was_made_of(models):
    assert pairs_of(models) == [
        ("uncompressed", "ratio0.2"),
        ("ratio0.2", "ratio0.2-d4-exact"),
        ("ratio0.2", "ratio0.2-d4-noise1"),
        ("ratio0.2-d4-exact", "ratio0.2-d4-noise1"),
        ("ratio0.2", "ratio0.2-lora-d4"),
        ("ratio0.2-d4-exact", "ratio0.2-lora-d4"),
    ]


def test_right_answers_are_tested_by_mcnemar_and_all_else_by_a_bootstrap(models, scores):
    pairs = pairs_of(models)
    table = compared_pairs(pairs, scores).set_index(["task", "metric", "first", "second"])
    assert len(table) == 12  # bits a byte are the same sums once more
    assert (table["comparisons"] == 12).all()
    first = table.loc[("yes_no", "acc", "uncompressed", "ratio0.2")]
    assert first[["both_right", "only_first", "only_second", "both_wrong"]].tolist() == [40, 10, 0, 10]
    assert first["p"] == pytest.approx(binomtest(0, 10).pvalue)
    assert first["difference"] == pytest.approx(-10 / 60)
    assert first["difference_ci95_low"] < -10 / 60 < first["difference_ci95_high"] < 0
    words = table.loc[("words", "word_perplexity", "uncompressed", "ratio0.2")]
    assert words["difference"] == pytest.approx(-0.5)
    assert (words["difference_ci95_low"], words["difference_ci95_high"]) == pytest.approx((-0.5, -0.5))
    assert words["p"] < 0.001
    same = table.loc[("words", "word_perplexity", "ratio0.2", "ratio0.2-d4-exact")]
    assert same["difference_ci95_low"] < 0 < same["difference_ci95_high"]
    assert same["p"] > 0.05
    assert (table["p_holm"] >= table["p"]).all()
    few = compared_pairs(pairs, scores[scores["number"] < 3]).set_index(["task", "metric", "first", "second"])
    assert few.loc[("words", "word_perplexity", "uncompressed", "ratio0.2"), "p"] == 0.25


def test_flips_are_the_documents_of_the_comparison(models, scores):
    documents = pd.DataFrame([["yes_no", n, f"is it {n}", "yes"] for n in range(60)], columns=DOCUMENT_COLUMNS)
    pairs = pairs_of(models)
    table = compared_pairs(pairs, scores[scores["task"] == "yes_no"]).set_index(["first", "second"])
    changed = flips(pairs, scores[scores["task"] == "yes_no"], documents)
    for pair, part in changed.groupby(["first", "second"]):
        assert (part["direction"] == "lost").sum() == table.loc[pair, "only_first"]
        assert (part["direction"] == "gained").sum() == table.loc[pair, "only_second"]
    lost = changed.iloc[0]
    assert lost[["question", "right_answer", "answer_first", "answer_second"]].tolist() == [
        *(f"is it {lost['number']}", "yes", "yes", "no")
    ]


def test_values_are_the_harness_own_and_lie_in_their_intervals(models, scores):
    found = intervals(scores)
    assert found["uncompressed", "yes_no", "acc", "none"] == pytest.approx(wilson(50, 60))
    table = benchmark_table(models, results(scores), scores)
    assert table.groupby(["task", "metric"])["arm"].apply(list).map(ARMS.__eq__).all()
    assert table["value"].between(table["value_ci95_low"] - 1e-9, table["value_ci95_high"] + 1e-9).all()
    group = table[table["task"] == "all"].iloc[0]
    assert group["value_ci95_high"] - group["value"] == pytest.approx(0.196, abs=1e-3)
    assert set(table[table["task"] == "yes_no"]["chance"]) == {0.5}


def test_the_picture_has_a_panel_for_each_task_that_was_asked_for(models, scores):
    table = benchmark_table(models, results(scores), scores)
    assert shown_metrics(table, ["words", "yes_no", "not there"]) == [
        ("words", "word_perplexity", "none"),
        ("yes_no", "acc", "none"),
    ]
    figure = benchmarks_figure(table, ["words", "yes_no"])
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == [
        *("uncompressed", "ratio 0.2", "ratio 0.2, blocks d = 4, exact", "ratio 0.2, blocks d = 4, λ = 1"),
        "ratio 0.2, LoRA",
    ]
    assert any(line.get_linestyle() == "--" and line.get_xdata()[0] == 0.5 for line in second.get_lines())


def test_models_that_differ_in_shots_or_readout_alone_have_names_of_their_own(models):
    noisy = models[models["executor"] == "noisy"].assign(shots=1024.0, readout="sign_constrained")
    several = pd.concat([noisy, noisy.assign(shots=8192.0), noisy.assign(readout="ideal_sign")])
    assert model_labels(several) == [
        "ratio 0.2, blocks d = 4, λ = 1, 1,024 shots, sign_constrained",
        "ratio 0.2, blocks d = 4, λ = 1, 8,192 shots, sign_constrained",
        "ratio 0.2, blocks d = 4, λ = 1, 1,024 shots, ideal_sign",
    ]
    assert model_labels(noisy) == ["ratio 0.2, blocks d = 4, λ = 1"]


def test_the_page_says_how_many_documents_each_embedded_task_has():
    page = (Path(__file__).parents[2] / "docs" / "howto" / "benchmarks.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| (\d+) \|", page, re.M))
    assert told == {name: str(len(make()["test"])) for name, make in DOCUMENTS.items()}
