"""The command line as a user meets it: help, mistakes, missing inputs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer
from safety import SAFETY

from cayley_adapters import __version__
from cayley_adapters.cli import _add_all, app
from cayley_adapters.pipeline.table import STAGES


def cayley(*arguments, cwd, module="cayley_adapters"):
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=SAFETY)


def listed(text):
    """The commands of a help text under their headings, and the columns of its widest line."""
    parts = re.findall(r"^(\w[\w ]+):\n((?: .*\n?)+)", text, re.M)
    found = {heading: " ".join(re.findall(r"^  (\w+)  ", rows, re.M)) for heading, rows in parts}
    return found, max(map(len, text.splitlines()))


def test_help_groups_what_a_user_may_want_and_hides_the_rest(tmp_path):
    done = cayley("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: cayley [OPTIONS] COMMAND")
    assert done.stdout.isascii()
    found, widest = listed(done.stdout)
    stages = {name: stage for name, stage in STAGES.items() if not stage.internal and not name.startswith("qpu_")}
    assert found["Whole runs"] == "run config estimate verify"
    assert found["Single stages"].split() == [name for name, stage in stages.items() if not stage.shows]
    assert found["Looking at results"].split() == [*(name for name, stage in stages.items() if stage.shows), "store"]
    assert found["Processor"] == "chat qpu"
    assert widest <= 80
    assert "..." not in done.stdout.partition("Whole runs")[2]  # whole sentences


def test_every_stage_can_be_called_and_only_internal_ones_are_not_listed():
    _add_all()
    commands = typer.main.get_command(app).commands
    stages = {stage for stage in STAGES if not stage.startswith("qpu_")}
    assert stages < set(commands)
    assert {f"qpu_{name}" for name in commands["qpu"].commands} > set(STAGES) - stages
    assert not any(command.hidden for command in commands["qpu"].commands.values())
    assert {name for name, command in commands.items() if command.hidden} == {
        name for name in stages if STAGES[name].internal
    }


@pytest.mark.parametrize("module", ["cayley_adapters", "cayley_adapters.cli"])
def test_python_runs_the_package_as_the_command(tmp_path, module):
    done = cayley("--version", cwd=tmp_path, module=module)
    assert (done.returncode, done.stdout) == (0, f"cayley-adapters {__version__}\n")
    done = cayley("train", "experiment=ci", "run=mine", cwd=tmp_path, module=module)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


def test_a_missing_input_names_the_command_that_makes_it(tmp_path):
    done = cayley("train", "experiment=ci", "run=mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "cayley prepare experiment=ci run=mine" in done.stderr
    assert done.stderr.endswith("Or make all that leads there with: cayley run phase_diagram experiment=ci run=mine\n")
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
def test_mistakes_are_answered_before_anything_heavy_is_loaded(tmp_path, arguments, message):
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from cayley_adapters.cli import main; main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=SAFETY)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    loaded = set(done.stdout.split())
    assert {"pydantic", "cayley_adapters.settings"} <= loaded
    assert not loaded & {
        "torch",
        "transformers",
        "peft",
        "qiskit",
        "numba",
        "pandas",
        "matplotlib",
        "wandb",
        "snakemake",
    }


def test_config_prints_what_would_run(tmp_path):
    done = cayley("config", "experiment=ci", "sweep.noise_scale=0,2", cwd=tmp_path)
    assert "noise_scale: [0.0, 2.0]" in done.stdout


def test_config_prints_every_variant_under_its_name(tmp_path):
    done = cayley("config", "experiment=ci", "noise=fake_fez,fake_boston", cwd=tmp_path)
    assert [line for line in done.stdout.splitlines() if line.startswith("#")] == ["# fake_fez", "# fake_boston"]
    assert (
        done.stdout.index("# fake_boston") < done.stdout.index("variant: fake_boston") < done.stdout.index("FakeBoston")
    )


def test_a_command_for_one_variant_names_those_that_are_given(tmp_path):
    done = cayley("qpu", "status", "experiment=ci", "noise=fake_fez,fake_boston", cwd=tmp_path)
    assert done.returncode == 1
    assert "fake_fez, fake_boston: these are several variants, and one is needed" in done.stderr
