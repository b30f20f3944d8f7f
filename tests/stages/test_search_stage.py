"""Step sizes that are chosen: by validation, with as many trials for each method, and handed to the trainings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import read_table
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose

SEARCHED = ["train.learning_rate=null", "control.lora_learning_rate=null", "control.ia3_learning_rate=null"]
SMALL = ["sweep.block_dim=4", "control.methods=[lora,ia3]", "data=text", "data.train=train.txt", "data.test=test.txt"]


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """What chooses step sizes on a little text, and gives the configuration with more overrides."""
    monkeypatch.chdir(tmp_path)
    words = np.random.default_rng(0).choice(["a", "block", "of", "circuits", "turns", "the", "slice"], 1200)
    for name, part in (("train", words[:1000]), ("test", words[1000:])):
        (tmp_path / f"{name}.txt").write_text(" ".join(part))

    def made(*overrides):
        found = compose("ci", [*SMALL, *SEARCHED, *overrides])
        for stage in ("prepare", "teacher", "compress", "search", "search_control"):
            for job in jobs(found, stage):
                run_job(job)
        return found

    return made


def test_the_best_of_as_many_trials_is_taken_and_an_end_is_told(searched):
    settings = searched("search.learning_rate=[1e-9,0.04]", "search.lora_learning_rate=[0.005,0.015]",
                        "search.ia3_learning_rate=[0.005,0.015]")  # fmt: skip
    for stage, training in (("search", "train"), ("search_control", "control")):
        for job in jobs(settings, stage):
            trials = read_table(job.outputs["trials"])
            chosen = trials[trials["chosen"]]
            assert (len(trials), len(chosen)) == (2, 1)
            assert chosen["validation"].iloc[0] == trials["validation"].min()
            assert chosen["at_end"].iloc[0]
            taken = json.loads(job.outputs["rate"].read_text())
            assert taken == {"learning_rate": chosen["learning_rate"].iloc[0], "trials": 2}
        reads = {path for job in jobs(settings, training) for path in job.inputs["rate"]}
        assert reads >= {job.outputs["rate"] for job in jobs(settings, stage)}  # the processor's adapter has its own
    (job, *_) = jobs(settings, "search")
    assert json.loads(job.outputs["rate"].read_text())["learning_rate"] == 0.04  # 1e-9 learns nothing
    (train, *_) = jobs(settings, "train")
    run_job(train)
    assert read_table(train.outputs["history"])["learning_rate"].max() == pytest.approx(0.04 / 4)


def test_a_diverging_step_size_is_a_trial_that_failed(searched):
    wide = [f"search.{name}=[0.01,10]" for name in ("learning_rate", "lora_learning_rate", "ia3_learning_rate")]
    settings = searched(*wide, "search.steps=3", "train.max_grad_norm=1e9")
    for job in jobs(settings, "search_control"):
        trials = read_table(job.outputs["trials"])
        assert trials["validation"].iloc[0] < trials["validation"].iloc[1]


def test_nothing_is_searched_where_all_is_given():
    settings = compose("ci")
    assert all(not job.inputs.get("rate") for stage in ("train", "control") for job in jobs(settings, stage))


@pytest.mark.parametrize(
    ("experiment", "overrides", "message"),
    [
        (
            "ci",
            ["train.learning_rate=null", "train.validation_windows=0"],
            r"train\.validation_windows=0",
        ),
        ("ci", [*SEARCHED, "search.learning_rate=[0.1]"], "as many step sizes"),
        ("levers", ["train.learning_rate=null"], "levers scale a step size"),
    ],
)
def test_what_cannot_be_searched_is_refused(experiment, overrides, message):
    with pytest.raises(CayleyError, match=message):
        compose(experiment, overrides)
