"""Healing in the plan: nowhere unless it is asked for, and then below all that reads a compressed model."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from windows import windows_of

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import job_to_json
from cayley_adapters.models.corpus import healing_windows, training_windows
from cayley_adapters.models.windows import save_windows
from cayley_adapters.pipeline.command import run_stage
from cayley_adapters.pipeline.costs import planned_jobs
from cayley_adapters.pipeline.jobs import every_job
from cayley_adapters.pipeline.run import job_from_json
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import compose

HEALED = "heal.steps=100"


def texts(*overrides, experiment="quickstart"):
    """Every job but that which freezes the configuration, as a workflow is given it."""
    return {job_to_json(job) for job in every_job(compose(experiment, overrides)) if job.stage != "configure"}


def stages_of(*overrides, experiment="quickstart"):
    return [job for job in every_job(compose(experiment, overrides)) if STAGES[job.stage].stored]


def test_nothing_is_healed_and_no_key_of_it_counts_unless_it_is_asked_for():
    assert not any("heal" in text for text in texts())
    others = ["weights=lora", "rank=3", "batch_windows=7", "learning_rate=0.5", "temperature=2", "seed=5", "threads=2"]
    assert texts() == texts(*(f"heal.{other}" for other in others))


def test_a_healed_model_takes_the_compressed_ones_place():
    jobs = stages_of(HEALED, experiment="levers")
    plain = {job.stage for job in jobs if any("/compress/" in str(path) for path in all_inputs(job))}
    healed = {job.stage for job in jobs if any("/heal/" in str(path) for path in all_inputs(job))}
    readers = {name for name, stage in STAGES.items() if stage.stored and "compressed" in stage.inputs}
    assert plain == {"heal"}
    assert healed == readers - {"heal", "search"}  # levers are given the step size of their blocks
    for job in jobs:
        assert job_from_json(job_to_json(job)) == job


def all_inputs(job):
    return [path for paths in job.inputs.values() for path in paths]


def test_one_healing_serves_all_that_do_not_change_it():
    """Levers train otherwise, and their controls not at all: none of that makes another healed model."""
    healed = {job.base for job in stages_of(HEALED, experiment="levers") if job.stage == "heal"}
    assert len(healed) == 1
    swept = stages_of(HEALED, "train.steps=20,40", "train.targets=[v_proj],[o_proj]", "heal.rank=3")
    assert len({job.base for job in swept if job.stage == "heal"}) == 1
    assert {job.base for job in stages_of(HEALED) if job.stage == "heal"} == {
        job.base for job in swept if job.stage == "heal"
    }


def test_steps_of_healing_are_variants_that_share_what_they_can():
    settings = compose(overrides=["heal.steps=0,100"])
    assert [item.variant for item in settings] == ["steps0", "steps100"]
    jobs = [job for job in every_job(settings) if STAGES[job.stage].stored]
    for stage in ("prepare", "compress", "reference"):
        assert len({job.base for job in jobs if job.stage == stage}) == 1, stage
    assert len({job.base for job in jobs if job.stage == "baseline"}) == 2
    assert sum(job.stage == "heal" for job in jobs) == 2  # a job for each ratio, all of one variant


def test_what_is_healed_is_planned_before_its_readers_and_costs_more_the_longer_it_takes():
    def healing(*overrides):
        plan = planned_jobs(compose(overrides=overrides), done=True)
        return [(index, item) for index, item in enumerate(plan) if item.job.stage == "heal"]

    plan = planned_jobs(compose(overrides=[HEALED]), done=True)
    assert all("heal" in {plan[i].job.stage for i in item.after} for item in plan if item.job.stage == "train")
    (_, short), *_ = healing(HEALED)
    (_, long), *_ = healing("heal.steps=1000")
    (_, alone), *_ = healing(HEALED, "heal.distillation=0", "heal.cross_entropy=1")
    (_, adapters), *_ = healing(HEALED, "heal.weights=lora")
    assert 5 < long.cost.cpu_seconds / short.cost.cpu_seconds < 11
    assert alone.cost.memory_mb < short.cost.memory_mb
    assert adapters.cost.cpu_seconds < short.cost.cpu_seconds
    assert adapters.cost.memory_mb < short.cost.memory_mb
    assert healing() == []


@pytest.mark.parametrize(
    ("windows", "validation", "healing", "training"),
    [*itertools.product([4, 9, 50], [0, 1, 3], [1, 5, 1000], [0, 4, 1000])],
)
def test_no_window_is_both_healed_on_and_trained_on_or_validates(tmp_path, windows, validation, healing, training):
    numbers = np.arange(windows, dtype=np.int32)[:, None].repeat(8, axis=1)
    path = tmp_path / "tokens.safetensors"
    save_windows({"train": windows_of(numbers)}, path)
    if windows - max(validation, 1) < 2:
        with pytest.raises(CayleyError, match=r"heal\.steps: the training text has"):
            healing_windows(path, healing, validation)
        return
    found, healed = healing_windows(path, healing, validation)
    text, train = training_windows(path, training, validation, healing)
    tokens, trained = found.tokens, text.tokens
    assert 1 <= healed <= healing
    assert train >= 1
    assert not set(tokens[:healed, 0]) & set(trained[:, 0])
    assert set(tokens[healed:, 0]) == set(trained[train:, 0]) == set(range(windows - validation, windows))
    # Text is left alone where there is enough of it: neither asks for less because of the other.
    if healing + max(training, 1) + max(validation, 1) <= windows and healing <= 0.75 * (windows - validation) - 1:
        assert (healed, train) == (healing, max(training, 1))


def test_healing_none_is_said_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CayleyError, match=r"heal\.steps=0; type .*heal\.steps=100"):
        run_stage("heal", compose("ci"), [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["heal.distillation=0"], r"heal\.distillation=0 heal\.cross_entropy=0: nothing is left to train for"),
        (["heal.temperature=0"], r"heal\.temperature=0: must be a number"),
        (["heal.weights=some"], r"heal\.weights=some: must be one of all, lora"),
        (["heal.step=4"], r"unknown key 'heal\.step'.*heal\.steps"),
    ],
)
def test_mistakes_are_answered_with_what_to_type(overrides, said):
    with pytest.raises(CayleyError, match=said):
        compose(overrides=overrides)
