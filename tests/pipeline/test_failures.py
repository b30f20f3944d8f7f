"""Out of memory, a full disk and a job that dies end in a sentence with the job, its log and the remedy."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from safety import SAFETY

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.failures import LOWER, death, explain
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import fields


def fill_a_device():
    with open("/dev/full", "w") as file:
        file.write("x")


def save_tensors():
    from safetensors import SafetensorError

    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")  # as it says it


def fill_a_database():
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA max_page_count = 2")
    for number in range(99):
        database.execute(f"CREATE TABLE t{number} (x)")


def fill_memory():
    np.empty(2**57)


def fill_memory_with_torch():
    import torch

    torch.empty(2**57)


def raise_from_a_full_disk():
    try:
        fill_a_device()
    except OSError as error:
        raise ValueError("the picture could not be saved") from error


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (fill_a_device, "the disk is full"),
        (save_tensors, "the disk is full"),
        (fill_a_database, "the disk is full"),
        (raise_from_a_full_disk, "the disk is full"),
        (fill_memory, "out of memory"),
        (fill_memory_with_torch, "out of memory"),
    ],
)
def test_what_a_library_raises_is_explained(cause, said):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each library has its own class
        cause()
    text = explain(caught.value, "train")
    assert text.startswith(said)
    assert "run the same command again" in text
    assert ("train.batch_windows" in text) == (said == "out of memory")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied (/data/results)"),
        (errno.ENOMEM, "out of memory"),
    ],
)
def test_what_the_system_says_is_explained(number, said):
    assert said in explain(OSError(number, os.strerror(number), "/data/results"))


def test_other_errors_keep_their_traceback():
    assert explain(ValueError("a block needs 3 qubits")) is None
    assert explain(FileNotFoundError(errno.ENOENT, "No such file or directory", "x")) is None
    assert explain(CayleyError("no space left for a joke")) == "no space left for a joke"


def test_what_to_lower_can_be_set():
    assert set(LOWER) <= set(STAGES)
    for text in LOWER.values():
        assert {word.strip(",").partition("=")[0] for word in text.split() if "." in word} <= set(fields())


@pytest.mark.parametrize(
    ("ending", "status", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", 137, "SIGKILL (exit status 137): by the kernel or the batch system"),
        ("import os; os.abort()", 134, "SIGABRT"),
        ("import sys; sys.exit('OpenBLAS error: Memory allocation still failed')", 1, "out of memory. Free memory"),
        ("x", 1, "see above"),
    ],
)
def test_a_rules_shell_says_why_its_job_died(tmp_path, ending, status, said):
    """The way of workflow/rules/common.smk, with another program in the job's place."""
    log = tmp_path / "train-ratio0.3-d4-seed0.log"
    shell = 'set -o pipefail; "$0" -c "$1" 2>&1 | tee "$2"'
    shell += ' || "$0" -m cayley_adapters.pipeline.failures "$2" ${PIPESTATUS[*]}'
    command = ["bash", "-c", shell, sys.executable, ending, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY)
    assert done.returncode == status
    assert "error: train-ratio0.3-d4-seed0 failed: " in done.stderr
    assert said in done.stderr
    assert str(log) in done.stderr
    assert said in log.read_text()


def test_a_log_that_cannot_be_written_fails_its_job(tmp_path):
    log = tmp_path / "absent" / "train.log"
    shell = 'set -o pipefail; echo | tee "$1" || "$0" -m cayley_adapters.pipeline.failures "$1" ${PIPESTATUS[*]}'
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable, str(log)], capture_output=True, text=True, timeout=SAFETY
    )
    assert done.returncode == 1
    assert "error: train failed: its log could not be written" in done.stderr


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_command_that_may_not_write_says_so(tmp_path, debug):
    """With files of at most 1 KiB, which a user without root can have as well as a full disk."""
    code = "from cayley_adapters.cli import main; main()"
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 1; "$0" -c "$1" configure experiment=ci', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=SAFETY,
        cwd=tmp_path,
        # Python would keep compiled modules that are cut short, and coverage its data.
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name}
        | {"CAYLEY_DEBUG": debug, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    assert "error: a file became larger than is allowed (" in done.stderr
    assert ("Traceback" in done.stderr) == bool(debug)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == set()


def test_only_signals_are_deaths():
    assert death(1) is None
    assert death(250) is None
    assert "SIGTERM" in death(143)
