"""Files of ``conf/`` set keys and values: what asks for objects, the environment or other folders is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import compose, find_conf_dir

SECRET = "a-marker-of-the-environment"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the configuration, and a secret in the environment."""
    monkeypatch.setenv("CAYLEY_SECRET", SECRET)
    shutil.copytree(find_conf_dir(), tmp_path / "conf")
    return tmp_path / "conf"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("text: ${oc.env:CAYLEY_SECRET}", "only references to keys"),
        ("text: 'a ${oc.env:CAYLEY_SECRET} b'", "only references to keys"),
        ("text: ${ oc.env : CAYLEY_SECRET }", "only references to keys"),
        ("text: ${oc.decode:'${oc.env:CAYLEY_SECRET}'}", "only references to keys"),
        ("text: ${oc.create:{a:1}}", "only references to keys"),
        ("text: ${.text}", "only references to keys"),
        ("text: ${oc.env:${run}}", "only references to keys"),
        ("'${oc.env:CAYLEY_SECRET}': 1", "only references to keys"),
        ("text: {_target_: os.system, command: touch hacked}", "'_target_' is not allowed"),
        ("_partial_: true", "'_partial_' is not allowed"),
        ("text: !!python/object/apply:os.system ['touch hacked']", "tag"),
        ("text: !!python/name:os.system", "tag"),
        ("text: !secret x", "tag"),
        ("text: &a [1]\nother: *a", "alias"),
        ("hydra: {searchpath: ['file:///tmp']}", "Hydra's own settings"),
        ("hydra/launcher: basic", "Hydra's own settings"),
        ("defaults: [{override hydra/job_logging: none}]", "Hydra's own settings"),
        ("defaults: [{/hydra/output: x}]", "Hydra's own settings"),
        ("text: " + "[" * 30 + "]" * 30, "nested deeper"),
        ("text: [", "cannot read the configuration"),
        ("text: " + "x" * 100_001, "100000"),
    ],
)
@pytest.mark.parametrize("name", ["experiment/ci.yaml", "model/local.yaml"])
def test_a_configuration_from_a_stranger_is_refused(line: str, reason: str, name: str, conf: Path) -> None:
    path = conf / name
    path.write_text(f"{path.read_text()}\n{line}\n")
    with pytest.raises(CayleyError) as caught:
        compose("ci", conf_dir=conf)
    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)
    assert not list(conf.rglob("hacked"))


def test_a_file_that_is_no_text_is_refused(conf: Path) -> None:
    (conf / "qpu/twin.yaml").write_bytes(b"service: \xff\n")
    with pytest.raises(CayleyError, match=r"cannot read the configuration .*twin\.yaml"):
        compose("ci", conf_dir=conf)


def test_references_to_keys_and_edits_count(conf: Path) -> None:
    assert compose("ci", conf_dir=conf)[0].run == "ci"
    path = conf / "experiment/ci.yaml"
    path.write_text(path.read_text().replace("steps: 3", "steps: 4"))
    assert compose("ci", ["run=mine"], conf_dir=conf)[0].train.steps == 4
    assert compose("ci", ["run=mine"], conf_dir=conf)[0].run == "mine"


@pytest.mark.parametrize(
    "typed",
    [
        r"qpu.text=$\{oc.env\:CAYLEY_SECRET\}",
        r"qpu.text=str($\{oc.env\:CAYLEY_SECRET\})",
        r"questions.path=$\{oc.env\:CAYLEY_SECRET\}",
        r"data.train=[x,[$\{oc.env\:CAYLEY_SECRET\}]]",
        r"model.id=a,$\{oc.env\:CAYLEY_SECRET\}",
        "run=${oc.env:CAYLEY_SECRET}",
    ],
)
def test_an_override_cannot_read_the_environment(typed: str, conf: Path) -> None:
    with pytest.raises(CayleyError, match="interpolation") as caught:
        compose("ci", [typed], conf_dir=conf)
    assert SECRET not in str(caught.value)
