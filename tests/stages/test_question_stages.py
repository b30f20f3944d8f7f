"""The stages of the questions on the tiny model, from the set to the tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose

OVERRIDES = ["sweep.block_dim=4", "control.methods=[lora]", "train.steps=2", "questions.noise_scale=[0,1]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder where everything before the questions is done."""
    folder = tmp_path_factory.mktemp("questions")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(compose("ci", OVERRIDES))
    return folder


def prepare(settings):
    """Make what the questions are put to, where it is not there."""
    for stage in ("prepare", "compress", "teacher", "train", "control", "transpile"):
        for job in jobs(settings, stage):
            if not all(path.exists() for path in job.outputs.values()):
                run_job(job)


@pytest.fixture
def ask(folder, monkeypatch):
    """Run the stages of the questions with further overrides, and return the files of the last."""
    monkeypatch.chdir(folder)

    def run(*overrides, stages=("question_set", "answer_questions", "questions")):
        keys = {override.partition("=")[0]: override for override in (*OVERRIDES, *overrides)}
        settings = compose("ci", [*keys.values()])
        prepare(settings)
        for stage in stages:
            (job,) = jobs(settings, stage)
            run_job(job)
        return job.outputs

    return run


def test_every_arm_answers_every_question(ask):
    outputs = ask()
    table = pd.read_csv(outputs["table"]).set_index("arm")
    arms = ["uncompressed", "compressed", "blocks_exact", "blocks_noise0", "blocks_noise1", "lora"]
    assert table.index.tolist() == arms
    assert (table["questions"] == 12).all()
    assert table["shots"].tolist() == [np.inf, np.inf, np.inf, 8192, 8192, np.inf]
    assert table["compression_ratio"].tolist() == [0, *[0.3] * 5]
    assert table["adapter_parameters"].tolist() == [0, 0, 192, 192, 192, 224]
    assert table.loc["blocks_noise1", ["readout", "backend", "block_dim"]].tolist() == [
        "sign_constrained",
        "FakeFez",
        4,
    ]
    assert len(pd.read_csv(outputs["comparisons"])) == 15
    samples = pd.read_csv(outputs["samples"])
    assert set(samples["number"]) == {0, 1}
    assert set(samples["temperature"]) == {0.5, 1, 2}
    assert samples.groupby(["arm", "number", "temperature", "kind"]).size().unique().tolist() == [4, 2]
    assert outputs["questions_png"].stat().st_size > 10_000


def test_no_model_is_loaded_twice(ask, monkeypatch):
    from cayley_adapters.stages import answer_questions

    loaded = []
    for name in ("base_model", "load_compressed"):
        load = getattr(answer_questions, name)
        monkeypatch.setattr(answer_questions, name, lambda path, load=load: loaded.append(path) or load(path))
    texts = pd.read_csv(ask(stages=("question_set", "answer_questions"))["texts"])
    assert set(texts["arm"]) == {"uncompressed", "compressed", "blocks_exact", "blocks_noise0", "blocks_noise1", "lora"}
    assert len(loaded) == 2


def test_the_same_configuration_gives_the_same_bytes(ask):
    first = {name: path.read_bytes() for name, path in ask().items()}
    assert {name: path.read_bytes() for name, path in ask().items()} == first


def test_arms_that_cannot_answer_are_left_out_with_a_word(ask, capsys):
    outputs = ask("control.methods=[]", "questions.noise_scale=[]", "questions.chosen=[]", "questions.sampled=0")
    assert pd.read_csv(outputs["table"])["arm"].tolist() == ["uncompressed", "compressed", "blocks_exact"]
    assert "lora is left out: none is trained that matches d = 4" in capsys.readouterr().err
    assert len(pd.read_csv(outputs["samples"])) == 0


def test_blocks_without_circuits_do_not_pretend_to_noise(ask, capsys):
    overrides = ("transpile.synthesis=none", "sweep.noise_scale=0", "run=none")
    table = pd.read_csv(ask(*overrides)["table"])
    assert table["arm"].tolist() == ["uncompressed", "compressed", "blocks_exact", "blocks_noise0", "lora"]
    assert "blocks_noise1 is left out" in capsys.readouterr().err


