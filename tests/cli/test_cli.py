"""The command line as a user meets it: help, mistakes, missing inputs."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def cayley(*arguments, cwd):
    code = "from cayley_adapters.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_help_lists_every_stage(tmp_path):
    done = cayley("--help", cwd=tmp_path)
    assert done.returncode == 0
    stages = (
        "prepare",
        "compress",
        "train",
        "transpile",
        "evaluate",
        "aggregate",
        "phase_diagram",
        "entanglement",
        "report",
    )
    for stage in (*stages, "report", "config"):
        assert f" {stage} " in done.stdout


def test_a_missing_input_names_the_command_that_makes_it(tmp_path):
    done = cayley("train", "experiment=ci", "run=mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "cayley prepare experiment=ci run=mine" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "train.stpes=3"], "did you mean 'train.steps'"),
        (["train", "train.steps=-1"], "train.steps"),
        (["train", "experiment=quikstart"], "quickstart"),
        (["train", "steps"], "="),
    ],
)
def test_mistakes_are_answered_within_five_seconds(tmp_path, arguments, message):
    start = time.monotonic()
    done = cayley(*arguments, cwd=tmp_path)
    assert time.monotonic() - start < 5
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_config_prints_what_would_run(tmp_path):
    done = cayley("config", "experiment=ci", "sweep.noise_scale=0,2", cwd=tmp_path)
    assert "noise_scale: [0.0, 2.0]" in done.stdout
