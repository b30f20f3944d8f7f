"""How fast this machine is: a short measurement, kept in the cache until the machine or the libraries change."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
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


def measure_speeds() -> dict[str, float]:
    """Measure this machine on one thread, and keep the result.

    Returns:
        ``start``: seconds of a process that imports the libraries; ``matmul``: of one floating point operation in a
        matrix product.
    """
    found = {"start": _start_seconds(), "matmul": _product_seconds()}
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


def _product_seconds(seconds: float = 2.0) -> float:
    """CPU seconds of an operation in the fastest of the products of a language model that fit into some seconds.

    CPU time and its minimum are less disturbed by what else runs than wall time and its mean.
    """
    import torch

    from cayley_adapters.models.base import set_threads

    set_threads(1)
    x, w = torch.randn(256, 1024), torch.randn(2048, 1024)
    best, end = float("inf"), time.thread_time() + seconds
    while time.thread_time() < end:
        start = time.thread_time()
        torch.nn.functional.linear(x, w)
        best = min(best, time.thread_time() - start)
    return best / (2 * 256 * 1024 * 2048)
