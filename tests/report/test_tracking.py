"""What is logged to W&B: read back from the offline files, and from what ``wandb sync`` sends to a server."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from offline_runs import read_run, read_runs
from safety import SAFETY
from wandb_server import KEY, wandb_server

from cayley_adapters.report.wandb.runs import ENVIRONMENT, log_run, run_id, track_with, tracking_group
from cayley_adapters.report.wandb.tracked import TrackedFiles, TrackedRun

CONFIG = {"cell": "ratio0.2 d4", "compression_ratio": 0.2, "block_dim": 4, "seed": 0, "train": {"steps": 3}}


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "")
    track_with({"mode": "offline", "project": "p", "entity": None})


def log_example(base) -> None:
    """A run with something of everything."""
    for name in ("adapter", "table", "description"):
        (base / f"{name}.txt").write_text(f"bytes of the {name}")
    picture = base / "picture.png"
    picture.write_bytes(
        base64.b64decode(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        )
    )
    tracked = TrackedRun(
        "train ratio0.2 d4 seed0",
        "train",
        CONFIG,
        history=[
            {"train/step": 0, "train/loss": None, "train/validation": 2.5},
            {"train/step": 1, "train/loss": np.float64(2.25), "train/validation": math.nan},
            {"train/step": 2, "train/loss": 2.0, "train/validation": 2.125},
        ],
        axis="train/step",
        summary={"perplexity": 7.5, "recovery": math.nan, "gates": np.int64(3)},
        tables={"phase_table": pd.DataFrame({"shots": [8192.0, math.inf], "backend": ["FakeFez", None]})},
        pictures={"phase_diagram": picture},
        used=[TrackedFiles("compressed-ratio0.2", "compressed-model", [base / "description.txt"])],
        made=[TrackedFiles("adapter-ratio0.2-d4-seed0", "adapter", [base / "adapter.txt", base / "table.txt"], CONFIG)],
    )
    log_run(str(base), tracked)


@pytest.fixture
def example(offline, tmp_path):
    log_example(tmp_path)
    return tmp_path


def test_a_run_is_named_grouped_and_configured_with_numbers(example):
    (run,) = read_runs(example / "wandb").values()
    group = example.name
    assert run.run["run_id"] == run_id(str(example), "train ratio0.2 d4 seed0")
    assert run.run["run_id"].startswith(f"{group}-train-ratio0.2-d4-seed0-")
    assert (run.run["display_name"], run.run["run_group"]) == ("train ratio0.2 d4 seed0", group)
    assert run.run["job_type"] == "train"
    assert run.run["tags"] == [group, "train", "ratio0.2", "d4", "seed0"]
    assert run.config == {"group": group, "job_type": "train", **CONFIG}


def test_curves_summary_tables_and_pictures_are_found_again(example):
    (run,) = read_runs(example / "wandb").values()
    assert run.history == [
        {"train/step": 0, "train/validation": 2.5},
        {"train/step": 1, "train/loss": 2.25},
        {"train/step": 2, "train/loss": 2.0, "train/validation": 2.125},
    ]
    assert run.metrics["train/step"]["options"]["hidden"]
    assert {name: item.get("step_metric") for name, item in run.metrics.items()} == {
        "train/step": None,
        "train/loss": "train/step",
        "train/validation": "train/step",
    }
    numbers = {key: value for key, value in run.summary.items() if not key.startswith(("phase_", "train/"))}
    assert numbers == {"perplexity": 7.5, "gates": 3}
    assert not [key for key in run.summary if key.startswith("train/")]  # only what is called a summary becomes one
    assert run.table("phase_table")["columns"] == ["shots", "backend"]
    assert run.table("phase_table")["data"] == [["8192", "FakeFez"], ["inf", None]]
    (picture,) = run.folder.glob("files/media/images/phase_diagram_*.png")
    assert picture.read_bytes() == (example / "picture.png").read_bytes()


def test_artifacts_hold_the_files_bytes_and_say_which_way_they_go(example):
    (run,) = read_runs(example / "wandb").values()
    used, made = (
        run.artifacts[f"{example.name}-{name}"] for name in ("compressed-ratio0.2", "adapter-ratio0.2-d4-seed0")
    )
    assert (used["type"], made["type"]) == ("compressed-model", "adapter")
    assert used["use_after_commit"]
    assert used["user_created"]
    assert not made.get("use_after_commit")
    contents = {item["path"]: item["digest"] for item in made["manifest"]["contents"]}
    assert contents == {
        name: base64.b64encode(hashlib.md5((example / name).read_bytes(), usedforsecurity=False).digest()).decode()
        for name in ("adapter.txt", "table.txt")
    }
    # Uploaded from the results themselves, and what W&B copies lies with the run: nothing in the user's home.
    assert {item["local_path"] for item in made["manifest"]["contents"]} == {
        str(example / name) for name in ("adapter.txt", "table.txt")
    }
    staged = next(item for item in run.of("artifact") if item["type"] == "run_table")["manifest"]["contents"][0]
    assert staged["local_path"].startswith(str(run.folder))


def test_a_rerun_replaces_its_run(example):
    (before,) = (example / "wandb").glob("offline-run-*")
    marker = before / "old"
    marker.touch()
    log_run(str(example), TrackedRun("evaluate ratio0.2 d4 seed0", "evaluate", {}))
    log_example(example)
    names = sorted(path.name.split("-", 3)[3] for path in (example / "wandb").glob("offline-run-*"))
    assert names == [run_id(str(example), f"{stage} ratio0.2 d4 seed0") for stage in ("evaluate", "train")]
    assert not marker.exists()


def test_nothing_of_the_environment_gets_in(tmp_path):
    """Neither keys, nor user, home, host, command line, source or packages."""
    base, secrets = tmp_path / "results", {"WANDB_API_KEY": f"{KEY}keymark", "HF_TOKEN": "hf_tokenmark"}
    secrets |= {"USER": "usermark", "LOGNAME": "usermark", "HOME": str(tmp_path / "homemark"), "AWS_SECRET": "awsmark"}
    (tmp_path / "homemark").mkdir()
    base.mkdir()
    code = (
        "import socket, sys; socket.gethostname = lambda: 'hostmark'\n"
        "from pathlib import Path; from test_tracking import log_example, track_with\n"
        "track_with({'mode': 'offline', 'project': 'p', 'entity': None}); log_example(Path(sys.argv[1]))\n"
    )
    environment = os.environ | secrets | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(base), "argmark"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SAFETY,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (base / "wandb").glob("offline-run-*")
    assert read_run(folder).summary["perplexity"] == 7.5
    content = b"".join(path.read_bytes() for path in (base / "wandb").rglob("*") if path.is_file())
    for mark in (b"keymark", b"tokenmark", b"usermark", b"homemark", b"hostmark", b"awsmark", b"argmark"):
        assert mark not in content, mark
    (binary,) = folder.glob("*.wandb")
    assert b"requirements.txt" not in binary.read_bytes()
    assert not list(folder.rglob("requirements.txt"))


ONLINE = (
    "import sys; from pathlib import Path; from test_tracking import log_example, track_with\n"
    "track_with({'mode': 'online', 'project': 'p', 'entity': 'team'}); log_example(Path(sys.argv[1]))\n"
)


@pytest.mark.parametrize("way", ["online", "offline, then wandb sync"])
def test_a_server_is_sent_what_was_logged_and_the_lineage(offline, tmp_path, way):
    command = [sys.executable, "-c", ONLINE, str(tmp_path)]
    if way != "online":
        log_example(tmp_path)
        command = [sys.executable, "-m", "wandb", "sync", *map(str, (tmp_path / "wandb").glob("offline-run-*"))]
    with wandb_server() as server:
        environment = os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=SAFETY)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr
        first = server.variables("UpsertBucket")[0]
        assert (first["groupName"], first["jobType"], first["host"]) == (tmp_path.name, "train", None)
        ids = {name: identity for (name, _), identity in server.artifacts.items()}
        cell = "adapter-ratio0.2-d4-seed0"
        used, made = (ids[f"{tmp_path.name}-{name}"] for name in ("compressed-ratio0.2", cell))
        assert {item["input"]["artifactID"] for item in server.variables("UseArtifact")} == {used}
        assert {item["artifactID"] for item in server.variables("CommitArtifact")} == set(ids.values())
        assert server.files[f"{made}/adapter.txt"] == b"bytes of the adapter"
        assert server.files[f"{used}/description.txt"] == b"bytes of the description"
        table = ids[f"run-{run_id(str(tmp_path), 'train ratio0.2 d4 seed0')}-phase_table"]
        files = {name for name in server.files if not name.startswith("run/media/")}
        assert files == {f"{made}/adapter.txt", f"{made}/table.txt", f"{used}/description.txt", "manifest", *CORE} | {
            f"{table}/phase_table.table.json"
        }
        media = {name.split("/")[3].split("_")[0] for name in server.files if name.startswith("run/media/")}
        assert media == {"phase"}


CORE = {"run/wandb-summary.json", "run/config.yaml"}
"""What W&B itself uploads of a run: the summary and the configuration."""


def test_tracking_that_fails_fails_nothing(offline, tmp_path, monkeypatch, capsys):
    import wandb

    def broken(**_):
        raise OSError("disk full")

    monkeypatch.setattr(wandb, "init", broken)
    log_run(str(tmp_path), TrackedRun("train x", "train", {}))
    assert "train x was not tracked with W&B (OSError: disk full)" in capsys.readouterr().err


def test_a_missing_file_fails_nothing_and_ends_the_run(offline, tmp_path, capsys):
    import wandb

    log_run(
        str(tmp_path), TrackedRun("train x", "train", {}, made=[TrackedFiles("a", "adapter", [tmp_path / "absent"])])
    )
    told = capsys.readouterr().err
    assert "train x was not tracked" in told
    assert "Traceback" not in told
    assert wandb.run is None
    assert "WANDB_DATA_DIR" not in os.environ


def test_disabled_tracking_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, '{"mode": "disabled"}')
    log_run(str(tmp_path), TrackedRun("x", "train", {}))
    assert list(tmp_path.iterdir()) == []


def test_the_group_is_the_folder_below_results():
    assert tracking_group("results/quickstart") == "quickstart"
    assert tracking_group("results/two/alpha") == "two-alpha"
    assert tracking_group("/elsewhere/mine") == "mine"


def test_ids_never_collide(tmp_path):
    """Names too long for W&B, and folders of one name in two places."""
    base = tmp_path / ("a" * 60) / ("b" * 60)
    names = [f"train ratio{ratio} d{d} seed{seed}" for ratio in (0.1, 0.2) for d in (2, 16) for seed in range(3)]
    ids = [run_id(str(base.with_name(f"{'b' * 60}{end}")), name) for end in ("", "c") for name in names]
    assert len(set(ids)) == len(ids) == 24
    assert max(map(len, ids)) <= 128
    assert run_id(str(tmp_path / "one" / "ci"), "prepare") != run_id(str(tmp_path / "two" / "ci"), "prepare")
    assert run_id(str(base), "train") == run_id(f"{base}/../{base.name}", "train")


def test_runs_with_long_names_replace_none_but_their_own(offline, tmp_path):
    base = tmp_path / ("long" * 20)
    names = [f"evaluate {'x' * 60} seed{seed}" for seed in (0, 1)]
    for name in (*names, names[0]):
        log_run(str(base), TrackedRun(name, "evaluate", {}))
    assert len(list((base / "wandb").glob("offline-run-*"))) == 2
