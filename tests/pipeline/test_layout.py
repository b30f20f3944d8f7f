"""The table of stages: complete, one way, and each stage blind to what it does not name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import job_to_json, manifest_columns
from cayley_adapters.pipeline.jobs import jobs, make_job
from cayley_adapters.pipeline.paths import CELL
from cayley_adapters.pipeline.run import job_from_json
from cayley_adapters.pipeline.table import STAGES, maker_of
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import compose


def test_every_input_is_made_by_an_earlier_stage():
    made: set[str] = set()
    for name, stage in STAGES.items():
        chosen = {"{device}": "qpu", "{comparison}": "", "{arm}": f"{{base}}/evaluations/{CELL}", "{map}": "{base}"}
        chosen |= {
            "{rates}": "rates",
            "{tried}": "rates",
            "{prepared}": "{base}",
            "{plain}": "{base}/baselines/{ratio}/compressed",
        }
        for pattern in stage.inputs.values():
            for wildcard, folder in chosen.items():
                pattern = pattern.replace(wildcard, folder)
            # Two stages read a variant of what they or later ones make: a ranking, and exact circuits.
            if "{ranking}" not in pattern and "{exact}" not in pattern:
                assert pattern in made, name
            assert maker_of(pattern) in STAGES
        assert not set(stage.outputs.values()) & made, name
        made |= set(stage.outputs.values())


def test_every_leaf_is_read_by_some_stage():
    from cayley_adapters.settings import fields

    read = {leaf for stage in STAGES.values() for leaf in stage.leaves}
    unread = {key for key in fields() if not any(key == leaf or key.startswith(f"{leaf}.") for leaf in read)}
    # These axes choose the cells.
    assert unread == {
        "control.block_dims",
        "benchmarks.block_dim",
        "benchmarks.compression_ratio",
        "control.methods",
        "levers.names",
        "levers.size",
        "levers.budget",
        "replace",
        "store",
        "questions.block_dim",
        "questions.compression_ratio",
        "sweep.block_dim",
        "sweep.compression_ratio",
        "sweep.seed",
        "title",
        "variant",
    }


def test_jobs_and_paths_of_the_default():
    settings = compose()
    assert len(list(jobs(settings, "train"))) == 6 + 1  # with that for the processor
    job = next(jobs(settings, "train"))
    assert job.label == "train ratio0 d2 seed0"
    path = job.outputs["adapter"].as_posix()
    assert re.fullmatch(
        r"results/store/train/smollm2_135m-[0-9a-f]{12}/adapters/ratio0/d2/seed0/adapter_model.safetensors", path
    )
    (aggregate,) = jobs(settings, "aggregate")
    assert len(aggregate.inputs["cells"]) == 6
    for stage in STAGES:
        for one in jobs(settings, stage) if stage != "compare" else ():
            assert job_from_json(job_to_json(one)) == one
    assert manifest_columns("ratio0.1/d4/seed7") == {"compression_ratio": "0.1", "block_dim": "4", "seed": "7"}


def test_a_further_cell_leaves_the_other_jobs_as_they_were():
    before = {job_to_json(job) for stage in ("compress", "train", "evaluate") for job in jobs(compose(), stage)}
    wider = compose(overrides=["sweep.block_dim=2,4,8,16", "sweep.noise_scale=0"])
    train = {job_to_json(job) for job in jobs(wider, "train")}
    assert {text for text in before if '"stage": "train"' in text} < train


def test_a_control_reads_one_step_size():
    def texts(*overrides):
        return {job.label: job_to_json(job) for job in jobs(compose("ci", overrides), "control")}

    before = texts()
    for overrides, changed in (
        (["control.lora_learning_rate=0.5"], {"lora-d4"}),
        (["control.ia3_learning_rate=0.5"], {"ia3"}),
        (["train.learning_rate=0.5"], {"oft-d4", "boft-d4"}),
    ):
        after = texts(*overrides)
        assert {label.split()[2] for label in before if before[label] != after[label]} == changed


def asked(*overrides):
    (job,) = jobs(compose(overrides=overrides), "answer_questions")
    return job


def test_benchmarks_are_put_to_chosen_cells():
    def asked_of(*overrides):
        (job,) = jobs(compose(overrides=overrides), "ask_benchmarks")
        return job

    assert asked_of().axes == {
        "ratio": ["ratio0", "ratio0.2"],
        "block": ["d4"],
        "control": ["lora-d4"],
        "seed": ["seed0"],
    }
    chosen = asked_of("benchmarks.block_dim=[2,8]", "benchmarks.compression_ratio=0.2", "sweep.seed=1,2")
    assert chosen.axes == {"ratio": ["ratio0.2"], "block": ["d2", "d8"], "control": [], "seed": ["seed1"]}
    assert len(chosen.inputs["adapter"]) == len(chosen.inputs["angles"]) == 2
    with pytest.raises(CayleyError, match=r"benchmarks\.block_dim=\[16\]: the sweep has no such model"):
        compose(overrides=["benchmarks.block_dim=16"])


def test_questions_are_put_to_one_cell():
    job = asked()
    assert job.axes == {"ratio": ["ratio0.2"], "block": ["d4"], "control": ["lora-d4"], "seed": ["seed0"]}
    assert all(len(paths) == 1 for paths in job.inputs.values())
    assert asked("sweep.seed=1,2", "sweep.block_dim=2,8", "sweep.compression_ratio=0,0.3,0.2").axes == {
        "ratio": ["ratio0.2"],
        "block": ["d2"],
        "control": [],  # LoRA is trained to match d = 4 alone
        "seed": ["seed1"],
    }
    chosen = asked("questions.block_dim=8", "questions.compression_ratio=0", "control.block_dims=[4,8]")
    assert [folders[0] for folders in chosen.axes.values()] == ["ratio0", "d8", "lora-d8", "seed0"]
    assert asked("control=none").inputs["control"] == []
    assert asked("compress=none", "sweep.compression_ratio=0", "evaluate.uncompressed_noise=true").axes["ratio"] == [
        "ratio0"
    ]


def test_a_swept_model_adds_a_level():
    settings = compose(overrides=["model=smollm2_135m,llama31_8b"])
    assert list(variants(settings)) == ["results/quickstart/smollm2_135m", "results/quickstart/llama31_8b"]


def test_unknown_stage():
    with pytest.raises(CayleyError, match="unknown stage 'trian'; known: configure, prepare"):
        list(jobs(compose(), "trian"))


def test_patterns_have_known_wildcards_only():
    for stage in STAGES.values():
        for pattern in stage.outputs.values():
            assert set(re.findall(r"{(\w+)}", pattern)) == {"base", *stage.wildcards}


def test_the_cell_of_a_processor_is_one_and_its_model_the_maps_or_its_own():
    [settings] = compose("quickstart", ["sweep.seed=3,4"])
    [plan] = jobs([settings], "qpu_plan")
    [job] = [job for job in jobs([settings], "train") if plan.inputs["adapter"] == [job.outputs["adapter"]]]
    assert job.cell == {"ratio": "ratio0.2", "block": "d4", "seed": "seed3"}
    assert job.leaves["train"]["targets"] == list(settings.qpu.targets)
    assert job.base != next(jobs([settings], "train")).base
    [settings] = compose(
        "quickstart", ["qpu.targets=null", "qpu.layers=null", "qpu.mode=characterise", "qpu.block_dim=8"]
    )
    [plan] = jobs([settings], "qpu_plan")
    [path] = plan.inputs["adapter"]
    assert len(list(jobs([settings], "train"))) == 6
    assert path in [job.outputs["adapter"] for job in jobs([settings], "train")]
    assert "d8" in path.parts


def test_what_was_measured_is_gathered_once_it_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [settings] = compose("ci")
    [job] = jobs([settings], "aggregate")
    assert job.inputs["device"] == []
    assert make_job("aggregate", variants([settings])["results/ci"], {}, device=True).inputs["device"] == [
        Path("results/ci/qpu/cells.csv")
    ]
    for name in ("cells", "inference", "modes"):
        path = Path("results/ci/qpu", f"{name}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    [job] = jobs([settings], "aggregate")
    assert job.inputs["device"] == [Path("results/ci/qpu/cells.csv")]
