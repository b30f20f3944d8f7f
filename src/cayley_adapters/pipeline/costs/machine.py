"""How fast this machine is: a short measurement, kept in the cache until the machine or the libraries change."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cayley_adapters.core.environment import processor
from cayley_adapters.core.files import atomic_file, cache_directory

__all__ = ["PACKAGES", "kept_speeds", "machine_key", "measure_speeds"]

PACKAGES = ("torch", "numba", "transformers", "peft", "numpy")
"""Whose versions a measurement is good for."""

IMPORTS = "import torch, transformers.models.llama.modeling_llama, peft, numba"


def machine_key() -> dict[str, Any]:
    """What a measurement is good for: processor, cores and the versions of the libraries that do the work."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def kept_speeds() -> dict[str, float] | None:
    """What was measured on this machine before; None if nothing was, or if it or its libraries have changed."""
    try:
        return {name: float(value) for name, value in json.loads(_path().read_text(encoding="utf-8"))["speeds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def measure_speeds(progress: Callable[[int, int, str], None] | None = None) -> dict[str, float]:
    """Measure this machine on one thread, and keep the result.

    Returns:
        Kind of work → seconds a unit: ``matmul`` a floating point operation of a float32 product, ``double`` one of a
        float64 eigendecomposition, ``elements`` a number of an elementwise operation, ``dispatch`` a call of a small
        operation, ``python`` a unit of interpreted work, ``slices1`` to ``slices3`` a slice through the noisy circuits
        of so many qubits, ``sampled`` a sampled outcome, ``synthesis`` a three-qubit block's circuit, ``einsum`` a
        multiplication by NumPy, ``memory`` a byte read from a cached file, ``start`` a process that imports the
        libraries.
    """
    from cayley_adapters.pipeline.costs import probes

    found: dict[str, float] = {"start": _start_seconds()}
    for done, (name, probe) in enumerate(probes.PROBES.items()):
        found |= probe()
        if progress:
            progress(done + 1, len(probes.PROBES), name)
    with atomic_file(_path()) as temporary:
        temporary.write_text(json.dumps({"machine": machine_key(), "speeds": found}, indent=1) + "\n", encoding="utf-8")
    return found


def _path() -> Path:
    digest = hashlib.sha256(json.dumps(machine_key(), sort_keys=True).encode()).hexdigest()[:16]
    return cache_directory() / "speeds" / f"{digest}.json"


def _start_seconds() -> float:
    """CPU seconds of a process that imports the libraries; the second of two, for the first may read from disk."""
    import resource

    seconds = 0.0
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", IMPORTS], check=True, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds


def cpu_seconds(task: Callable[[], Any], least: float = 0.3) -> float:
    """CPU seconds of one call of a task on this thread, the smallest of repetitions that take ``least`` together.

    CPU time and its minimum are less disturbed by what else runs than wall time and its mean.
    """
    task()  # compiles and warms caches
    best, spent = float("inf"), 0.0
    while spent < least:
        start = time.thread_time()
        task()
        taken = time.thread_time() - start
        best, spent = min(best, taken), spent + max(taken, 1e-6)
    return best
