"""``server.py ADDRESS THREADS LIBRARY…``: load the libraries, then fork for each job that a client asks for.

It is run as a file and loads nothing of this package: a job finds the package where its own command would have.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import re
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["main"]

STANDARD_INPUT = 0

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
"""Who looks for ``…_NUM_THREADS`` when loaded."""

COPIED = {"jemalloc_bg_thd"}
"""Threads that their library starts again in a copy of the process."""

IGNORED = re.compile(r"CAYLEY_\w+|OLDPWD|PWD|PYTHONPATH|SHLVL|\w+_THREADS|TE?MP(DIR)?|_")
"""Environment variables that no library reads when it is loaded, or that are read anew in each job."""


def main() -> None:
    """Serve until the standard input ends; returns earlier in a job's own process, once the job has run."""
    address, threads, *libraries = sys.argv[1:]
    environment, server = dict(os.environ), os.getpid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        os.environ.update({f"{name}_NUM_THREADS": threads for name in THREADS})
        for library in libraries:
            importlib.import_module(library)
        connection = _next_job(address) if _threads() <= COPIED else None
    finally:
        if os.getpid() == server:
            shutil.rmtree(os.path.dirname(address), ignore_errors=True)
    if connection:
        _attend(connection, threads, environment)


def _next_job(address: str) -> socket.socket | None:
    """Fork for each client; returns its connection in each new process, and None in the server, in the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen(256)
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for jobs
        while STANDARD_INPUT not in select.select([listener.fileno(), STANDARD_INPUT], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, before)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                return connection
            connection.close()
    return None


def _threads() -> set[str]:
    """Names of this process's threads but the first: a copy has none of them, and may wait for them."""
    numbers = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
    return {Path("/proc/self/task", number, "comm").read_text().strip() for number in numbers}


def _attend(connection: socket.socket, threads: str, environment: dict[str, str]) -> None:
    """Start the job that a client asks for, and say how it ended; end it if the client goes.

    Returns in the job's own process.
    """
    asked, files = _received(connection)
    read, write = os.pipe()
    job = os.fork()
    if job == 0:
        os.close(read)
        connection.close()
        _become(asked, files, threads, environment)
        return
    for file in (write, *files):
        os.close(file)
    ready, _, _ = select.select([connection.fileno(), read], [], [])
    if read not in ready:
        os.kill(job, signal.SIGKILL)
    _, status = os.waitpid(job, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request, one line of JSON, and the files that come with it: standard input, output and error."""
    text, files = b"", array.array("i")
    while not text.endswith(b"\n"):
        data, more, _, _ = socket.recv_fds(connection, 2**16, 3)
        if not data:
            os._exit(0)
        text += data
        files.extend(more)
    return json.loads(text), list(files)


def _become(asked: dict[str, Any], files: list[int], threads: str, environment: dict[str, str]) -> None:
    """Be the process that the client would have started."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None  # where that is, the environment tells
    module, arguments = asked["module"], asked["arguments"]
    differing = {name for name, _ in environment.items() ^ os.environ.items()}
    if asked["threads"] != threads or not all(map(IGNORED.fullmatch, differing)):
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    os.environ["CAYLEY_JOB_SERVED"] = "1"
    sys.argv[1:], sys.path[:] = arguments, asked["path"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
