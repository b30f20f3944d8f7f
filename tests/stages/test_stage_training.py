"""Training stages: a job that was cut off goes on, and one whose inputs have changed starts anew."""

from __future__ import annotations

import json
import shutil

import pytest
from cutting import steps_of

from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose
from cayley_adapters.stages import training

OVERRIDES = [
    *("train.steps=6", "train.validate_every=2", "train.layers=[1]", "sweep.block_dim=4"),
    *("control.methods=[lora]", "evaluate.windows=2"),
]


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The configuration of a tiny run, in a folder where everything before training is done."""
    monkeypatch.chdir(tmp_path)
    found = compose("ci", OVERRIDES)
    for stage in ("prepare", "compress", "teacher"):
        for job in jobs(found, stage):
            run_job(job)
    return found


@pytest.mark.parametrize("stage", ["train", "control"])
def test_a_cut_off_job_goes_on_to_the_same_files(settings, monkeypatch, tmp_path, stage):
    job, *_ = jobs(settings, stage)
    folder = job.outputs["adapter"].parent
    assert steps_of(job, training, monkeypatch) == [1, 2, 3, 4, 5, 6]
    shutil.move(folder, tmp_path / "whole")
    assert steps_of(job, training, monkeypatch, cut_at=5) == [1, 2, 3, 4, 5]
    assert steps_of(job, training, monkeypatch) == [5, 6]
    for path in sorted((tmp_path / "whole").iterdir()):
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert not [path for path in (tmp_path / job.base).glob("checkpoints/**/*") if path.is_file()]


@pytest.mark.parametrize(("stage", "methods"), [("train", "lora"), ("control", "lora"), ("control", "ia3")])
def test_an_adapters_configuration_has_one_order(settings, stage, methods):
    """PEFT keeps names in sets: whether two processes write the same bytes would be left to Python's hashes."""
    names = ["v_proj", "o_proj", "k_proj", "q_proj"]
    given = [text for text in OVERRIDES if not text.startswith(("train.layers", "control"))]
    overrides = [*given, f"train.targets=[{','.join(names)}]", f"control.methods=[{methods}]"]
    job, *_ = jobs(compose("ci", overrides), stage)
    run_job(job)
    written = json.loads(job.outputs["adapter_config"].read_text())["target_modules"]
    assert written == sorted(names)


def test_a_changed_input_starts_anew(settings, monkeypatch):
    job, *_ = jobs(settings, "train")
    steps_of(job, training, monkeypatch, cut_at=5)
    other, *_ = jobs(compose("ci", [*OVERRIDES, "train.learning_rate=0.03"]), "train")
    assert steps_of(other, training, monkeypatch, cut_at=3) == [1, 2, 3]
    steps_of(job, training, monkeypatch, cut_at=5)
    targets = job.inputs["targets"][0]
    (teacher,) = jobs(compose("ci", [*OVERRIDES, "train.distillation_top_k=7"]), "teacher")
    run_job(teacher)
    shutil.copy(teacher.outputs["targets"], targets)
    assert steps_of(job, training, monkeypatch) == [1, 2, 3, 4, 5, 6]


def test_nothing_is_asked_of_a_teacher_that_teaches_nothing(settings, monkeypatch):
    found = compose("ci", [*OVERRIDES, "train.distillation=0"])
    (teacher,), (job, *_) = jobs(found, "teacher"), jobs(found, "train")
    run_job(teacher)
    assert teacher.outputs["targets"].stat().st_size < 200
    assert steps_of(job, training, monkeypatch) == [1, 2, 3, 4, 5, 6]
    history = job.outputs["history"].read_text().splitlines()
    first = dict(zip(history[0].split(","), history[2].split(","), strict=True))
    assert first["loss"] == first["cross_entropy"]


def test_blocks_in_upper_layers_are_evaluated_from_cached_states(settings):
    from cayley_adapters.core.tables import read_table

    for stage in ("train", "transpile", "baseline", "evaluate"):
        for job in jobs(settings, stage):
            run_job(job)
    job, *_ = jobs(settings, "evaluate")
    cells = read_table(job.outputs["cells"])
    assert set(cells["layers"].astype(str)) == {"1"}
    assert cells["adapter_parameters"].iloc[0] == 2 * 32 // 4 * 6
    assert list(job.inputs["compressed"][0].parent.glob("hidden/layer1-*.safetensors"))


def test_a_layer_that_is_not_there_is_named(settings, monkeypatch):
    from cayley_adapters.core.errors import CayleyError

    for stage in ("train", "control"):
        overrides = ["train.layers=[1,7]" if "layers" in item else item for item in OVERRIDES]
        job = next(jobs(compose("ci", overrides), stage))
        with pytest.raises(CayleyError, match=r"train\.layers=\[7\]: the model has 2 layers, 0 to 1"):
            run_job(job)
