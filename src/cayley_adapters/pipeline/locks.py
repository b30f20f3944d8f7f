"""Who writes to a results folder: one workflow with its jobs, or single commands.

Kernel locks tell them apart, which end with their process, however it ends: nothing has to be unlocked after a kill.
``.lock`` is held by a workflow alone or by commands together, ``.jobs`` by each job of a workflow.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import remove_partial
from cayley_adapters.core.messages import say

if TYPE_CHECKING:
    from cayley_adapters.core.job import Job

__all__ = ["end_with_workflow", "hold_alone", "hold_as_command", "hold_as_job", "hold_as_workflow"]

JOBS_SECONDS = 20.0
"""How long a workflow waits for jobs of one that was killed, which end by themselves (:func:`end_with_workflow`)."""


def hold_as_workflow(folder: Path, bases: Iterable[Path]) -> IO[str]:
    """Take a results folder for a workflow, and clear away what killed processes have left half-written.

    Args:
        folder: of the run.
        bases: of its models.

    Returns:
        A file to keep open: closing it gives the folder up, and so does the end of the process.

    Raises:
        CayleyError: somebody else writes there, or nobody may.
    """
    held = _take(folder / ".lock", fcntl.LOCK_EX)
    _sign(held, "workflow")
    for base in {folder, *bases}:
        _take(base / ".jobs", fcntl.LOCK_EX, JOBS_SECONDS).close()
    remove_partial(folder)
    return held


@contextmanager
def hold_as_command(folder: Path) -> Iterator[None]:
    """Take a results folder for a command beside which others, but no workflow, may write.

    Raises:
        CayleyError: a workflow writes there, or nobody may.
    """
    new = not folder.exists()
    with _take(folder / ".lock", fcntl.LOCK_SH) as held:
        _sign(held, "cayley command")
        try:
            yield
        finally:
            if new and os.listdir(folder) == [".lock"]:  # refused before it wrote anything
                (folder / ".lock").unlink()
                folder.rmdir()


def hold_as_job(base: Path) -> IO[str]:
    """Say that a job of a workflow writes to ``base``, until the returned file is closed or the process ends."""
    return _take(base / ".jobs", fcntl.LOCK_SH)


@contextmanager
def hold_alone(job: Job) -> Iterator[None]:
    """Keep all others from writing a stored job's files; waits, and says so, while another run makes them."""
    path = Path(job.base, "locks", f"{job.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        with suppress(OSError):  # where the file system has no locks, there are none
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                say(f"{job.label}: waits for another run that makes it ({file.read().strip()})")
                fcntl.flock(file, fcntl.LOCK_EX)
        _sign(file, "job")
        yield


def end_with_workflow(seconds: float = 1.0) -> None:
    """End this process and its rule's shell once the workflow that started them is gone, which else they would outlive.

    A second run of the workflow would then write the same files at the same time.
    """
    import psutil

    ancestors = psutil.Process().parents()[:2]  # the rule's shell and Snakemake

    def watch() -> None:
        while all(process.is_running() for process in ancestors):
            time.sleep(seconds)
        with suppress(psutil.NoSuchProcess):
            ancestors[0].kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _take(path: Path, operation: int, seconds: float = 0.0) -> IO[str]:
    """Open a lock file and lock it within ``seconds``; where the file system has no locks, open it only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            file.seek(0)
            raise CayleyError(_busy(path, file.read().strip())) from None
        except OSError:
            pass
        return file


def _busy(path: Path, holder: str) -> str:
    if path.name == ".jobs":
        return (
            f"jobs of an earlier workflow still write to {path.parent}; wait for them, or end them "
            "(on Slurm: scancel --name=ID, with the run's ID from its first lines), and run the same command again"
        )
    kind, _, where = holder.partition(", ")
    return (
        f"another {kind or 'workflow'} is writing to {path.parent}{f' ({where})' if where else ''}; wait for it, or "
        "choose another name with run=NAME"
    )


def _sign(file: IO[str], kind: str) -> None:
    """Leave word for those who find the folder taken."""
    file.truncate(0)
    file.write(f"{kind}, process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
