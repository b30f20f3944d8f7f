"""Ctrl-C and SIGTERM: a sentence, and an end whatever runs, although that would never end by itself.

``benchmarks/bench_waiting.py`` says how soon.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest
from safety import SAFETY

from cayley_adapters.core.files import PARTIAL

BUSY = {
    "in Python": "threading.Event().wait()",
    # A lock that is taken twice: the call never returns, and no handler of Python runs before it has.
    "in a library": "[ctypes.CDLL(None).pthread_mutex_lock(mutex) for _ in range(2)]",
}
CODE = """
import ctypes, subprocess, sys, threading
from cayley_adapters.core.files import atomic_file
from cayley_adapters.pipeline.signals import leaving_on_signals
with leaving_on_signals("Stopped. Run it again."), atomic_file(sys.argv[1]) as file:
    mutex = ctypes.create_string_buffer(64)
    stubborn = "trap '' TERM; echo deaf; for i in {{1..{safety}}}; do sleep 1; done"
    child = subprocess.Popen(["bash", "-c", stubborn], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    child.stdout.readline()
    print(child.pid, flush=True)
    {busy}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("busy", BUSY)
def test_a_signal_ends_a_command_and_what_it_has_started(tmp_path, number, busy):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(busy=BUSY[busy], safety=SAFETY), str(tmp_path / "table.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = psutil.Process(int(process.stdout.readline()))
    process.send_signal(number)
    _, said = process.communicate(timeout=SAFETY)
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
