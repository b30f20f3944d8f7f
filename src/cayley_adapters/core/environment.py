"""What the last digits of a number depend on beside its settings: packages, interpreter, processor and commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

__all__ = ["MACHINE", "NUMERIC", "commit", "environment", "gpu", "packages", "processor"]

NUMERIC = (
    *("torch", "transformers", "tokenizers", "safetensors", "peft", "accelerate", "gguf", "datasets", "tensorly"),
    *("qiskit", "qiskit-aer", "qiskit-ibm-runtime", "rustworkx", "numpy", "scipy", "numba", "llvmlite", "pandas"),
)
"""Packages that numbers come from."""

MACHINE = ("python", "system", "libc", "processor", "instructions", "variables")
"""Keys of an environment that make up the class of a machine: within one, results are the same to the byte."""

INSTRUCTIONS = (
    *("sse4_2", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"),
    *("asimd", "sve", "sve2"),
)
"""Flags of a processor by which libraries choose their kernels."""

VARIABLES = (
    *("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ONEDNN_MAX_CPU_ISA"),
    *("DNNL_MAX_CPU_ISA", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"),
    *("ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG"),
)
"""What in a shell overrides that choice."""


def environment() -> dict[str, Any]:
    """What runs this process, without anything that names a machine, a folder or a person.

    Returns:
        The keys of :data:`MACHINE`, ``packages`` (name → version) and ``commit`` (see :func:`commit`).
    """
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "processor": processor(),
        "instructions": " ".join(name for name in INSTRUCTIONS if name in _cpuinfo().get("flags", "").split()),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": packages(),
        "commit": commit(),
    }


def gpu() -> str | None:
    """The GPU that this process has used; None if none."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_initialized() else None


def processor() -> str:
    """The processor's name and model numbers; :func:`platform.processor` is empty on Linux."""
    known = _cpuinfo()
    if not known:
        return platform.processor() or platform.machine()
    return " ".join(known.get(name, "") for name in ("model name", "cpu family", "model", "stepping")).strip()


@cache
def _cpuinfo() -> dict[str, str]:
    """What Linux says of a processor; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return known | {"flags": known.get("flags", known.get("Features", ""))}


@cache
def packages() -> dict[str, str]:
    """Installed versions of this package and of all that it requires, directly or not, by normalised name."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    waiting, seen = [("cayley-adapters", "")], set()
    waiting += [(name, "") for name in NUMERIC]
    while waiting:
        name, extra = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if (key, extra) in seen:
            continue
        seen.add((key, extra))
        try:
            metadata = distribution(name).metadata  # parsed each time that it is asked for
        except PackageNotFoundError:
            continue
        found[key] = metadata["Version"]
        for line in metadata.get_all("Requires-Dist") or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                waiting += [(wanted.name, item) for item in ("", *wanted.extras)]
    return dict(sorted(found.items()))


@cache
def commit() -> str | None:
    """Git's commit of this library's source, with ``-dirty`` behind it where tracked files differ from it.

    None where it does not run from a repository that tracks it, or without git.
    """
    folder = Path(__file__).parent
    # A hook of git's own sets GIT_DIR and the like, which would name another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=variables).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
    except (OSError, subprocess.CalledProcessError):
        return None
