"""Ctrl-C and SIGTERM: a sentence at once, and an end within seconds whatever runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from cayley_adapters.core.files import PARTIAL

BUSY = {
    "in Python": "time.sleep(600)",
    # No handler of Python runs before this has ended.
    "in a library": "hashlib.pbkdf2_hmac('sha256', b'', b'', 2 * 10**9)",
}
CODE = """
import hashlib, subprocess, sys, time
from cayley_adapters.core.files import atomic_file
from cayley_adapters.pipeline.signals import leaving_on_signals
with leaving_on_signals("Stopped. Run it again."), atomic_file(sys.argv[1]) as file:
    child = subprocess.Popen(["bash", "-c", "trap '' TERM; for i in {{1..60}}; do sleep 1; done"], stderr=-3)
    time.sleep(1)
    print(child.pid, flush=True)
    {busy}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("busy", BUSY)
def test_a_signal_ends_a_command_and_what_it_has_started(tmp_path, number, busy):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(busy=BUSY[busy]), str(tmp_path / "table.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = psutil.Process(int(process.stdout.readline()))
    start = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - start < (20 if os.environ.get("CI") else 5)
    assert process.returncode == 128 + number
    assert said == "Stopped. Run it again.\n"
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not (tmp_path / "table.csv").exists()
    assert busy == "in a library" or not list(tmp_path.glob(f"{PARTIAL}*"))


def test_handlers_are_put_back():
    from cayley_adapters.pipeline.signals import leaving_on_signals

    before = signal.getsignal(signal.SIGINT)
    with leaving_on_signals("x"):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
