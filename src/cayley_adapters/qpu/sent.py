"""The calibration by which jobs were sent: a new plan keeps to it, since other lines would be paid once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cayley_adapters.circuits.noise.calibration import Calibration
from cayley_adapters.circuits.noise.calibration_files import load_calibration
from cayley_adapters.core.files import write_file
from cayley_adapters.qpu.ledger import Ledger, ledger_path

__all__ = ["keep_calibration", "kept_calibration", "kept_path"]


def kept_path(base: str | Path, backend: str) -> Path:
    """Where a results folder keeps the calibration by which jobs were sent to a processor."""
    return Path(base, "qpu", f"sent_{backend}.json")


def keep_calibration(base: str | Path, path: Path) -> None:
    """Keep the calibration in a file; to be called before the jobs that were planned by it are sent."""
    write_file(kept_path(base, load_calibration(path)[0].name), path.read_bytes())


def kept_calibration(base: str | Path, backend: str) -> tuple[Calibration, dict[str, Any]] | None:
    """What :func:`~cayley_adapters.circuits.noise.calibration_files.load_calibration` reads, if it was sent by."""
    path, ledger = kept_path(base, backend), ledger_path(base)
    if not path.exists() or not ledger.exists() or Ledger(ledger).seconds() == 0:
        return None
    return load_calibration(path)
