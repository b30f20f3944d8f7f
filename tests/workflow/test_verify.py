"""``cayley verify`` on a run of the workflow: what holds, what was tampered with, and what explains a difference."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from safety import SAFETY

from cayley_adapters.analysis.result_folders import results_folders
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import read_table
from cayley_adapters.pipeline.provenance import provenance_path, write_provenance
from cayley_adapters.pipeline.verification import verify
from cayley_adapters.pipeline.verification.cells import cells_again
from cayley_adapters.pipeline.verification.folder import Folder
from cayley_adapters.pipeline.verification.integrity import integrity

CELL = "evaluations/ratio0.3/d4/seed0/cells.csv"


@pytest.fixture
def results(built, tmp_path) -> Path:
    """A copy of the results that a test may spoil."""
    ignored = shutil.ignore_patterns("wandb")
    shutil.copytree(built.folder / "results", tmp_path / "results", symlinks=True, ignore=ignored)
    return tmp_path / "results" / "ci"


def found(base: Path) -> dict[str, tuple[str, str]]:
    """Name → verdict and notes of the checks that compute nothing."""
    return {check.name: (check.verdict, " ".join(check.notes)) for check in integrity(Folder.open(base))}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spoil(path: Path, pattern: str, replacement: str) -> None:
    text = path.read_text(encoding="utf-8")
    changed = re.sub(pattern, replacement, text, count=1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")


def test_a_sound_folder_agrees_to_the_last_digit_and_is_left_alone(built):
    folder = built.folder / "results" / "ci"
    before = bytes_of(folder)
    command = [sys.executable, "-c", "from cayley_adapters.cli import main; main()", "verify", "results/ci"]
    command += ["--cells", "2", "--seed", "3", "--retrain", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **built.options())
    assert done.returncode == 0, done.stdout + done.stderr
    [told] = json.loads(done.stdout)
    assert told["agrees"]
    assert {check["verdict"] for check in told["checks"]} <= {"agrees", "not checked"}, told["checks"]
    assert len(told["cells"]) == 2
    assert [cell["limit"] for cell in told["cells"]] == [0, 0]
    assert [cell["difference"] for cell in told["cells"]] == [0, 0]
    assert (told["trained"]["difference"], told["trained"]["limit"]) == (0, 0)
    assert bytes_of(folder) == before


def test_the_map_says_what_it_rests_on(built):
    told = json.loads((built.folder / "results/ci/provenance.json").read_text())
    assert len(told["environments"]) == 1
    assert None not in told["jobs"].values()
    assert told["jobs"]["evaluate ratio0.3 d4 seed0"]["used"]["calibration"]["date"] == "2025-02-26"
    assert "model.safetensors" in told["jobs"]["prepare"]["used"]["model"]
    page = (built.folder / "results/ci/report.html").read_text()
    [environment] = told["environments"].values()
    assert environment["processor"] in page
    assert told["jobs"]["prepare"]["used"]["model"]["model.safetensors"] in page


def test_numbers_written_by_hand_are_found(results):
    """In the map, where its cells say otherwise, and in both, where only computing again can tell."""
    rows = pd.read_csv(results / "phase_diagram.csv", dtype=str)
    row = rows[(rows.block_dim == "4") & (rows.executor == "noisy") & (rows.noise_scale == "1.0")].iloc[0]
    spoil(results / "phase_diagram.csv", re.escape(row.nll), "2.5")
    verdict = verify(results, cells=0)
    gathered = next(check for check in verdict.checks if check.name.startswith("tables"))
    assert gathered.verdict == "differs"
    assert ",2.5," in gathered.notes[0]
    assert not verdict.agrees
    # Now all files say the same, hashes of the records included.
    spoil(results / CELL, re.escape(row.nll), "2.5")
    job = next(job for job in Folder.open(results).jobs_of("evaluate") if job.cell["block"] == "d4")
    kept = json.loads(provenance_path(job).read_text())
    write_provenance(job)
    written = json.loads(provenance_path(job).read_text())
    provenance_path(job).write_text(json.dumps(kept | {"outputs": written["outputs"]}))
    points, stored = read_table(results / CELL), read_table(results / "phase_diagram.csv")
    cells = list(cells_again(job, points, stored, 1e-4, results.parent / "again"))
    assert len(cells) == len(points)
    wrong = {cell.name for cell in cells if not cell.agrees}
    assert wrong == {f"ratio0.3 d4 seed0, λ 1, {float(row.shots):g} shots"}


def test_a_changed_adapter_is_found(results):
    path = results / "adapters/ratio0.3/d2/seed0/adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    verdict, notes = found(results)["files are what their jobs wrote"]
    assert verdict == "differs"
    assert "ratio0.3/d2/seed0/adapter_model.safetensors is not what train ratio0.3 d2 seed0 wrote" in notes


@pytest.mark.parametrize(
    ("record", "change", "check", "verdict", "notes"),
    [
        (
            "prepare",
            lambda record: record["used"]["model"].update({"model.safetensors": "0" * 64}),
            "model",
            "differs",
            "model.safetensors of the model was changed",
        ),
        (
            "evaluate-ratio0.3-d4-seed0",
            lambda record: record["used"]["calibration"].update(sha256="0" * 64, date="2024-01-01"),
            "calibration",
            "differs",
            "000000000000 of 2024-01-01, and has now",
        ),
        (
            "train-ratio0.3-d4-seed0",
            lambda record: record["environment"]["packages"].update(torch="2.0.0"),
            "packages, code and machine",
            "warning",
            "torch 2.0.0 then, ",
        ),
        (
            "train-ratio0.3-d4-seed0",
            lambda record: record["environment"].update(processor="another"),
            "packages, code and machine",
            "warning",
            "processor: another then, ",
        ),
        (
            "train-ratio0.3-d4-seed0",
            lambda record: record.update(settings="0"),
            "files belong to config.yaml",
            "differs",
            "train ratio0.3 d4 seed0 ran with other settings",
        ),
    ],
)
def test_what_was_swapped_since_is_named(results, record, change, check, verdict, notes):
    path = results / "provenance" / f"{record}.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    got = found(results)[check]
    assert got[0] == verdict
    assert notes in got[1]


def test_another_machine_is_given_a_tolerance(results):
    path = results / "provenance" / "evaluate-ratio0.3-d2-seed0.json"
    told = json.loads(path.read_text())
    told["environment"]["processor"] = "another"
    path.write_text(json.dumps(told))
    job = next(job for job in Folder.open(results).jobs_of("evaluate") if job.cell["block"] == "d2")
    points = read_table(job.outputs["cells"]).iloc[:1]
    stored = read_table(results / "phase_diagram.csv")
    [cell] = cells_again(job, points, stored, 1e-4, results.parent / "again")
    assert cell.limit == pytest.approx(1e-4)
    assert cell.agrees


def test_folders_that_cannot_be_verified_are_refused(results, tmp_path):
    with pytest.raises(CayleyError, match="no folder"):
        results_folders(tmp_path / "nothing")
    with pytest.raises(CayleyError, match="no results folder"):
        results_folders(results / "adapters")
    (results / CELL).unlink()
    with pytest.raises(CayleyError, match=r"unfinished: 1 files are missing, first .*d4/seed0/cells.csv"):
        verify(results)
    assert results_folders(results) == [results]
    (results / "config.yaml").write_text("- a\n")
    with pytest.raises(CayleyError, match="is not a configuration"):
        verify(results)


def test_a_file_that_cannot_be_read_is_named(results):
    (results / "circuits/ratio0.3/d4/seed0/angles.safetensors").write_bytes(b"\xff" * 20)
    verdict, notes = found(results)["every file can be read"]
    assert verdict == "differs"
    assert "angles.safetensors" in notes
