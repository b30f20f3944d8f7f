"""Blocks on a processor, through the workflow: the twin pays once, and the map shows what was measured."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from planted_secrets import MARKERS, leaks, traces
from safetensors.numpy import load_file
from safety import SAFETY

from cayley_adapters.qpu.twin import TwinService

STAGES = ("train", "qpu_plan", "qpu_submit", "qpu_collect", "qpu_evaluate")
TABLES = ("aggregate", "draw", "scaling", "recovery")


def cayley(project, *arguments):
    command = [sys.executable, "-c", "from cayley_adapters.cli import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **project.options())
    project.said += [done.stdout, done.stderr]
    return done


@pytest.fixture(scope="module")
def measured(built, tmp_path_factory):
    """A copy of the built project whose blocks ran on the twin."""
    folder = tmp_path_factory.mktemp("measured")
    shutil.copytree(built.folder, folder, symlinks=True, dirs_exist_ok=True)
    project = dataclasses.replace(built, folder=folder, served=True)
    planned = project.planned(target="qpu")
    assert planned == dict.fromkeys([*STAGES, *TABLES], 1)
    project.snakemake("qpu", "--config", "experiment=ci")
    return project


@pytest.fixture(scope="module")
def results(measured):
    return measured.folder / "results" / "ci"


def test_the_plan_stands_beside_the_papers_protocol(results):
    plan = pd.read_csv(results / "qpu" / "plan.csv")
    mine = plan[plan.workload != "paper"].set_index(["mode", "spacing"])
    dense = mine.loc["per_token", "dense"]
    assert (dense.blocks, dense.tokens, dense.pairs) == (8, 9, 72)
    assert dense.circuits == -(-72 // dense.lines)
    assert mine.loc["per_token", "sparse"].lines < dense.lines
    paper = plan[plan.workload == "paper"].iloc[0]
    assert (paper.circuits, paper.lines, paper.executions) == (1328, 64, 10_878_976)
    lines = pd.read_csv(results / "qpu" / "lines.csv")
    assert lines.lines.max() == 64
    assert (results / "qpu" / "lines.png").stat().st_size > 10_000


def test_it_is_paid_once_and_what_was_measured_is_what_the_simulator_says(results):
    paid = TwinService(results / "qpu" / "twin").paid()
    assert len(paid) == 1
    [job] = json.loads((results / "qpu" / "submitted.json").read_text())
    assert job["job"] == paid[0].job_id
    counts = load_file(results / "qpu" / "counts.safetensors")["counts"]
    assert counts.shape == (72, 4)
    assert (counts.sum(axis=1) == 256).all()
    arms = pd.read_csv(results / "qpu" / "inference.csv").set_index("arm")
    assert arms.p_value["qpu"] > 1e-4
    assert set(arms.tokens) == {9}
    assert abs(arms.nll["qpu"] - arms.nll["simulated"]) < 6 * arms.nll_sd_shots["simulated"] + 1e-3
    assert list(pd.read_csv(results / "qpu" / "modes.csv")["mode"]) == ["per_token", "characterise"]


def test_the_map_has_the_row_and_no_other_number_changes(built, results):
    before = pd.read_csv(built.folder / "results/ci/phase_diagram.csv")
    after = pd.read_csv(results / "phase_diagram.csv", dtype={"layers": str})
    pd.testing.assert_frame_equal(
        after[after.executor != "qpu"][["nll", "recovery"]].reset_index(drop=True), before[["nll", "recovery"]]
    )
    [row] = after[after.executor == "qpu"].itertuples()
    assert (row.block_dim, row.noise_scale, float(row.shots), row.tokens) == (4, 1.0, 256, 9)
    assert (row.targets, row.layers) == ("o_proj", "1")
    arms = pd.read_csv(results / "qpu" / "inference.csv").set_index("arm")
    assert row.nll == pytest.approx(arms.nll["qpu"])
    lost, left = (np.exp(arms.nll["without_blocks"]) - np.exp(arms.nll[name]) for name in ("uncompressed", "qpu"))
    assert row.recovery == pytest.approx(left / lost)
    assert (results / "transition.json").read_text() == (built.folder / "results/ci/transition.json").read_text()
    assert "o_proj of layer 1" in (results / "phase_diagram.html").read_text()


def test_nothing_is_left_to_do_and_a_lost_file_costs_nothing(measured, results):
    for target in ("qpu", "phase_diagram"):
        assert measured.planned(target=target) == {}
    changed = measured.planned("qpu.max_seconds=1000", target="qpu")
    assert set(changed) == {"configure", *STAGES[1:], *TABLES}
    before = (results / "qpu" / "counts.safetensors").read_bytes()
    for name in ("counts.safetensors", "submitted.json"):
        (results / "qpu" / name).unlink()
    for stage in ("submit", "collect"):
        assert cayley(measured, "qpu", stage, "experiment=ci").returncode == 0
    assert (results / "qpu" / "counts.safetensors").read_bytes() == before
    assert len(TwinService(results / "qpu" / "twin").paid()) == 1


def test_a_budget_is_refused_before_anything_is_sent(measured, tmp_path):
    shutil.copytree(measured.folder, tmp_path / "p", symlinks=True)
    measured = dataclasses.replace(measured, folder=tmp_path / "p")
    results = measured.folder / "results" / "ci"
    done = cayley(measured, "qpu", "submit", "experiment=ci", "qpu.max_seconds=0.5", "qpu.shots=300", "replace=true")
    assert done.returncode == 1
    assert "qpu.max_seconds" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(TwinService(results / "qpu" / "twin").paid()) == 1


@pytest.mark.parametrize(
    ("stage", "change", "answer"),
    [
        ("plan", "qpu.tokens=1000", "a window has 31"),
        ("plan", f"qpu.text='{'word ' * 600}'", "shorten it"),
        ("evaluate", "qpu.tokens=20", "cayley qpu plan"),
        ("evaluate", "qpu.shots=300", "cayley qpu submit"),
    ],
)
def test_no_other_text_is_planned_or_evaluated_than_can_be(measured, tmp_path, stage, change, answer):
    shutil.copytree(measured.folder, tmp_path / "p", symlinks=True)
    measured = dataclasses.replace(measured, folder=tmp_path / "p")
    results = measured.folder / "results" / "ci"
    before = {path: path.read_bytes() for path in (results / "qpu").glob("[pl]*.csv")}
    done = cayley(measured, "qpu", stage, "experiment=ci", change, "replace=true")
    assert done.returncode == 1
    assert answer in done.stderr
    assert "Warning" not in done.stderr
    assert len(before) == 2  # the plan, and its lines
    assert before == {path: path.read_bytes() for path in (results / "qpu").glob("[pl]*.csv")}


def test_status_and_resolve_speak_of_the_ledger(measured):
    done = cayley(measured, "qpu", "status", "experiment=ci")
    assert "1 sent" in done.stdout
    assert "done" in done.stdout
    done = cayley(measured, "qpu", "resolve", "cayley-nothing", "--resubmit", "experiment=ci")
    assert done.returncode == 1
    assert "cayley-nothing" in done.stderr
    done = cayley(measured, "qpu", "resolve", "cayley-nothing", "experiment=ci")
    assert "--adopt JOB" in done.stderr


@pytest.mark.parametrize(
    "mistake",
    [
        ["prepare", "experiment=ci", "model=hub", "model.id=some/one", "model.revision=main", "run=lost"],
        ["config", f"qpu.token={MARKERS['QISKIT_IBM_TOKEN']}"],
        ["config", f"+hf_token={MARKERS['HF_TOKEN']}"],
    ],
    ids=["hub", "token", "added-token"],
)
def test_mistakes_repeat_no_secret(built, mistake):
    project = dataclasses.replace(built, environment=built.environment | {"CAYLEY_DEBUG": "1", "HF_HUB_OFFLINE": "1"})
    done = cayley(project, *mistake)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert traces(done.stdout + done.stderr) == set()


@pytest.mark.parametrize("executor", ["exact", "noisy", "qpu"])
def test_it_talks(measured, results, executor):
    options = ["experiment=ci", "--executor", executor, "--prompt", "Hello", "--new-tokens", "2", "qpu.shots=64"]
    done = cayley(measured, "chat", *options)
    assert done.returncode == 0, done.stderr
    paid = TwinService(results / "qpu" / "twin").paid()
    if executor == "exact":
        assert "no circuits" in done.stderr
    else:
        assert "QPU seconds" in done.stderr
    # A prompt and, unless it ends the answer, one new token: each is one job.
    assert len(paid) - 1 in ((1, 2) if executor == "qpu" else (0,))


def test_blocks_measured_once_serve_the_whole_test_text(measured, tmp_path):
    shutil.copytree(measured.folder, tmp_path / "p", symlinks=True)
    project = type(measured)(tmp_path / "p")
    code = (
        "from cayley_adapters.pipeline.run import run_job; from cayley_adapters.pipeline.jobs import jobs; "
        "from cayley_adapters.settings import compose; "
        "made = compose('ci', ['qpu.mode=characterise', 'track.mode=disabled']); "
        "[run_job(job) for stage in ('plan', 'submit', 'collect', 'evaluate') for job in jobs(made, f'qpu_{stage}')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=SAFETY, **project.options())
    arms = pd.read_csv(project.folder / "results/ci/qpu/inference.csv").set_index("arm")
    cells = pd.read_csv(project.folder / "results/ci/phase_diagram.csv")
    assert set(arms.tokens) == {cells.tokens[0]}
    assert arms.readout["qpu"] == "characterised"
    assert arms.p_value["qpu"] > 1e-4
    assert len(TwinService(project.folder / "results/ci/qpu/twin").paid()) >= 2


def test_no_secret_is_anywhere(measured, results):
    """Results, logs, ledger, W&B's files, Snakemake's own: a user's tokens and accounts are in none, in no encoding."""
    assert set(MARKERS) & set(measured.environment)
    assert leaks(measured.folder) == {}
    assert traces("\n".join(measured.said)) == set()
    searched = {path.suffix for path in measured.folder.rglob("*") if path.is_file()}
    assert {".wandb", ".sqlite", ".html", ".log", ".yaml", ".json", ".csv", ".safetensors"} <= searched
