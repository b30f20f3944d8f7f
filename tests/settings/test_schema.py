"""The schema: frozen, complete, written and read back without a change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import Settings, compose, fields, load_settings, validate


@pytest.fixture(scope="module")
def ci() -> Settings:
    return compose("ci")[0]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["evaluate.shots=[8192,inf]", "compress.ridge=1e-07", "sweep.seed=0,4294967295"],
        ["run=1e3", "noise.layout=[7,6,5]", "track.entity=null"],
        ["run=on", "model.name=null-model", "noise.backend=0x10"],
        ["model=hub", "model.id=a/b", "model.revision=12345678"],
        ["data=wikitext2", "sweep.noise_scale=0", "sweep.block_dim=64"],
    ],
)
def test_frozen_configuration_is_read_back_equal(overrides: list[str], tmp_path: Path) -> None:
    [settings] = compose("ci", overrides)
    path = tmp_path / "config.yaml"
    path.write_text(settings.to_yaml(), encoding="utf-8")
    again = load_settings(path)
    assert again == settings
    assert again.to_yaml() == settings.to_yaml()


def test_yaml_writes_unlimited_shots_as_inf_and_lists_on_one_line() -> None:
    [settings] = compose("ci", ["evaluate.shots=[inf,8192]"])
    assert "  shots: [8192, inf]\n" in settings.to_yaml()
    assert yaml.safe_load(settings.to_yaml())["evaluate"]["shots"] == [8192, "inf"]


def test_a_frozen_configuration_needs_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    [settings] = compose("ci", ["model=local", f"model.path='{tmp_path}'"])
    (tmp_path / "config.json").unlink()
    path = tmp_path / "config.yaml"
    path.write_text(settings.to_yaml())
    assert load_settings(path) == settings


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "is not a configuration"),
        ("- a", "is not a configuration"),
        ("a: [", "cannot read the configuration"),
        ("run: x", "train: is missing"),
        ("!!python/object/apply:os.system [id]", "cannot read the configuration"),
        ("run: !!timestamp x", "tags or aliases"),
        ("run: &a [*a]", "tags or aliases"),
        ("run: " + "[" * 5000, "cannot read the configuration"),
        ("run: " + "[" * 200 + "]" * 200, "run="),
    ],
)
def test_a_wrong_frozen_configuration_is_a_plain_error(text: str, fragment: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(CayleyError, match=fragment):
        load_settings(path)
    with pytest.raises(CayleyError, match="cannot read the configuration"):
        load_settings(tmp_path / "none.yaml")


def test_unknown_missing_and_misshapen_keys(ci: Settings) -> None:
    raw = ci.model_dump(mode="json")
    raw["train"]["stepz"] = raw["train"].pop("steps")
    raw["track"] = 3
    with pytest.raises(CayleyError) as caught:
        validate(raw)
    lines = str(caught.value).splitlines()
    assert "train.steps: is missing" in lines
    assert "unknown key 'train.stepz'; did you mean 'train.steps'?" in lines
    assert "track=3: must be a section of keys and values" in lines


def test_settings_are_frozen(ci: Settings) -> None:
    with pytest.raises(ValidationError):
        ci.train.steps = 4
    with pytest.raises(ValidationError):
        ci.run = "other"


def test_leaves_are_plain_json(ci: Settings) -> None:
    assert ci.leaf("train.steps") == 3
    leaves = ci.leaves("train.steps", "sweep.block_dim", "model")
    assert leaves == {
        "train.steps": 3,
        "sweep.block_dim": [2, 4],
        "model": {
            "name": "tiny_random",
            "source": "random",
            "id": None,
            "revision": None,
            "path": None,
            "seed": 0,
            "dtype": "float32",
            "agree": False,
        },
    }
    assert json.loads(json.dumps(leaves)) == leaves
    for wrong in ("train.stepz", "train.steps.x", "", "trains"):
        with pytest.raises(CayleyError, match="unknown key"):
            ci.leaf(wrong)


def test_every_field_has_a_description_and_bounds_reach_the_json_schema() -> None:
    assert [key for key, field in fields().items() if not field.description] == []
    definitions = Settings.model_json_schema()["$defs"]
    steps, rate = definitions["Train"]["properties"]["steps"], definitions["Heal"]["properties"]["learning_rate"]
    assert (steps["minimum"], steps["maximum"]) == (0, 10_000_000)
    assert (rate["exclusiveMinimum"], rate["maximum"]) == (0, 10)


def test_a_noise_axis_starts_at_zero():
    with pytest.raises(CayleyError, match="costs are counted from noise scale 0"):
        compose("quickstart", ["sweep.noise_scale=0.1,1"])
    with pytest.raises(CayleyError, match="no noise axis to refine"):
        compose("quickstart", ["sweep.noise_scale=0", "evaluate.refine=2"])
