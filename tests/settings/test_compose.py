"""Composition: presets, values, sweeps, models, and the two ways in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import compose, find_conf_dir, from_snakemake_config, parse_cli, split_overrides

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = REPOSITORY / "conf"


@pytest.fixture
def local_models(tmp_path: Path) -> list[str]:
    """Four folders that look like models; two share their last name."""
    folders = [tmp_path / name for name in ("first", "second", "a/tiny", "b/tiny")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    return [str(folder) for folder in folders]


def message(overrides: str, experiment: str = "ci") -> str:
    with pytest.raises(CayleyError) as caught:
        compose(experiment, split_overrides(overrides))
    return str(caught.value)


def test_quickstart_is_the_default_and_names_the_run() -> None:
    [found] = compose()
    assert (found.run, found.experiment, found.model.name) == ("quickstart", "quickstart", "smollm2_135m")
    assert found.sweep.block_dim == (2, 4, 8)
    assert found.sweep.noise_scale == (0.0, 0.3, 1.0, 3.0, 10.0)
    assert found.evaluate.shots == (8192,)


def test_ci_is_a_tiny_random_model() -> None:
    [found] = compose("ci")
    assert (found.run, found.model.source, found.model.seed, found.data.window) == ("ci", "random", 0, 32)
    assert found.sweep.model_dump() == {
        "block_dim": (2, 4),
        "noise_scale": (0.0, 1.0),
        "compression_ratio": (0.3,),
        "seed": (0,),
    }


@pytest.mark.parametrize(
    "group", ["model", "data", "compress", "train", "transpile", "noise", "evaluate", "sweep", "track"]
)
def test_every_option_of_every_group_composes(group: str, local_models: list[str]) -> None:
    needs = {"hub": ["model.id=a/b", "model.revision=abc"], "local": [f"model.path={local_models[0]}"]}
    needs["gguf"] = [f"model.path={local_models[0]}/config.json"]  # any file: none is read
    texts = [f"{folder}/text.txt" for folder in local_models[:2]]
    for text in texts:
        Path(text).write_text(f"{text} holds more than nine windows of text. " * 600)
    needs["none"] = ["sweep.compression_ratio=0"]
    needs["text"] = [f"data.train={texts[0]}", f"data.test={texts[1]}"]
    options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    assert options
    for option in options:
        assert len(compose("ci", [f"{group}={option}", *needs.get(option, [])])) == 1


def test_hub_entries_are_pinned_to_commits() -> None:
    for found in compose("ci", ["model=smollm2_135m_hub,smollm2_360m,smollm2_1b7,llama31_8b", "data=wikitext2"]):
        for revision in (found.model.revision, found.data.revision):
            assert revision is not None
            assert len(revision) == 40
            assert set(revision) <= set("0123456789abcdef")


def test_an_override_beats_the_experiment_and_a_group_is_replaced_whole() -> None:
    [found] = compose("ci", ["model=smollm2_135m", "train.steps=7", "run=mine"])
    assert (found.model.source, found.train.steps, found.run, found.experiment) == ("embedded", 7, "mine", "ci")


@pytest.mark.parametrize(
    ("override", "key", "expected"),
    [
        ("sweep.block_dim=8,2,4", "sweep.block_dim", [2, 4, 8]),
        ("sweep.block_dim=choice(4,2)", "sweep.block_dim", [2, 4]),
        ("sweep.block_dim=4", "sweep.block_dim", [4]),
        ("sweep.block_dim=[8, 2]", "sweep.block_dim", [2, 8]),
        ("sweep.noise_scale=0,0.03,0.1,0.3,1,2", "sweep.noise_scale", [0.0, 0.03, 0.1, 0.3, 1.0, 2.0]),
        ("sweep.noise_scale=range(0,0.5,0.1)", "sweep.noise_scale", [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("sweep.noise_scale=float(0,1)", "sweep.noise_scale", [0.0, 1.0]),
        ("sweep.noise_scale=-0.0", "sweep.noise_scale", [0.0]),
        ("sweep.seed=range(3)", "sweep.seed", [0, 1, 2]),
        ("sweep.seed=range(4,0,-2)", "sweep.seed", [2, 4]),
        ("sweep.seed=sort(3,1,2,reverse=true)", "sweep.seed", [1, 2, 3]),
        ("sweep.seed=4294967295", "sweep.seed", [4294967295]),
        ("sweep.compression_ratio=0,0.2", "sweep.compression_ratio", [0.0, 0.2]),
        ("train.steps=1e3", "train.steps", 1000),
        ("train.targets=[o_proj,q_proj]", "train.targets", ["q_proj", "o_proj"]),
        ("evaluate.shots=[inf,100]", "evaluate.shots", [100, "inf"]),
        ("evaluate.shots='inf'", "evaluate.shots", ["inf"]),
        ("evaluate.unlimited_shots_block_dims=[]", "evaluate.unlimited_shots_block_dims", []),
        ("noise.layout=best", "noise.layout", "best"),
        ("noise.layout=[5,4,3]", "noise.layout", [5, 4, 3]),
        ("noise.layout=[[5,4],[2,3]]", "noise.layout", [[5, 4], [2, 3]]),
        ("noise=fake_torino", "noise.backend", "FakeTorino"),
        ("noise.backend=FakeSherbrooke", "noise.backend", "FakeSherbrooke"),
        ("run=123", "run", "123"),
        ("run=1e3", "run", "1e3"),
        ("run=true", "run", "true"),
        ("track.entity=2024", "track.entity", "2024"),
    ],
)
def test_values_are_read_and_stored_in_one_form(override: str, key: str, expected: object) -> None:
    [found] = compose("ci", [override])
    assert found.leaf(key) == expected


def test_a_hash_that_looks_like_a_number_stays_text() -> None:
    revision = "1" * 20 + "e" + "2" * 19
    [found] = compose("ci", ["model=hub", "model.id=a/b", f"model.revision={revision}"])
    assert found.model.revision == revision


def test_large_blocks_without_noise() -> None:
    [found] = compose("ci", ["sweep.block_dim=2,64", "sweep.noise_scale=0"])
    assert found.sweep.block_dim == (2, 64)


@pytest.mark.parametrize(
    "models", ["smollm2_135m,llama31_8b", "[smollm2_135m,llama31_8b]", "choice(smollm2_135m,llama31_8b)"]
)
def test_a_swept_model_gives_one_settings_each(models: str) -> None:
    found = compose("ci", [f"model={models}", "train.steps=7"])
    assert [item.model.name for item in found] == ["smollm2_135m", "llama31_8b"]
    assert {item.train.steps for item in found} == {7}


def test_local_models_are_named_after_their_folders(local_models: list[str]) -> None:
    first, second, a_tiny, b_tiny = local_models
    found = compose("ci", ["model=local", f"model.path={first},{second}"])
    assert [(item.model.name, item.model.path) for item in found] == [("first", first), ("second", second)]
    found = compose("ci", ["model=local", f"model.path=[{a_tiny},{b_tiny}]"])
    assert [item.model.name for item in found] == ["a-tiny", "b-tiny"]
    turned = compose("ci", ["model=local", f"model.path={b_tiny},{a_tiny}"])
    assert {item.model.path: item.model.name for item in turned} == {item.model.path: item.model.name for item in found}


def test_local_and_hub_models_beside_listed_ones(local_models: list[str]) -> None:
    found = compose(
        "ci", ["model=smollm2_135m,local,hub", f"model.path={local_models[0]}", "model.id=o/m", "model.revision=r"]
    )
    assert [(item.model.name, item.model.source) for item in found] == [
        ("smollm2_135m", "embedded"),
        ("first", "local"),
        ("o--m", "hub"),
    ]


def test_hub_models_with_their_revisions() -> None:
    found = compose("ci", ["model=hub", "model.id=a/x,b/x", "model.revision=r1,r2"])
    assert [(item.model.name, item.model.revision) for item in found] == [("a--x", "r1"), ("b--x", "r2")]
    found = compose("ci", ["model=hub", "model.id=a/x,b/x", "model.revision=main"])
    assert {item.model.revision for item in found} == {"main"}


def test_a_folder_with_an_odd_name_gets_a_safe_one(tmp_path: Path) -> None:
    folder = tmp_path / ".my model, v2!"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    [found] = compose("ci", ["model=local", f"model.path='{folder}'"])
    assert found.model.name == "my-model-v2"


def test_text_files(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.txt", "b.txt", "c.txt")]
    for path in paths:
        path.write_text(f"{path.name} holds more than nine windows of text. " * 60)
    a, b, c = map(str, paths)
    [found] = compose("ci", ["data=text", f"data.train=[{a},{b}]", f"data.test={c}"])
    assert (found.data.train, found.data.test) == ((a, b), (c,))
    assert "also in data.train" in message(f"data=text data.train={a} data.test={a}")
    found = compose("ci", ["data=text", f"data.train={a},[{a},{b}]", f"data.test={c}"])
    assert [item.data.train for item in found] == [(a,), (a, b)]


@pytest.mark.parametrize("experiment", ["quickstrat", "lever", "../ci", "", "ci.yaml"])
def test_an_unknown_experiment_lists_all(experiment: str) -> None:
    text = message("", experiment)
    assert f"unknown experiment '{experiment}'" in text
    assert "ci, " in text
    assert "quickstart" in text


def test_a_missing_configuration_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(CayleyError, match=r"config\.yaml is not in .*run from the root"):
        compose(conf_dir=tmp_path)
    assert find_conf_dir() == CONF


def test_a_broken_configuration_file_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "ci.yaml").write_text("# @package _global_\nexperiment: [")
    (tmp_path / "config.yaml").write_text("defaults: [_self_, {experiment: ci}]\nrun: ${experiment}")
    with pytest.raises(CayleyError, match=r"the configuration in .* cannot be composed: while parsing .*ci\.yaml"):
        compose("ci", conf_dir=tmp_path)
    (tmp_path / "experiment" / "ci.yaml").write_text("# @package _global_\nexperiment: ci\ndefaults: 3")
    with pytest.raises(CayleyError, match="cannot be composed"):
        compose("ci", conf_dir=tmp_path)


def test_hydra_is_left_as_it_was() -> None:
    compose("ci")
    assert not GlobalHydra.instance().is_initialized()
    message("train.steps=-1")
    assert not GlobalHydra.instance().is_initialized()


def test_parse_cli() -> None:
    assert parse_cli([]) == ("quickstart", [])
    assert parse_cli(["train.steps=4", "experiment=ci", "run=a b"]) == ("ci", ["train.steps=4", "run=a b"])
    with pytest.raises(CayleyError, match=r"given more than once \(ci, levers\)"):
        parse_cli(["experiment=ci", "experiment=levers"])
    with pytest.raises(CayleyError, match=r"train\.steps: is no override; type key=value"):
        parse_cli(["train.steps", "5"])


def test_from_snakemake_config() -> None:
    assert from_snakemake_config({}) == compose()
    [found] = from_snakemake_config({"experiment": "ci", "overrides": "sweep.block_dim=2,8 train.steps=5 run='mine'"})
    assert (found.experiment, found.sweep.block_dim, found.train.steps, found.run) == ("ci", (2, 8), 5, "mine")
    assert from_snakemake_config({"experiment": "ci", "overrides": ""}) == compose("ci")


@pytest.mark.parametrize(
    ("config", "fragments"),
    [
        ({"experimant": "ci"}, ["unknown key 'experimant'", "did you mean 'experiment'?"]),
        (
            {"override": "a=1"},
            ["did you mean 'overrides'?", '--config experiment=quickstart overrides="train.steps=40'],
        ),
        ({"train.steps": 4}, ["inside overrides", '--config overrides="train.steps=4".']),
        (
            {"experiment": "ci", "overrides": "run=mine", "noise": "fake_fez"},
            ["one pair of quotes", '--config experiment=ci overrides="run=mine noise=fake_fez".'],
        ),
        ({"overrides": {"data.train={a": "1}"}}, ["as dict", "two pairs of quotes"]),
        ({"overrides": 4}, ["as int", "two pairs of quotes"]),
        ({"experiment": 4}, ["as int"]),
        ({"experiment": None}, ["where a text is needed"]),
        ({"experiment": ""}, ["unknown experiment ''"]),
        ({"overrides": ["a"]}, ["as list"]),
        ({1: "a"}, ["unknown key '1'"]),
        ({"overrides": "train.steps=[4"}, ["closing ] is missing"]),
    ],
)
def test_a_wrong_snakemake_config_shows_how_to_type_it(config: dict, fragments: list[str]) -> None:
    with pytest.raises(CayleyError) as caught:
        from_snakemake_config(config)
    assert [fragment for fragment in fragments if fragment not in str(caught.value)] == [], str(caught.value)


def test_composing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cayley_adapters.settings import compose; compose('quickstart', ['train.steps=5']); "
        "print([name for name in ('torch', 'pandas', 'numpy', 'snakemake', 'transformers') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_an_edited_file_counts_at_once(tmp_path: Path) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    path = tmp_path / "conf/experiment/ci.yaml"
    assert compose("ci", conf_dir=tmp_path / "conf")[0].train.steps == 3
    path.write_text(path.read_text().replace("steps: 3", "steps: 4"))
    assert compose("ci", ["run=mine"], conf_dir=tmp_path / "conf")[0].train.steps == 4
