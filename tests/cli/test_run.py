"""``cayley run``: the one way to start a whole run, and what is answered where habits of other tools are typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safety import SAFETY

from cayley_adapters.cli.habits import refuse_habits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.workflow import snakemake_words
from cayley_adapters.settings import compose, from_snakemake_config, split_overrides

ROOT = Path(__file__).parents[2]


def cayley(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "cayley_adapters", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=SAFETY)


def read_back(words: list[str]) -> dict[str, str]:
    """What Snakemake reads from its own command line."""
    from snakemake.cli import parse_config

    return parse_config(words[words.index("--config") + 1 :])


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["run", "phase_diagram", "--config", "sweep.block_dim=4"], "cayley run phase_diagram sweep.block_dim=4"),
        (
            ["run", "--config", "experiment=ci", "overrides=sweep.block_dim=2,4 train.steps=3"],
            "cayley run experiment=ci sweep.block_dim=2,4 train.steps=3",
        ),
        (
            ["run", "report", "experiment=ci", "overrides=sweep.block_dim=2,4", "train.steps=3"],
            "cayley run report experiment=ci sweep.block_dim=2,4 train.steps=3",
        ),
        (["run", "-m", "sweep.block_dim=2,4"], "cayley run sweep.block_dim=2,4"),
        (["train", "experiment=ci", "--multirun", "train.steps=2,3"], "cayley train experiment=ci train.steps=2,3"),
        (["train", "--cfg", "job", "experiment=ci"], "cayley config experiment=ci"),
        (["run", "phase_diagram", "experiment=ci", "-c", "job"], "cayley config experiment=ci"),
        (["--debug", "run", "phase_diagram", "--cfg=job"], "cayley --debug config"),
        (["run", "-C", "run=a b", "--", "-m"], "cayley run 'run=a b' -- -m"),
    ],
)
def test_habits_are_answered_with_the_whole_command(words: list[str], typed: str) -> None:
    with pytest.raises(CayleyError) as caught:
        refuse_habits(words)
    assert str(caught.value).endswith(f"; type: {typed}")


@pytest.mark.parametrize(
    "words", [["run", "report", "-n"], ["chat", "--prompt", "x"], ["run", "--", "--config", "a=1"]]
)
def test_what_is_no_such_habit_is_left_alone(words: list[str]) -> None:
    refuse_habits(words)


@pytest.mark.parametrize(
    "overrides",
    [
        {"sweep.block_dim=2,4": ""},
        {"train.steps=3": "", "run=mine": ""},
        {"data.train='a: b.txt'": "", "data=text": ""},
        {"qpu.text=a few words": "qpu.text='a few words'", "data.train='a #1.txt'": ""},
        {"train.targets=[v_proj, o_proj]": ""},
        {"noise.layout={a: 1}": ""},
        {"run='it\\'s'": "", 'title="x: y"': ""},
    ],
)
def test_snakemake_reads_the_overrides_that_were_typed(overrides: dict[str, str], monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    config = read_back(snakemake_words(["report"], "ci", list(overrides)))
    assert config["experiment"] == "ci"
    assert split_overrides(config["overrides"]) == [read or typed for typed, read in overrides.items()]


def test_white_space_that_cannot_be_told_from_that_between_overrides_is_refused() -> None:
    with pytest.raises(CayleyError, match="white space outside of quotes"):
        snakemake_words(["report"], None, ["sweep.block_dim=2, 4"])


def test_the_same_configuration_reaches_the_workflow(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    words = snakemake_words(["phase_diagram"], "ci", ["sweep.block_dim=2,8", "run=mine"], cores=3)
    assert words[:3] == ["phase_diagram", "--cores", "3"]
    assert not {"--snakefile", "--workflow-profile"} & set(words)
    assert from_snakemake_config(read_back(words)) == compose("ci", ["sweep.block_dim=2,8", "run=mine"])


def test_a_profile_of_a_cluster_says_how_many_jobs_there_are(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = snakemake_words(["report"], None, [], profile="slurm")
    assert "--cores" not in words
    assert words[words.index("--workflow-profile") + 1] == str(ROOT / "profiles/slurm")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/config.yaml").write_text("jobs: 3")
    words = snakemake_words(["report"], None, [], cores=2, profile="own")
    assert words[words.index("--workflow-profile") + 1] == str(tmp_path / "own")
    with pytest.raises(CayleyError, match=r"did you mean 'slurm'.*folder of one of your own"):
        snakemake_words(["report"], None, [], profile="slrum")


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["phase_diagrm"], ["did you mean 'phase_diagram'", "entanglement"]),
        (["experiment=cii"], ["did you mean 'ci'"]),
        (["train.steps", "5"], ["train.steps: is no override; type key=value"]),
        (["sweep.blok_dim=2"], ["did you mean 'sweep.block_dim'"]),
    ],
)
def test_what_is_misspelt_is_answered_before_snakemake_starts(words: list[str], fragments: list[str], tmp_path) -> None:
    done = cayley("run", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert [fragment for fragment in fragments if fragment not in done.stderr] == [], done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_whole_run_is_planned_from_any_folder_whatever_lies_in_it(tmp_path: Path) -> None:
    for name in ("conf/config.yaml", "profiles/default/config.yaml", "Snakefile", "yaml.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemExit('a file of somebody else is run')")
    done = cayley("run", "experiment=ci", "sweep.block_dim=2,4", "run=mine", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    called = done.stderr.splitlines()[0]
    assert called.startswith("snakemake phase_diagram --cores ")
    assert called.endswith("--dry-run --config experiment=ci 'overrides=sweep.block_dim=2,4 run=mine'")
    assert "This was a dry-run" in done.stdout
    assert not (tmp_path / "results").exists()


def test_further_words_are_snakemakes_own(tmp_path: Path) -> None:
    done = cayley("run", "report", "experiment=ci", "-n", "--", "--forceall", "--jobs", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--dry-run --forceall --jobs 3 --config experiment=ci" in done.stderr
