"""A folder on a small disk of its own, which can be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def small_disk(folder: Path, megabytes: int) -> str | None:
    """Mount a small disk on a folder, and say why that is not possible here."""
    if os.geteuid() != 0:
        return "only root can mount a small disk"
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == 0 else f"mount: {done.stderr.strip()}"


@contextmanager
def on_small_disk(folder: Path, megabytes: int = 160) -> Iterator[str | None]:
    """A folder on a small disk, or, with the reason, on the usual one."""
    folder.mkdir()
    reason = small_disk(folder, megabytes)
    try:
        yield reason
    finally:
        if reason is None:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def fill(filler: Path) -> None:
    """Write a file until the disk is full."""
    with filler.open("wb", buffering=0) as file:
        for size in (2**16, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
