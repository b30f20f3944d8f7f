"""The command, the versions and the calibration that the report states, and what it keeps to itself."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from importlib import metadata
from importlib.resources import files

import pandas as pd
import pytest
from synthetic import VARIED

from cayley_adapters.pipeline.provenance import calibration_digest
from cayley_adapters.report.page import Evidence, calibration_date, render_report
from cayley_adapters.report.page.provenance import PACKAGES, environment, overrides_of, public
from cayley_adapters.settings import compose


@pytest.mark.parametrize("overrides", [(), VARIED, ("control=none", "noise.layout=[[3,4,5],[7,8,9]]", "run=a.b-c")])
def test_the_command_gives_the_same_settings(overrides):
    [settings] = compose("quickstart", list(overrides))
    assert compose("quickstart", overrides_of(settings)) == [settings]


@pytest.mark.parametrize("experiment", ["quickstart", "devices"])
def test_the_command_gives_a_variant_s_settings(experiment):
    for settings in compose(experiment, ["train.steps=7,8", "sweep.block_dim=2"]):
        found = compose(experiment, overrides_of(settings))
        own = settings.model_dump(exclude={"variant", "title"})
        assert own in [item.model_dump(exclude={"variant", "title"}) for item in found]


def test_paths_of_the_machine_are_left_out(tmp_path, made):
    for name in ("it's a train.txt", "test.txt"):
        (tmp_path / name).write_text(f"words of {name}\n" * 9000)
    files = [str(tmp_path / name) for name in ("it's a train.txt", "test.txt")]
    quoted = files[0].replace("'", "\\'")
    [settings] = compose("quickstart", ["data=text", f"data.train='{quoted}'", f"data.test={files[1]}"])
    assert settings.data.train == (files[0],)
    assert compose("quickstart", overrides_of(settings)) == [settings]
    assert public(settings).data.train == (".../it's a train.txt",)
    evidence = Evidence(settings, made.files, made.tables, made.transition, made.model, made.provenance)
    page = render_report(evidence, None)
    assert str(tmp_path) not in page
    assert "it&#39;s a train.txt" in page
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", str(environment(evidence, None)))


def test_the_environment_is_the_one_that_runs(made):
    groups = environment(made, "2025-02-26")
    assert dict(groups["Packages"]) == {name: metadata.version(name) for name in PACKAGES}
    assert dict(groups["Model"])["licence"] == "Apache-2.0"
    assert dict(groups["Text"])["licence"].startswith("CC BY-SA")
    assert len(dict(groups["Model"])["SHA-256 of the wheel"]) == 64
    assert dict(groups["Model"])["SHA-256 of model.safetensors"] == "ab" * 32
    assert dict(groups["Device"]) == {"backend": "FakeFez", "calibrated": "2025-02-26"}
    assert dict(groups["Source"])["train"] == "c0de"
    assert dict(groups["Jobs that made the numbers"]) == {"jobs": "3"}


def test_jobs_of_several_machines_are_not_shown_as_one(made):
    told = json.loads(json.dumps(made.provenance))
    here = told["environments"]["here"]
    there = here | {"processor": "Another <b>", "packages": here["packages"] | {"torch": "2.0.0"}}
    told["environments"]["there"] = there
    told["jobs"]["train a"]["environment"] = "there"
    told["jobs"]["train b"] = None
    mixed = dataclasses.replace(made, provenance=told)
    groups = environment(mixed, None)
    assert "2 different machines" in dict(groups["Jobs that made the numbers"])["run by"]
    assert dict(groups["Jobs that made the numbers"])["without a record of their own"] == "train b"
    assert dict(groups["Packages"])["torch"] == f"{here['packages']['torch']} (2 jobs); 2.0.0 (1 jobs)"
    page = render_report(mixed, None)
    assert "Another &lt;b&gt; (1 jobs)" in page


def test_the_calibrations_date_is_what_the_jobs_recorded(made):
    folder = files("qiskit_ibm_runtime.fake_provider.backends.fez")
    stated = json.loads((folder / "props_fez.json").read_text())["last_update_date"]
    told = json.loads(json.dumps(made.provenance))
    told["jobs"]["evaluate a"]["used"]["calibration"] = calibration_digest("FakeFez")
    day = pd.Timestamp(stated).tz_convert("UTC").date().isoformat()
    assert calibration_date(dataclasses.replace(made, provenance=told)) == day
    told["jobs"]["evaluate a"]["used"] = {}
    assert calibration_date(dataclasses.replace(made, provenance=told)) is None
