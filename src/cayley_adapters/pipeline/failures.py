"""What to say when memory, disk or a package is missing, or a process dies: what happened, and what to do."""

from __future__ import annotations

import errno
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

from cayley_adapters.core.errors import CayleyError, causes
from cayley_adapters.core.extras import lacking
from cayley_adapters.core.hints import command

__all__ = ["begin", "death", "explain", "main"]

AGAIN = "then run the same command again: finished work is kept"
LOWER = {
    "compress": "data.calibration_windows or data.window",
    "teacher": "train.batch_windows, train.distillation_top_k or data.window",
    "heal": "data.window, or type heal.weights=lora",
    "train": "train.batch_windows or data.window",
    "control": "train.batch_windows or data.window",
    "reference": "evaluate.batch_windows or data.window",
    "baseline": "evaluate.batch_windows or data.window",
    "evaluate": "evaluate.batch_windows or data.window",
    "evaluate_identity": "evaluate.batch_windows or data.window",
    "evaluate_control": "evaluate.batch_windows or data.window",
}
"""Stage → the settings that its memory grows with."""

DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EFBIG: "a file became larger than is allowed",
}
NO_MEMORY = re.compile(
    r"out of memory|allocate .*memory|memory allocation|bad_alloc|not enough memory|failed to map segment", re.I
)
NO_SPACE = re.compile(r"disk is full|no space left", re.I)


def explain(error: BaseException, stage: str = "") -> str | None:
    """Say what an error means and what to do: a CayleyError's own words, a missing extra, memory or disk; else None.

    Args:
        error: as it was raised; what caused it is looked at as well.
        stage: name of the stage that it ended.
    """
    if isinstance(error, CayleyError):
        return str(error)
    for found in causes(error):
        if isinstance(found, ModuleNotFoundError) and (said := lacking(found.name)):
            return f"{said}. Then run the same command again: finished work is kept."
        number, text = _number(found), (str(found).strip() or type(found).__name__).splitlines()[0]
        if isinstance(found, MemoryError) or number == errno.ENOMEM or NO_MEMORY.search(text):
            return f"out of memory ({text}). {_memory(stage)}"
        if number in DISK:
            return _disk(number, str(getattr(found, "filename", None) or text))
    return None


def death(status: int, stage: str = "") -> str | None:
    """Say why a job ended with a shell's exit status above 128, which means a signal; None for other ones."""
    if status <= 128:
        return None
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        return None
    said = f"it was ended by signal {name} (exit status {status})"
    if name == "SIGKILL":
        return f"{said}: by the kernel or the batch system for want of memory, as a rule. {_memory(stage)}"
    if name in ("SIGABRT", "SIGSEGV", "SIGBUS"):
        return f"{said}: by a library that got no memory or no disk space, as a rule. {_memory(stage)}"
    return f"{said}. Run the same command again: finished work is kept."


def _number(error: BaseException) -> int | None:
    """The operating system's number of an error, which libraries in Rust write into their message."""
    if isinstance(error, OSError):
        return error.errno
    if found := re.search(r"\(os error (\d+)\)|Os \{ code: (\d+)", str(error)):
        return int(found[1] or found[2])
    return errno.ENOSPC if NO_SPACE.search(str(error)) else None


def _memory(stage: str) -> str:
    return (
        f"Free memory, let fewer jobs run at once (--cores 1), or lower {LOWER.get(stage, 'data.window')} "
        f"(model.dtype=bfloat16 maps a large model's weights instead of reading them); {AGAIN}."
    )


def _disk(number: int, where: str) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"{DISK[number]} ({where}). Free space: `cayley store prune` removes from the store what no run uses, and "
            f"CAYLEY_CACHE moves the cache (`{command('estimate')}` predicts what a run takes); {AGAIN}."
        )
    return f"{DISK[number]} ({where}). Make it readable and writable for you; {AGAIN}."


def begin(log: Path) -> str:
    """How the line begins that says why the job of a log failed: ``error: train-ratio0.2-d4-seed0 failed:``."""
    return f"error: {log.stem} failed: "


def _end(log: Path) -> str:
    """The last part of a log; nothing where there is none."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2**16))
        return file.read(2**16).decode(errors="replace")
    return ""


def main() -> int:
    """For a rule's shell, after its job failed: ``LOG STATUS STATUS-OF-TEE``.

    Adds to the log what the job could not say itself, and ends with the job's status.
    """
    log, status, written = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    line, text = begin(log), _end(log)
    if line not in text:
        stage = log.stem.partition("-")[0]
        said = death(status, stage) or "see above."
        if written:
            said = f"its log could not be written: a full disk, or no permission, as a rule. Mend that, {AGAIN}."
        elif NO_MEMORY.search(text):
            said = f"out of memory. {_memory(stage)}"
        line += f"{said} Its log: {log}"
        print(line, file=sys.stderr)
        with suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return status or written


if __name__ == "__main__":
    sys.exit(main())
