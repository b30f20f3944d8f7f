"""Hints repeat the words that were typed, in the process that reads them and in those that run its jobs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from safety import SAFETY

from cayley_adapters.core.hints import WORDS, command, typed


@pytest.fixture(autouse=True)
def no_words(monkeypatch):
    monkeypatch.setenv(WORDS, "")


def test_a_hint_without_words_is_the_command_alone():
    assert command("qpu submit") == "cayley qpu submit"


def test_words_follow_and_can_be_pasted():
    typed(["experiment=ci", "qpu.text=it's here", "sweep.block_dim=2,4"])
    hint = command("qpu resolve", "TAG", "--adopt", "JOB")
    parsed = subprocess.run(["sh", "-c", f"printf '%s\\n' {hint}"], capture_output=True, text=True, timeout=SAFETY)
    assert parsed.stdout.splitlines() == [
        *("cayley", "qpu", "resolve", "TAG", "--adopt", "JOB"),
        *("experiment=ci", "qpu.text=it's here", "sweep.block_dim=2,4"),
    ]


def test_a_jobs_process_knows_the_words():
    typed(["experiment=ci"])
    code = "from cayley_adapters.core.hints import command; print(command('train'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SAFETY)
    assert done.stdout == "cayley train experiment=ci\n"


@pytest.mark.parametrize("words", [["qpu", "status"], ["qpu", "resolve", "cayley-none-1", "--resubmit"]])
def test_a_processors_commands_name_the_run_that_was_asked_for(tmp_path, words):
    arguments = [sys.executable, "-m", "cayley_adapters", *words, "experiment=ci", "qpu.shots=300"]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, timeout=SAFETY)
    assert done.returncode == 1
    assert "cayley qpu submit experiment=ci qpu.shots=300" in done.stderr
