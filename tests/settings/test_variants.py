"""Variants of a run: every way to sweep, what each is called, and those that a preset names."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline.jobs import every_job, jobs
from cayley_adapters.pipeline.run import job_from_json
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import Settings, compose, load_settings, split_overrides
from cayley_adapters.settings.levers import LEVERS

CONF = Path(__file__).resolve().parents[2] / "conf"


def composed(overrides: str, experiment: str = "ci") -> list[Settings]:
    return compose(experiment, split_overrides(overrides))


def names(overrides: str, experiment: str = "ci") -> list[str | None]:
    return [item.variant for item in composed(overrides, experiment)]


@pytest.mark.parametrize(
    ("overrides", "key", "expected"),
    [
        ("noise=fake_fez,fake_boston", "noise.backend", {"fake_fez": "FakeFez", "fake_boston": "FakeBoston"}),
        ("noise=[fake_fez,fake_boston]", "noise.backend", {"fake_fez": "FakeFez", "fake_boston": "FakeBoston"}),
        ("compress=whitened_svd,svd", "compress.method", {"whitened_svd": "whitened_svd", "svd": "svd"}),
        ("control=choice(none,lora)", "control.methods", {"none": [], "lora": ["lora"]}),
        ("qpu=twin,ibm", "qpu.service", {"twin": "twin", "ibm": "ibm"}),
        (
            "train.learning_rate=0.01,2e-2",
            "train.learning_rate",
            {"learning_rate0.01": 0.01, "learning_rate0.02": 0.02},
        ),
        ("train.steps=range(10,40,10)", "train.steps", {"steps10": 10, "steps20": 20, "steps30": 30}),
        ("train.steps=1e1,20.0", "train.steps", {"steps10": 10, "steps20": 20}),
        ("train.distillation=range(0,0.3,0.1)", "train.distillation", {f"distillation{x}": x for x in (0, 0.1, 0.2)}),
        (
            "train.targets=[v_proj],['v_proj',o_proj]",
            "train.targets",
            {"targetsv_proj": ["v_proj"], "targetsv_proj+o_proj": ["v_proj", "o_proj"]},
        ),
        ("train.layers=null,[0,1]", "train.layers", {"layersnull": None, "layers0+1": [0, 1]}),
        ("noise.idle=true,false", "noise.idle", {"idletrue": True, "idlefalse": False}),
        ("evaluate.shots=8192,inf", "evaluate.shots", {"shots8192": [8192], "shotsinf": ["inf"]}),
        ("questions.chosen=[],[0]", "questions.chosen", {"chosennone": [], "chosen0": [0]}),
        ("noise.layout=median,[3,4]", "noise.layout", {"layoutmedian": "median", "layout3+4": [3, 4]}),
        (
            "noise.backend=FakeFez,FakeTorino",
            "noise.backend",
            {"backendFakeFez": "FakeFez", "backendFakeTorino": "FakeTorino"},
        ),
    ],
)
def test_any_key_and_group_can_be_swept(overrides: str, key: str, expected: dict[str, object]) -> None:
    assert {item.variant: item.leaf(key) for item in composed(overrides)} == expected


def test_a_text_that_looks_like_a_number_stays_as_typed() -> None:
    found = composed("model=hub model.id=a/b model.revision=1e3,'22e4',true")
    assert [item.model.revision for item in found] == ["1e3", "22e4", "true"]
    assert [item.variant for item in found] == ["revision1e3", "revision22e4", "revisiontrue"]


def test_the_first_key_is_slowest() -> None:
    assert names("noise=fake_fez,fake_boston train.steps=1,2 sweep.block_dim=2,4") == [
        "fake_fez-steps1",
        "fake_fez-steps2",
        "fake_boston-steps1",
        "fake_boston-steps2",
    ]
    assert names("train.steps=1,2 noise=fake_fez,fake_boston")[:2] == ["steps1-fake_fez", "steps1-fake_boston"]


def test_axes_of_the_map_stay_in_one_configuration() -> None:
    [found] = composed(
        "sweep.block_dim=2,4 sweep.noise_scale=0,1,2 sweep.seed=range(3) sweep.compression_ratio=0.1,0.2"
    )
    assert (found.variant, found.title, len(found.sweep.noise_scale), found.sweep.seed) == (None, None, 3, (0, 1, 2))


@pytest.mark.parametrize("overrides", ["train.steps=choice(4)", "noise=[fake_fez]", "train.steps=range(4,5)"])
def test_one_value_is_no_variant(overrides: str) -> None:
    assert names(overrides) == [None]


def test_models_alone_are_named_as_they_are_called_and_come_first() -> None:
    assert names("model=smollm2_135m,llama31_8b") == ["smollm2_135m", "llama31_8b"]
    assert names("train.steps=1,2 model=smollm2_135m,llama31_8b") == [
        "smollm2_135m-steps1",
        "llama31_8b-steps1",
        "smollm2_135m-steps2",
        "llama31_8b-steps2",
    ]
    assert names("model=smollm2_135m,hub model.id=a/b model.revision=r,s") == [
        "smollm2_135m",
        "a--b-revisionr",
        "a--b-revisions",
    ]


def test_names_that_could_be_meant_for_two_are_told_apart() -> None:
    assert names("train.threads=1,2 evaluate.threads=3,4")[0] == "train.threads1-evaluate.threads3"
    assert names("qpu.text='a b','a-b'") != names("qpu.text='a b','a+b'")
    assert names("qpu.text='a b','a+b'") == ["texta-b", "texta+b"]
    for overrides in ("qpu.text='a b','a-b','A-B'", "noise.layout=[[3,4],[7,8]],[3,4,7,8]"):
        found = names(overrides)
        assert len({str(name).lower() for name in found}) == len(found)
        assert all(re.fullmatch(r"[\w+-]+-[0-9a-f]{8}", str(name)) for name in found)
        assert found == names(overrides)


def test_long_names_are_cut() -> None:
    found = names(f"qpu.text='{'long ' * 60}','{'long ' * 60}er' train.steps=1,2")
    assert len(set(found)) == 4
    assert all(len(str(name)) <= 100 for name in found)


OPTIONS = {
    "noise": ["fake_fez", "fake_boston", "fake_torino"],
    "compress": ["svd", "whitened_svd", "mpo", "mpo_plain"],
    "train.steps": ["1", "2", "30"],
    "train.threads": ["1", "2"],
    "evaluate.threads": ["1", "2"],
    "train.targets": ["[v_proj]", "[v_proj,o_proj]"],
    "noise.idle": ["true", "false"],
}
SWEPT = st.fixed_dictionaries(
    {}, optional={key: st.lists(st.sampled_from(some), min_size=1, unique=True) for key, some in OPTIONS.items()}
).flatmap(lambda chosen: st.permutations(list(chosen.items())))


@settings(max_examples=30, deadline=None)
@given(SWEPT.filter(lambda swept: math.prod(len(values) for _, values in swept) <= 24))
def test_there_are_as_many_variants_as_combinations(swept: list[tuple[str, list[str]]]) -> None:
    words = [f"{key}={','.join(values)}" for key, values in swept]
    found = compose("ci", words)
    called = [item.variant for item in found]
    assert len(found) == len(set(called)) == math.prod(len(values) for _, values in swept)
    assert (called == [None]) == (len(found) == 1)
    assert called == [item.variant for item in compose("ci", words)]
    assert len({item.model_dump_json(exclude={"variant"}) for item in found}) == len(found)


def test_the_name_is_the_folder_and_is_kept(tmp_path: Path) -> None:
    found = composed("noise=fake_fez,fake_boston train.targets=[v_proj],[v_proj,o_proj]")
    assert list(variants(found)) == [f"results/ci/{item.variant}" for item in found]
    path = tmp_path / "config.yaml"
    path.write_text(found[3].to_yaml())
    assert load_settings(path) == found[3]
    assert "variant: fake_boston-targetsv_proj+o_proj\n" in path.read_text()
    assert list(variants(composed(""))) == ["results/ci"]


def test_variants_are_what_is_compared() -> None:
    devices = compose("devices")
    [job] = jobs(devices, "compare")
    assert job.base == "results/devices"
    names = ["fake_fez", "fake_marrakesh", "fake_boston"]
    assert job.axes["map"] == [f"results/devices/{name}" for name in names]
    assert [one["name"] for one in job.told["maps"]] == names
    assert job_from_json(job_to_json(job)) == job
    made = {path for one in every_job(devices) for path in one.outputs.values()}
    assert {path for paths in job.inputs.values() for path in paths} < made
    with pytest.raises(CayleyError, match="one map has nothing to be compared with"):
        next(jobs(compose("ci"), "compare"))


def test_levers_go_with_what_is_swept() -> None:
    found = composed("noise=fake_fez,fake_boston levers.names=[characterised]", "levers")
    assert [(item.variant, item.levers.names) for item in found] == [
        ("fake_fez", ("characterised",)),
        ("fake_boston", ("characterised",)),
    ]


def test_devices_are_the_quickstart_on_three_processors() -> None:
    [quickstart], found = compose("quickstart"), compose("devices")
    assert [item.variant for item in found] == ["fake_fez", "fake_marrakesh", "fake_boston"]
    assert [item.title for item in found][1:] == [LEVERS[str(item.variant)].title for item in found[1:]]
    assert len({item.noise.backend for item in found}) == 3
    own = {"run", "experiment", "variant", "title", "noise"}
    assert all(item.model_dump(exclude=own) == quickstart.model_dump(exclude=own) for item in found)


Preset = Callable[[str], Path]


@pytest.fixture
def preset(tmp_path: Path) -> Preset:
    """A folder of configuration files whose preset ``mine`` has what is given under ``variants``."""

    def made(entries: str) -> Path:
        shutil.copytree(CONF, tmp_path / "conf", dirs_exist_ok=True)
        head = "# @package _global_\ndefaults: [ci, _self_]\nexperiment: mine\n"
        (tmp_path / "conf/experiment/mine.yaml").write_text(head + f"variants: {entries}\n")
        return tmp_path / "conf"

    return made


TWO = """
  - {name: few, title: Few steps, overrides: [train.steps=2]}
  - {name: many, overrides: [train.steps=9, noise.idle=false]}"""


def test_a_preset_names_variants(preset: Preset) -> None:
    found = compose("mine", conf_dir=preset(TWO))
    assert [(item.variant, item.title, item.train.steps) for item in found] == [
        ("few", "Few steps", 2),
        ("many", None, 9),
    ]


def test_what_is_swept_is_combined_with_a_preset_s_variants(preset: Preset) -> None:
    found = compose("mine", ["noise=fake_fez,fake_boston", "model=smollm2_135m,llama31_8b"], preset(TWO))
    assert [item.variant for item in found][:3] == [
        "few-smollm2_135m-fake_fez",
        "few-llama31_8b-fake_fez",
        "few-smollm2_135m-fake_boston",
    ]
    assert found[0].title == "Few steps, smollm2_135m, fake_fez"
    assert (len(found), found[-1].variant, found[-1].title) == (8, "many-llama31_8b-fake_boston", None)


def test_what_is_typed_wins_over_a_preset_s_variant(preset: Preset) -> None:
    found = compose("mine", ["train.steps=5"], preset(TWO))
    assert [(item.train.steps, item.noise.idle) for item in found] == [(5, True), (5, False)]
    by_key = "[{name: a, overrides: [noise.backend=FakeFez]}, {name: b, overrides: [train.steps=5]}]"
    found = compose("mine", ["noise=fake_torino"], preset(by_key))
    assert [item.noise.backend for item in found] == ["FakeTorino", "FakeTorino"]


def test_one_named_variant_is_the_run_itself(preset: Preset) -> None:
    [found] = compose("mine", conf_dir=preset("[{name: alone, title: Alone}]"))
    assert (found.variant, found.title) == (None, "Alone")


@pytest.mark.parametrize(
    ("entries", "lines"),
    [
        ("[]", ["experiment=mine: variants=[]: must be a list of one or more {name, title, overrides}"]),
        ("null", ["experiment=mine: variants=null: must be a list"]),
        ("{name: a}", ["experiment=mine: variants={name:a}: must be a list"]),
        ("[a]", ["experiment=mine, variant 1: ", "must be a section of keys and values"]),
        ("[{overrides: []}]", ["experiment=mine, variant 1: name: is missing"]),
        ("[{name: a b}]", ["experiment=mine, variant 1: name=a b: must begin with a letter or digit"]),
        ("[{name: a, titel: x}]", ["experiment=mine, variant 1: unknown key 'titel'; did you mean 'title'?"]),
        ("[{name: a, overrides: x=1}]", ["experiment=mine, variant 1: overrides=x=1: ", "list"]),
        ("[{name: a}, {name: a}]", ["experiment=mine: variants: a is named more than once"]),
        ("[{name: a, overrides: [train.stepz=1]}]", ["experiment=mine, variant a: unknown key 'train.stepz'"]),
        ("[{name: a, overrides: [train.steps]}]", ["experiment=mine, variant a: train.steps: is no override"]),
        ("[{name: a, overrides: ['train.steps=1,2']}]", ["variant a: 'train.steps' has several values", "each"]),
        ("[{name: a, overrides: [run=x]}]", ["variant a: 'run' cannot differ between variants: it names"]),
        ("[{name: a, overrides: [levers=small]}]", ["variant a: 'levers' cannot differ between variants"]),
        ("[{name: a, overrides: [track.mode=online]}]", ["variant a: 'track.mode' cannot differ between variants"]),
        ("[{name: a, overrides: [variant=b]}]", ["variant a: variant=b: ", "not typed"]),
        ("[{name: a, overrides: [train.steps=-1]}, {name: b}]", ["variant a: train.steps=-1: must be"]),
        ("[{name: a}, {name: b}]", ["variants a, b come out as one configuration"]),
    ],
)
def test_a_wrong_entry_is_named(preset: Preset, entries: str, lines: list[str]) -> None:
    with pytest.raises(CayleyError) as caught:
        compose("mine", conf_dir=preset(entries))
    assert [line for line in lines if line not in str(caught.value)] == [], str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_presets_are_not_swept() -> None:
    with pytest.raises(CayleyError, match="experiment=ci,levers: presets cannot be swept"):
        compose("ci,levers")


def test_a_mistake_of_all_variants_is_told_once() -> None:
    with pytest.raises(CayleyError) as caught:
        composed("train.steps=-1 noise=fake_fez,fake_boston evaluate.refine=2,101")
    assert str(caught.value).splitlines() == [
        "train.steps=-1: must be a whole number between 0 and 10000000",
        "variants fake_fez-refine101, fake_boston-refine101: evaluate.refine=101: "
        "must be a whole number between 0 and 100",
    ]
