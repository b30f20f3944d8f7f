"""Results of another configuration are not overwritten, unless one asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.replacing import claim, replaces, require_same
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import compose


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A results folder of the ci experiment."""
    monkeypatch.chdir(tmp_path)
    claim(found())
    for name in ("phase_diagram.csv", "report.html", "qpu/counts.safetensors", "qpu/cells.csv", "notes.txt"):
        path = tmp_path / "results/ci" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "results/ci/adapters").mkdir()
    return tmp_path / "results/ci"


def found(*overrides):
    return list(variants(compose("ci", overrides)).values())


def test_the_same_again_goes_on(there):
    require_same(found())
    require_same(found("track.mode=disabled"))
    require_same(found("model.agree=true"))
    require_same(found("run=other", "train.steps=9"))


def test_another_configuration_is_told_with_its_keys_and_two_ways_out(there):
    (there.parent / "ci-2").mkdir()
    with pytest.raises(CayleyError) as caught:
        require_same(found("train.steps=9", "noise=fake_boston"))
    lines = str(caught.value).splitlines()
    assert lines[0] == "results/ci holds results of another configuration:"
    assert "  train.steps: 3 there, 9 asked for" in lines
    assert "  noise.backend: FakeFez there, FakeBoston asked for" in lines
    assert lines[-2].endswith("run=ci-3")
    assert lines[-1].endswith("replace=true")


def test_many_differences_are_counted(there):
    changes = ("steps=9", "warmup=0.1", "batch_windows=2", "schedule=cosine", "max_grad_norm=2", "validate_every=1")
    with pytest.raises(CayleyError, match="and 2 more"):
        require_same(found(*(f"train.{change}" for change in changes), "data.window=24", "evaluate.windows=3"))


def test_replacing_removes_what_is_made_and_keeps_what_was_paid(there):
    asked = found("train.steps=9", "replace=true")
    require_same(asked)
    assert replaces(asked[0])
    claim(asked)
    left = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert left == {"config.yaml", "qpu/counts.safetensors", "notes.txt"}
    assert not (there / "adapters").exists()
    assert not replaces(asked[0])
    require_same(found("train.steps=9"))


def test_replacing_the_same_removes_nothing(there):
    before = sorted(there.rglob("*"))
    claim(found("replace=true"))
    assert sorted(there.rglob("*")) == before


def test_what_the_workflow_has_planned_with_stays_for_it(there):
    claim(found("train.steps=9", "replace=true"), {"results/ci/phase_diagram.csv"})
    assert (there / "phase_diagram.csv").exists()
    assert not (there / "report.html").exists()


def test_a_processors_rows_of_another_configuration_are_not_asked_for(there):
    for name in ("cells", "inference", "modes"):
        (there / f"qpu/{name}.csv").touch()
    [job] = jobs(compose("ci"), "aggregate")
    assert job.inputs["device"]
    [job] = jobs(compose("ci", ["train.steps=9", "replace=true"]), "aggregate")
    assert not job.inputs["device"]


def test_results_of_older_versions_are_another_configuration(there):
    config = there / "config.yaml"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if "ranked_budget" not in line))
    with pytest.raises(CayleyError, match=r"train\.ranked_budget: nothing there, null asked for"):
        require_same(found())
    config.unlink()
    with pytest.raises(CayleyError, match=r"config.yaml: missing there"):
        require_same(found())


@pytest.mark.parametrize("text", ["\0", "- a", "a: [", "3"])
def test_a_configuration_that_cannot_be_read_is_told(there, text):
    Path(there, "config.yaml").write_text(text)
    with pytest.raises(CayleyError, match=r"cannot read the configuration results/ci/config\.yaml"):
        require_same(found())


def test_other_variants_of_the_run_are_another_configuration(there):
    require_same(found("noise=fake_fez,fake_boston", "run=devices"))
    claim(found("noise=fake_fez,fake_boston", "run=devices"))
    require_same(found("noise=fake_fez,fake_boston", "run=devices"))
    require_same(found("noise=fake_fez,fake_boston,fake_torino", "run=devices"))  # the comparison gains one
    with pytest.raises(CayleyError, match=r"(?s)variants: \['?fake_boston.*run=devices-2"):
        require_same(found("noise=fake_fez,fake_torino", "run=devices"))
    require_same(found("noise=fake_fez,fake_torino", "run=devices", "replace=true"))
    with pytest.raises(CayleyError, match="variants: none, but one map there"):
        require_same(found("noise=fake_fez,fake_boston"))
