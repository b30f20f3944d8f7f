"""The command, the versions and the calibration that the report states, and what it keeps to itself."""

from __future__ import annotations

import json
import socket
from importlib import metadata
from importlib.resources import files

import pandas as pd
import pytest
from synthetic import VARIED

from cayley_adapters.report import Evidence, calibration_date, render_report
from cayley_adapters.report.provenance import PACKAGES, environment, overrides_of, public, source_hashes
from cayley_adapters.settings import compose


@pytest.mark.parametrize("overrides", [(), VARIED, ("control=none", "noise.layout=[[3,4,5],[7,8,9]]", "run=a.b-c")])
def test_the_command_gives_the_same_settings(overrides):
    [settings] = compose("quickstart", list(overrides))
    assert compose("quickstart", overrides_of(settings)) == [settings]


def test_paths_of_the_machine_are_left_out(tmp_path, made):
    for name in ("it's a train.txt", "test.txt"):
        (tmp_path / name).write_text("words")
    files = [str(tmp_path / name) for name in ("it's a train.txt", "test.txt")]
    quoted = files[0].replace("'", "\\'")
    [settings] = compose("quickstart", ["data=text", f"data.train='{quoted}'", f"data.test={files[1]}"])
    assert settings.data.train == (files[0],)
    assert compose("quickstart", overrides_of(settings)) == [settings]
    assert public(settings).data.train == (".../it's a train.txt",)
    evidence = Evidence(settings, made.files, made.tables, made.transition, made.model)
    page = render_report(evidence, None)
    assert str(tmp_path) not in page
    assert "it&#39;s a train.txt" in page
    assert socket.gethostname() not in str(environment(evidence, None))


def test_the_environment_is_the_one_that_runs(made):
    groups = environment(made, "2025-02-26")
    assert dict(groups["Packages"]) == {name: metadata.version(name) for name in PACKAGES}
    assert dict(groups["Model"])["licence"] == "Apache-2.0"
    assert dict(groups["Text"])["licence"].startswith("CC BY-SA")
    assert len(dict(groups["Model"])["SHA-256 of the wheel"]) == 64
    assert dict(groups["Device"]) == {"backend": "FakeFez", "calibrated": "2025-02-26"}
    assert {"prepare", "train", "evaluate", "phase_diagram", "report"} <= set(source_hashes(measured=False))
    assert set(source_hashes(measured=True)) - set(source_hashes(measured=False)) == {
        *("qpu_train", "qpu_plan", "qpu_submit", "qpu_collect", "qpu_evaluate"),
    }


def test_the_calibrations_date_is_that_of_the_backends_file():
    folder = files("qiskit_ibm_runtime.fake_provider.backends.fez")
    stated = json.loads((folder / "props_fez.json").read_text())["last_update_date"]
    [settings] = compose()
    assert calibration_date(settings) == pd.Timestamp(stated).tz_convert("UTC").date().isoformat()
