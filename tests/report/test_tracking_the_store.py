"""A run's W&B group shows all that it rests on, whether made for it or earlier, with the files' lineage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from offline_runs import read_runs

from cayley_adapters.report.wandb.runs import ENVIRONMENT, log_earlier, log_job, run_id, track_with
from cayley_adapters.report.wandb.tracked import TrackedFiles, TrackedRun

OFFLINE = {"mode": "offline", "project": "p", "entity": None}
MAP, LEVER = "results/store/train/m-1", "results/store/train/m-2"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENVIRONMENT, "")
    for run, used in {
        "first": {f"{MAP}/train-d4": ""},
        "second": {f"{MAP}/train-d4": "", f"{LEVER}/train-d4": " longer"},
    }.items():
        folder = tmp_path / "results" / run
        folder.mkdir(parents=True)
        (folder / ".store.json").write_text(json.dumps(used))
    return tmp_path


def trained(base: str) -> TrackedRun:
    path = Path(base, "adapters/d4/adapter.txt")
    path.parent.mkdir(parents=True)
    path.write_text(f"blocks of {base}")
    history = [{"train/step": 0, "train/loss": 2.0}]
    made = [TrackedFiles("adapter-d4", "adapter", [path], {"block_dim": 4})]
    return TrackedRun("train d4", "train", {"block_dim": 4}, history=history, axis="train/step", made=made)


def test_what_was_made_for_another_run_is_shown_once_and_a_lever_told_apart(here):
    track_with(OFFLINE, ["results/first"])
    log_job(MAP, "train-d4", [trained(MAP)])
    [run] = read_runs(here / "results/first/wandb").values()
    assert (run.run["run_id"], run.run["run_group"]) == (run_id("results/first", "train d4"), "first")
    track_with(OFFLINE, ["results/second"])
    log_job(LEVER, "train-d4", [trained(LEVER)])
    for _ in range(2):
        log_earlier("results/second")
    found = read_runs(here / "results/second/wandb")
    assert set(found) == {"second-train-d4", "second-train-d4-longer"}
    assert [*found["second-train-d4"].artifacts] == ["second-adapter-d4"]
    assert [*found["second-train-d4-longer"].artifacts] == ["second-adapter-d4-longer"]
    assert found["second-train-d4"].history == run.history
    assert set(read_runs(here / "results/first/wandb")) == {"first-train-d4"}


def test_what_was_made_without_tracking_is_shown_once_it_is_on(here):
    track_with({**OFFLINE, "mode": "disabled"}, ["results/first"])
    log_job(MAP, "train-d4", [trained(MAP)])
    log_earlier("results/first")
    assert not (here / "results/first/wandb").exists()
    track_with(OFFLINE, ["results/first"])
    log_earlier("results/first")
    assert set(read_runs(here / "results/first/wandb")) == {"first-train-d4"}
