"""Ctrl-C and SIGTERM: say how to go on, take along what was started, and leave within seconds."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cayley_adapters.core.messages import say

__all__ = ["leaving_on_signals", "stop_on_signals"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 1.3
"""What started processes, and this one, have to end by themselves."""


def stop_on_signals(sentence: str) -> threading.Event:
    """Let this process, a workflow, say ``sentence``, end its jobs and raise KeyboardInterrupt on a signal.

    Returns:
        What is set from then on.
    """
    stopped = threading.Event()

    def handle(number: int, frame: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)  # a second one ends it where it is
        stopped.set()
        say(sentence)
        threading.Thread(target=_end_children, daemon=True).start()
        raise KeyboardInterrupt

    for each in SIGNALS:
        signal.signal(each, handle)
    return stopped


@contextmanager
def leaving_on_signals(sentence: str) -> Iterator[None]:
    """Within, a signal prints ``sentence`` at once and ends this process with status 128 and the signal's number.

    It ends at the next instruction of Python, or a little later wherever it is: a long call into a library lets no
    handler run, but files appear whole or not at all.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    received, left = threading.Event(), threading.Event()

    def watch() -> None:
        number = next((byte[0] for byte in iter(lambda: os.read(read, 1), b"") if byte[0] in SIGNALS), None)
        os.close(read)
        if number is not None:
            say(sentence)
            _end_children()
            left.wait(GRACE_SECONDS)
            os._exit(128 + number)

    def handle(number: int, frame: object) -> None:
        received.set()
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, handle) for each in SIGNALS}
    older = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        left.set()
        if received.is_set():
            watcher.join()  # it has the last word
        signal.set_wakeup_fd(older)
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(write)


def _end_children() -> None:
    """Ask all that this process has started to end, and after a while make it."""
    import psutil

    children = psutil.Process().children(recursive=True)
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        for child in children:
            try:
                child.send_signal(wanted)
            except psutil.NoSuchProcess:
                continue
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(child.is_running() for child in children):
            time.sleep(0.05)
