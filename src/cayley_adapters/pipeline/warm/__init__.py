"""Jobs start in copies of a process that has loaded the heavy libraries: loading them takes longer than many a job.

A workflow starts the server (:mod:`.server`), each rule's shell the client (:mod:`.client`). Where no server answers,
or a job's own process would load other things, the job starts by itself: ``python -m cayley_adapters.pipeline.run``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

__all__ = ["ADDRESS", "serve_jobs", "start_server"]

ADDRESS = "CAYLEY_JOB_SERVER"
"""Environment variable: the server's socket, where there is one."""

LIBRARIES = ("peft", "transformers.models.llama.modeling_llama", "hydra.utils", "numba", "pandas")
"""What takes most of a job's start: torch with the Python half of its compiler, then all others together.

W&B must not be among them: it makes a temporary folder when it is loaded, which the first copy would take away.
"""

MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=4294967296"
"""What a job tells the C library of its memory: large pages, and none handed back between two steps. Else activations
of each step are mapped and cleared anew, page by page, which took a fifth of a training."""

WORTH = 4
"""Jobs at which a server's own start has paid."""


def serve_jobs(threads: Collection[int]) -> None:
    """Let the jobs that this process will start keep their memory, and be served, where they are enough of them.

    Args:
        threads: of each job. Libraries read it when they are loaded: jobs of a rarer number load their own.
    """
    os.environ.setdefault("GLIBC_TUNABLES", MEMORY)
    if len(threads) >= WORTH and ADDRESS not in os.environ:
        os.environ[ADDRESS] = start_server(max(threads, key=list(threads).count), os.environ)


def start_server(threads: int, environment: Mapping[str, str]) -> str:
    """Start a server that ends with this process, however this ends, and return its address.

    Jobs start by themselves until it has loaded the libraries, and after it has failed: what it says nobody needs.

    Args:
        threads: that its jobs compute with.
        environment: that of its jobs, but for what concerns neither libraries nor threads.
    """
    folder = tempfile.mkdtemp(prefix="cayley-")  # this user's alone: who can reach the server can start programs
    address = os.path.join(folder, "jobs")
    command = [sys.executable, "-P", str(Path(__file__).with_name("server.py")), address, str(threads), *LIBRARIES]
    # Its input ends when this process does, and then it does as well.
    # What jobs will be told of their memory it has to have been told itself, or it serves none of them.
    environment = {"GLIBC_TUNABLES": MEMORY, **environment}
    started = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _servers.append(started)
    return address


_servers: list[subprocess.Popen[bytes]] = []
"""Held, since a pipe that nobody holds is closed."""
