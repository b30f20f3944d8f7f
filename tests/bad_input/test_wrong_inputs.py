"""Each row of the table of wrong inputs gets one plain answer, as words of ``cayley`` and as overrides of Snakemake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from safety import SAFETY

from cayley_adapters import cli
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.settings import from_snakemake_config, split_overrides

REPOSITORY = Path(__file__).resolve().parents[2]
TABLE: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("wrong_inputs.yaml").read_text(encoding="utf-8"))


SPLIT = [row for row in TABLE if "by" not in row]
WHOLE = [row for row in TABLE if "by" in row] + SPLIT[::12]


def missing(row: dict[str, Any], text: str) -> list[str]:
    return [fragment for fragment in row["says"] if fragment not in text]


def test_the_table_is_large_and_its_names_are_its_own() -> None:
    assert len(TABLE) >= 250
    assert len({row["id"] for row in TABLE}) == len({row["given"] for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", SPLIT, ids=[row["id"] for row in SPLIT])
def test_a_wrong_input_says_what_is_allowed(row: dict[str, Any], material: Path, refused: Callable[..., str]) -> None:
    text = refused(material, "train", "--", "experiment=ci", *split_overrides(row["given"]))
    assert missing(row, text) == [], text
    assert len(text) < 2800


@pytest.mark.parametrize("row", WHOLE, ids=[row["id"] for row in WHOLE])
def test_snakemake_is_given_the_same_answer(row: dict[str, Any], material: Path, monkeypatch) -> None:
    monkeypatch.chdir(material)
    with pytest.raises(CayleyError) as caught:
        require_feasible(from_snakemake_config({"experiment": "ci", "overrides": row["given"]}))
    assert missing(row, str(caught.value)) == []


@pytest.mark.parametrize(
    ("config", "fragments"),
    [
        ({"experiment": "nope"}, ["unknown experiment", "known: "]),
        ({"experiment": None}, ["read null", "text is needed"]),
        ({"experiment": 3}, ["read 3 as int"]),
        ({"overrides": {"a": 1}}, ["as dict", "no space after a colon"]),
        ({"overrides": ["train.steps=3"]}, ["as list"]),
        ({"overides": "train.steps=3"}, ["unknown key 'overides'", "did you mean 'overrides'?"]),
        ({"train.steps": "3"}, ['overrides="train.steps=3"']),
        ({"configfile": "/etc/passwd"}, ["unknown key 'configfile'"]),
    ],
)
def test_keys_of_snakemake(config: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(CayleyError) as caught:
        from_snakemake_config(config)
    assert [fragment for fragment in fragments if fragment not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("command", "fragments"),
    [
        (["experiment=quikstart"], ["did you mean 'quickstart'?", "experiment=NAME"]),
        (["experiment="], ["unknown experiment ''"]),
        (["experiment=ci", "experiment=quickstart"], ["more than once (ci, quickstart)", "give one"]),
        (["experiment=ci", "train.steps"], ["is no override", "key=value"]),
        (["experiment=ci", "run=\udcff"], ["cannot be read", "run='…'"]),
        (["experiment=\udcff"], ["unknown experiment"]),
        (["experiment=ci", "questions=jsonl", "questions.path='\udcff.jsonl'"], ["printable"]),
    ],
)
def test_words_of_a_command(command: list[str], fragments: list[str], tmp_path: Path, refused) -> None:
    text = refused(tmp_path, "train", *command)
    assert [fragment for fragment in fragments if fragment not in text] == [], text


@pytest.mark.parametrize(
    ("command", "fragments"),
    [
        (["qpu", "status"], ["nothing was sent to a processor yet", "cayley qpu submit"]),
        (["qpu", "resolve", "tag"], ["give one of --adopt JOB and --resubmit"]),
        (["qpu", "resolve", "tag", "--adopt", "j", "--resubmit"], ["give one of --adopt JOB and --resubmit"]),
        (["qpu", "resolve", "\udcff", "--resubmit"], ["nothing was sent to a processor yet"]),
        (["qpu", "collect"], ["needs", "Make it with: cayley qpu plan"]),
        (["chat", "--executor", "quantum"], ["exact, noisy"]),
        (["compare"], ["one map has nothing to be compared with", "model="]),
        (["estimate", "--target", "everything"], ["everything"]),
        (["phase_diagram"], ["needs", "Make it with: cayley"]),
    ],
)
def test_other_commands(command: list[str], fragments: list[str], tmp_path: Path, refused) -> None:
    text = refused(tmp_path, *command, "experiment=ci")
    assert [fragment for fragment in fragments if fragment not in text] == [], text


@pytest.mark.parametrize(
    "words", [["trian"], ["train", "--steps", "3"], ["estimate", "--cores", "0"], ["qpu", "resolve"]]
)
def test_wrong_options_are_answered_by_usage(words: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["cayley", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    text = capsys.readouterr().err
    assert left.value.code == 2
    assert "--help" in text
    assert "Error: " in text
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []


def test_a_defect_is_one_sentence_that_asks_for_a_report(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["cayley", "config", "experiment=ci"])
    monkeypatch.setattr("cayley_adapters.settings.compose", lambda *_: {}["nothing of that name"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    [line] = capsys.readouterr().err.splitlines()
    assert left.value.code == 1
    assert line == (
        "error: this is a defect of cayley-adapters (KeyError: 'nothing of that name'); please report it with all that "
        "this prints: cayley --debug config experiment=ci"
    )


def command(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=os.environ | environment, timeout=SAFETY)


def test_debug_shows_the_traceback_of_the_real_command(tmp_path: Path) -> None:
    cayley = (sys.executable, "-c", "from cayley_adapters.cli import main; main()")
    plain = command(*cayley, "train", "run=a/b", cwd=tmp_path)
    traced = command(*cayley, "--debug", "train", "run=a/b", cwd=tmp_path)
    asked = command(*cayley, "train", "run=a/b", cwd=tmp_path, CAYLEY_DEBUG="1")
    assert (plain.returncode, traced.returncode, asked.returncode) == (1, 1, 1)
    assert plain.stderr.startswith("error: run=a/b: must begin")
    assert plain.stdout == ""
    for done in (traced, asked):
        assert done.stderr.startswith("Traceback")
        assert done.stderr.endswith(plain.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "fragment"),
    [("train.steps=-1", "train.steps=-1: must be"), ("noise.layout=[0,9]", "no usable coupler")],
)
def test_snakemake_stops_before_the_graph_is_built(overrides: str, fragment: str, tmp_path: Path) -> None:
    words = ["--directory", str(tmp_path), "--cores", "1", "-n", "--config", "experiment=ci", f"overrides={overrides}"]
    done = command(
        sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"), *words, cwd=REPOSITORY
    )
    assert done.returncode != 0
    assert fragment in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(tmp_path.rglob("results"))
