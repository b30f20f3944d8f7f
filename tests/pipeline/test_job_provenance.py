"""What a job records of itself, and what is gathered from the records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cayley_adapters.core.environment import commit, environment, packages
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import sha256
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.provenance import (
    calibration_digest,
    gather,
    provenance_path,
    read_record,
    write_provenance,
)
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.pipeline.table import stages_before
from cayley_adapters.settings import compose
from cayley_adapters.stages.prepare import text_hashes


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A job that has run, and its record's path."""
    monkeypatch.chdir(tmp_path)
    [job] = jobs(compose("ci"), "configure")
    run_job(job)
    return job, provenance_path(job)


def test_a_record_says_what_was_written_and_by_what(recorded):
    job, path = recorded
    record = read_record(path)
    assert record["outputs"] == {"config.yaml": sha256(job.outputs["config"])}
    assert record["environment"]["packages"]["torch"].startswith("2.")
    assert "cayley-adapters" in record["environment"]["packages"]
    assert record["threads"] == 1
    assert record["environment"]["python"].endswith(".".join(map(str, sys.version_info[:3])))


def test_a_record_has_no_time_and_no_path(recorded):
    job, path = recorded
    before = path.read_bytes()
    write_provenance(job)
    assert path.read_bytes() == before
    text = before.decode()
    assert str(Path.cwd()) not in text
    assert os.environ.get("HOME", "/root") not in text


def test_secrets_of_the_shell_are_not_recorded(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_marker")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    found = environment()
    assert "hf_marker" not in json.dumps(found)
    assert found["variables"]["OPENBLAS_CORETYPE"] == "Haswell"  # it chooses instructions


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"stage": 3}', "\0"])
def test_a_damaged_record_is_refused(recorded, damage):
    _, path = recorded
    path.write_text(damage)
    with pytest.raises(CayleyError, match="cannot read the record"):
        read_record(path)


def test_no_record_is_none(tmp_path):
    assert read_record(tmp_path / "train.json") is None


def test_the_map_rests_on_what_makes_numbers():
    before = stages_before("aggregate")
    assert {"prepare", "compress", "train", "evaluate", "evaluate_control"} <= set(before)
    assert not {"phase_diagram", "report", "question_set", "rank", "qpu_collect", "search", "search_control"} & set(
        before
    )
    assert {"search", "search_control"} <= set(stages_before("aggregate", absent=("device",)))
    assert {"qpu_plan", "qpu_collect"} <= set(stages_before("aggregate", absent=("rates", "tried")))


def test_jobs_of_different_machines_are_told_apart(recorded):
    _, path = recorded
    record = json.loads(path.read_text()) | {"stage": "prepare"}
    [job] = jobs(compose("ci"), "aggregate")
    prepared, teacher = (Path(job.bases[name], "provenance", f"{name}.json") for name in ("prepare", "teacher"))
    for path in (prepared, teacher):
        path.parent.mkdir(parents=True)
    prepared.write_text(json.dumps(record))
    other = record | {"environment": record["environment"] | {"processor": "another"}}
    teacher.write_text(json.dumps(other))
    found = gather(job)
    assert len(found["environments"]) == 2
    assert found["jobs"]["prepare"]["environment"] != found["jobs"]["teacher"]["environment"]
    assert found["jobs"]["train ratio0.3 d2 seed0"] is None  # it left nothing, and that is said
    assert set(found["jobs"]) >= {f"evaluate ratio0.3 d{d} seed0" for d in (2, 4)}
    assert "evaluate ratio0.3 d8 seed0" not in found["jobs"]


def test_a_calibration_is_told_by_its_figures():
    fez, kingston = calibration_digest("FakeFez"), calibration_digest("FakeKingston")
    assert fez == calibration_digest("FakeFez")
    assert fez["date"] == "2025-02-26"
    assert fez["sha256"] != kingston["sha256"]


def test_text_files_are_told_by_their_bytes(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    data = {"train": [str(tmp_path / "a.txt")], "test": [str(tmp_path / "b.txt")]}
    before = text_hashes(data)
    assert list(before) == ["1 a.txt", "2 b.txt"]
    (tmp_path / "b.txt").write_text("other")
    assert [name for name, code in text_hashes(data).items() if code != before[name]] == ["2 b.txt"]
    assert text_hashes({"train": None, "test": None}) == {}


def test_packages_are_those_that_are_required():
    found = packages()
    assert {"torch", "numpy", "snakemake", "jinja2"} <= set(found)
    assert "pytest" not in found
    assert list(found) == sorted(found)


def test_the_commit_is_that_of_the_librarys_own_repository(tmp_path):
    """A copy in a stranger's repository has none, and one in its own has its commit, also in a hook of git."""
    code = "from cayley_adapters.core.environment import commit; print(commit())"
    package = Path(__file__).parents[2] / "src"
    repository = tmp_path / "project"
    repository.mkdir()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(repository)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for name in ("__init__.py", "core/__init__.py", "core/environment.py"):
        target = repository / "cayley_adapters" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text("" if target.name == "__init__.py" else (package / "cayley_adapters" / name).read_text())

    def told() -> str:
        variables = os.environ | {"PYTHONPATH": str(repository), "GIT_DIR": str(tmp_path / "elsewhere")}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout.strip()

    assert told() == "None"
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "a"], check=True)
    whole = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert told() == whole
    with (repository / "cayley_adapters" / "core" / "environment.py").open("a") as file:
        file.write("\n")
    assert told() == f"{whole}-dirty"
    assert commit() is None or len(commit()) >= 40
