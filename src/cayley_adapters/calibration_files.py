"""A device's calibration as JSON, so that what was planned for a device can be read again when it has changed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cayley_adapters.calibration import Calibration, Coupler, Qubit
from cayley_adapters.errors import CayleyError
from cayley_adapters.files import atomic_file

__all__ = ["load_calibration", "save_calibration"]


def save_calibration(calibration: Calibration, path: Path, about: dict[str, Any]) -> None:
    """Write a calibration and what else is known of the device, atomically; infinite T1 and T2 are null."""
    qubits = {
        str(q): {key: value if math.isfinite(value) else None for key, value in asdict(qubit).items()}
        for q, qubit in calibration.qubits.items()
    }
    couplers = [[a, b, coupler.cz_error, coupler.cz_duration] for (a, b), coupler in calibration.couplers.items()]
    content = {"name": calibration.name, **about, "qubits": qubits, "couplers": couplers}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_calibration(path: Path) -> tuple[Calibration, dict[str, Any]]:
    """Read what :func:`save_calibration` wrote.

    Raises:
        CayleyError: The file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        qubits = {
            int(q): Qubit(**{key: math.inf if value is None else value for key, value in figures.items()})
            for q, figures in content.pop("qubits").items()
        }
        couplers = {(a, b): Coupler(error, duration) for a, b, error, duration in content.pop("couplers")}
        return Calibration(content["name"], qubits, couplers), content
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CayleyError(
            f"cannot read the calibration {path}: {error}; delete it and run the same command again"
        ) from error
