"""What each job took: a small file beside its log, from which predictions can be checked and fitted."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import PARTIAL, write_file

if TYPE_CHECKING:
    from cayley_adapters.core.job import Job

__all__ = ["log_path", "read_records", "record_path", "write_record"]

SERVED = "CAYLEY_JOB_SERVED"
"""Environment variable that a job finds set which was started by :mod:`~cayley_adapters.pipeline.warm.server`."""


def record_path(job: Job) -> Path:
    """Where a job's record lies: ``{base}/logs/train-ratio0.2-d4-seed0.json``."""
    return Path(job.base, "logs", f"{job.name}.json")


def log_path(job: Job) -> Path:
    """Where its rule keeps a job's log: beside its record."""
    return record_path(job).with_suffix(".log")


def write_record(job: Job) -> None:
    """Write what this process has taken since it was started, imports included; for a job that is done.

    ``seconds`` is wall time, ``cpu_seconds`` that of all cores, user and system, children included; ``memory_mb`` the
    largest resident set of the process, in MiB. Where it was ``served``, it started with the libraries loaded.
    """
    import psutil

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    started = psutil.Process().create_time()
    record = {
        "stage": job.stage,
        "cell": dict(job.cell),
        "started": round(started, 1),
        "seconds": round(max(0.0, time.time() - started), 2),
        "cpu_seconds": round(sum(item.ru_utime + item.ru_stime for item in used), 2),
        "memory_mb": round(_peak_memory() / 2**20),
        "served": SERVED in os.environ,
    }
    write_file(record_path(job), json.dumps(record) + "\n")


def _peak_memory() -> int:
    """Largest resident set of this process, bytes."""
    if sys.platform == "linux":  # where ru_maxrss starts at what the process that started this one held
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 2**10 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def read_records(base: Path) -> Iterator[dict[str, Any]]:
    """The records of a results folder.

    Raises:
        CayleyError: there are none.
    """
    # Neither is what a killed job left half-written, nor a link to what is not made yet.
    paths = sorted((base / "logs").glob("*.json"))
    found = [path for path in paths if path.exists() and not path.name.startswith(PARTIAL)]
    if not found:
        raise CayleyError(f"{base} has no record of a job in logs/; run the workflow there first")
    for path in found:
        yield json.loads(path.read_text(encoding="utf-8"))
