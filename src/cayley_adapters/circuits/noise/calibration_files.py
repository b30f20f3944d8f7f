"""A device's calibration as JSON, so that what was planned for a device can be read again when it has changed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.core.files import write_file
from cayley_adapters.core.reading import damaged, load_json

__all__ = ["load_calibration", "save_calibration"]


_Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Error = Annotated[float, Field(ge=0, le=1)]


def _coupler(values: list[Any]) -> list[Any]:
    """Check two qubits, an error and a duration in seconds."""
    first, second, error, duration = values
    qubits = all(type(qubit) is int and qubit >= 0 for qubit in (first, second))
    numbers = all(type(value) in (int, float) for value in (error, duration))
    if not qubits or not numbers or not (0 <= error <= 1 and 0 <= duration < math.inf):
        raise ValueError("not two qubits, an error and a duration")
    return values


@with_config(ConfigDict(extra="forbid", strict=True))
class _Qubit(TypedDict):
    t1: Annotated[float, Field(gt=0)] | None
    t2: Annotated[float, Field(gt=0)] | None
    sx_error: _Error
    sx_duration: _Time
    p1_given_0: _Error
    p0_given_1: _Error


@with_config(ConfigDict(strict=True))
class _File(TypedDict):
    name: str
    qubits: dict[Annotated[str, Field(pattern=r"^[0-9]{1,6}$")], _Qubit]
    couplers: list[Annotated[list[Any], Field(min_length=4, max_length=4), AfterValidator(_coupler)]]


_FILE = TypeAdapter(_File)


def save_calibration(calibration: Calibration, path: Path, about: dict[str, Any]) -> None:
    """Write a calibration and what else is known of the device, atomically; infinite T1 and T2 are null."""
    qubits = {
        str(q): {key: value if math.isfinite(value) else None for key, value in asdict(qubit).items()}
        for q, qubit in calibration.qubits.items()
    }
    couplers = [[a, b, coupler.cz_error, coupler.cz_duration] for (a, b), coupler in calibration.couplers.items()]
    content = {"name": calibration.name, **about, "qubits": qubits, "couplers": couplers}
    write_file(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def load_calibration(path: Path) -> tuple[Calibration, dict[str, Any]]:
    """Read what :func:`save_calibration` wrote.

    Raises:
        CayleyError: The file is damaged.
    """
    content = load_json(path)
    try:
        found = _FILE.validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise damaged(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    qubits = {}
    for q, figures in found["qubits"].items():
        t1, t2 = (math.inf if time is None else time for time in (figures["t1"], figures["t2"]))
        qubits[int(q)] = Qubit(
            t1, t2, figures["sx_error"], figures["sx_duration"], figures["p1_given_0"], figures["p0_given_1"]
        )
    couplers = {(a, b): Coupler(error, duration) for a, b, error, duration in found["couplers"]}
    about = {key: value for key, value in content.items() if key not in ("qubits", "couplers")}
    return Calibration(found["name"], qubits, couplers), about
