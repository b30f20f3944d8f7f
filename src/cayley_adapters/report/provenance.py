"""What a reader needs to make the numbers again: configuration, command, versions, hashes, licences, calibration."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

from cayley_adapters import wheels
from cayley_adapters.fingerprint import fingerprint
from cayley_adapters.pipeline import STAGES
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.settings import Settings, compose
from cayley_adapters.settings.schema import fields

__all__ = ["PACKAGES", "calibration_date", "environment", "overrides_of", "public", "source_hashes", "uses_device"]

PACKAGES = (
    *("cayley-adapters", "torch", "transformers", "tokenizers", "safetensors", "peft", "gguf", "datasets", "tensorly"),
    *("qiskit", "qiskit-aer", "qiskit-ibm-runtime", "numpy", "scipy", "numba", "pandas"),
    *("snakemake", "hydra-core", "pydantic", "matplotlib", "altair", "vl-convert-python", "Jinja2"),
)
"""Packages that numbers and pictures come from."""


def public(settings: Settings) -> Settings:
    """The settings without the machine's folders: an absolute path is shortened to its last part."""
    plain = settings.model_dump(mode="json")
    for section, key in (("model", "path"), ("data", "train"), ("data", "test")):
        value = plain[section][key]
        if value is not None:
            plain[section][key] = _shortened(value) if isinstance(value, str) else [_shortened(path) for path in value]
    return Settings.model_validate(plain)


def _shortened(path: str) -> str:
    return f".../{PurePath(path).name}" if PurePath(path).is_absolute() else path


def overrides_of(settings: Settings) -> list[str]:
    """What has to be typed after ``experiment=`` to get these settings."""
    [preset] = compose(settings.experiment)
    return [
        f"{key}={_typed(value)}"
        for key in fields()
        if key != "experiment" and (value := settings.leaf(key)) != preset.leaf(key)
    ]


def _typed(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_./+-]+", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def command(settings: Settings) -> str:
    """The shell command that makes the report of these settings."""
    words = ["snakemake", "--cores", "8", "report", "--config", f"experiment={settings.experiment}"]
    if overrides := overrides_of(settings):
        words.append(f"overrides={' '.join(overrides)}")
    return shlex.join(words)


def uses_device(settings: Settings) -> bool:
    """Whether a device's calibration had a part in the results."""
    return settings.transpile.synthesis != "none" and (
        max(settings.sweep.noise_scale) > 0 or settings.train.noise_scale > 0
    )


def calibration_date(settings: Settings) -> str | None:
    """Day of the calibration in UTC, such as ``2025-02-26``; None where no device was used, or it tells none."""
    from datetime import UTC

    from cayley_adapters.calibration import snapshot

    if not uses_device(settings):
        return None
    properties = snapshot(settings.noise.backend).properties()
    dated = getattr(properties, "last_update_date", None)
    return None if dated is None else dated.astimezone(UTC).date().isoformat()


def source_hashes(measured: bool) -> dict[str, str]:
    """Stage → hash of the code that it runs, of all stages that a report rests on.

    Args:
        measured: Whether a processor's results are among its numbers.
    """
    makers = {pattern: name for name, stage in STAGES.items() for pattern in stage.outputs.values()}
    found: dict[str, str] = {}
    waiting = ["report"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = fingerprint(f"stages.{name}")
            patterns = [pattern for pattern in STAGES[name].inputs.values() if measured or "{device}" not in pattern]
            named = {"{device}": "qpu", "{adapters}": "qpu/adapters"}
            for wildcard, folder in named.items():
                patterns = [pattern.replace(wildcard, folder) for pattern in patterns]
            waiting += [makers[pattern] for pattern in patterns]
    return {name: found[name] for name in STAGES if name in found}


def environment(evidence: Evidence, calibrated: str | None) -> dict[str, list[tuple[str, str]]]:
    """Heading → ``(name, value)`` of what the results depend on; nothing in it names a machine or a person."""
    settings = evidence.settings
    hashes = source_hashes(bool((evidence.cells["executor"] == "qpu").any()))
    whole = hashlib.sha256("".join(f"{name}{code}" for name, code in hashes.items()).encode()).hexdigest()[:16]
    groups = {
        "Model": _model(evidence.model),
        "Text": _text(settings),
        "Device": _device(settings, calibrated),
        "Seeds": [
            ("training and shots", ", ".join(map(str, settings.sweep.seed))),
            ("bootstrap", str(evidence.transition["bootstrap"]["seed"])),
        ],
        "Machine that wrote this page": [
            ("Python", f"{platform.python_implementation()} {platform.python_version()}"),
            ("system", f"{platform.system()} {platform.machine()}"),
            ("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
        ],
        "Source when this page was written": [("hash of the library's code", whole), *hashes.items()],
        "Packages": [(name, _version(name)) for name in PACKAGES],
    }
    return {name: rows for name, rows in groups.items() if rows}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _model(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = [
        (key, str(model[key])) for key in ("name", "source", "id", "revision", "seed") if model.get(key) is not None
    ]
    return told + (_wheel(wheels.SMOLLM2_135M) if model["source"] == "embedded" else [])


def _text(settings: Settings) -> list[tuple[str, str]]:
    data = public(settings).data
    told = [("name", data.name), ("source", data.source)]
    told += [(key, str(value)) for key in ("id", "config", "revision") if (value := getattr(data, key)) is not None]
    told += [(key, ", ".join(value)) for key in ("train", "test") if (value := getattr(data, key)) is not None]
    return told + (_wheel(wheels.ENCYCLOPEDIA) if data.source == "encyclopedia" else [])


def _wheel(file: wheels.WheelFile) -> list[tuple[str, str]]:
    return [("package", file.requirement), ("SHA-256 of the wheel", file.wheel_sha256), ("licence", file.license)]


def _device(settings: Settings, calibrated: str | None) -> list[tuple[str, str]]:
    if not uses_device(settings):
        return []
    return [("backend", settings.noise.backend), ("calibrated", calibrated or "not stated by the backend")]