def test_ones_own_questions_as_letters(ask, tmp_path):
    rows = [{"question": f"{n}?", "choices": ["a", "b", "c"][: 2 + n % 2], "answer": "A"} for n in range(9)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    own = ("questions=jsonl", f"questions.path={tmp_path}/mine.jsonl", "questions.format=letters")
    table = pd.read_csv(ask(*own)["table"])
    assert (table[["question_set", "format", "questions"]].iloc[0] == ["mine", "letters", 9]).all()
    assert table["chance"].iloc[0] == pytest.approx((5 / 2 + 4 / 3) / 9)


def test_questions_about_calibration_text_are_left_out(ask, folder, capsys):
    from cayley_adapters.models.texts import encyclopedia
    from cayley_adapters.questions.items import load_set

    wide = ("data.calibration_windows=6000", "questions.limit=null")
    outputs = ask(*wide, stages=("question_set",))
    assert "questions are left out: data.calibration_windows=6000" in capsys.readouterr().err
    questions, about = load_set(outputs["questions"], outputs["about"])
    read = [article["title"] for article in encyclopedia()["calibration"]][:300]
    assert 0 < len(questions.items) == about["whole_set"]["questions"] < 1103
    assert not {choice for item in questions.items for choice in item.choices}.intersection(read)


MODELS = ["uncompressed", "ratio0.3", "ratio0.3-d4-exact", "ratio0.3-d4-noise1", "ratio0.3-lora-d4"]
BENCHMARKS = ("ask_benchmarks", "benchmarks")


def test_every_model_is_put_to_the_embedded_benchmarks(ask, folder, monkeypatch):
    from lm_eval.models.huggingface import HFLM

    from cayley_adapters.questions.benchmarks.documents import DOCUMENTS

    outputs = ask("benchmarks.limit=2", stages=BENCHMARKS)
    table = pd.read_csv(outputs["table"])
    assert set(table["task"]) == set(DOCUMENTS)
    assert table.groupby(["task", "metric"])["arm"].apply(list).map(lambda arms: arms == MODELS).all()
    assert (table["documents"] == 2).all()
    noisy = table[table["arm"] == "ratio0.3-d4-noise1"].iloc[0]
    assert noisy[["executor", "noise_scale", "shots", "readout", "backend", "block_dim"]].tolist() == [
        *("noisy", 1, 8192, "sign_constrained", "FakeFez", 4)
    ]
    results = json.loads((outputs["table"].parent / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    for row in table.itertuples():
        assert results[row.arm]["results"][row.task][f"{row.metric},{row.filter}"] == pytest.approx(row.value)
    pairs = pd.read_csv(outputs["comparisons"])
    assert (pairs["comparisons"] == len(pairs)).all()
    assert outputs["benchmarks_png"].stat().st_size > 10_000
    scored = pd.read_csv(outputs["table"].parent / "benchmarks" / "scores.csv")
    right = scored[scored["metric"] == "acc"].groupby(["arm", "task"])["score"].mean()
    for row in table[table["metric"] == "acc"].itertuples():
        assert right[row.arm, row.task] == pytest.approx(row.value)
    # Other tasks, and one document less: nothing is left to be asked of any model.
    for name in ("_model_call", "_model_generate"):
        monkeypatch.setattr(HFLM, name, None)
    fewer = pd.read_csv(ask("benchmarks.limit=1", "benchmarks.tasks=[sums_of_two]", stages=BENCHMARKS)["table"])
    assert fewer["arm"].tolist() == MODELS
    assert set(fewer["task"]) == {"sums_of_two"}


def test_chosen_documents_are_answered_many_times(ask):
    from cayley_adapters.questions.benchmarks.documents import YES_NO

    few = ("benchmarks.limit=1", "benchmarks.tasks=[sums_of_two,encyclopedia_yes_no]", "benchmarks.draws=4")
    again = ("benchmarks.chosen=[sums_of_two:3,encyclopedia_yes_no:2]", "benchmarks.temperatures=[0.5,100]")
    path = ask(*few, *again, stages=BENCHMARKS)["table"]
    first = path.read_bytes()
    table = pd.read_csv(path)
    drawn = table[table["metric"] == "resampled"]
    assert len(drawn) == len(MODELS) * 2 * 2
    assert set(zip(drawn["task"], drawn["number"], strict=True)) == {("sums_of_two", 3), ("encyclopedia_yes_no", 2)}
    assert set(drawn["temperature"]) == {0.5, 100}
    assert (drawn["draws"] == 4).all()
    assert ((drawn["value"] * 4) % 1 == 0).all()
    assert drawn["value"].between(drawn["value_ci95_low"] - 1e-9, drawn["value_ci95_high"] + 1e-9).all()
    assert ask(*few, *again, stages=BENCHMARKS)["table"].read_bytes() == first
    with pytest.raises(CayleyError, match=rf"encyclopedia_yes_no has {YES_NO} documents, 0 to {YES_NO - 1}"):
        ask(*few, f"benchmarks.chosen=[encyclopedia_yes_no:{YES_NO}]", stages=BENCHMARKS)
    with pytest.raises(CayleyError, match="encyclopedia_titles is not among"):
        ask(*few, "benchmarks.chosen=[encyclopedia_titles:0]", stages=BENCHMARKS)


def test_a_number_that_is_no_question(ask):
    with pytest.raises(CayleyError, match=r"questions\.chosen=\[12\]: questions\.limit=12 asks 0 to 11"):
        ask("questions.chosen=[0,12]", stages=("question_set",))
