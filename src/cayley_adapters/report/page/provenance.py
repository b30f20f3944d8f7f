"""What a reader needs to make the numbers again: configuration, command, versions, hashes, licences, calibration."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from cayley_adapters.core.environment import MACHINE, NUMERIC
from cayley_adapters.models import wheels
from cayley_adapters.models.packaged import packaged
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.settings import Settings, compose, validate
from cayley_adapters.settings.schema import fields

__all__ = ["PACKAGES", "calibration_date", "environment", "overrides_of", "public", "uses_device"]

PACKAGES = (
    "cayley-adapters",
    *NUMERIC,
    *("snakemake", "hydra-core", "pydantic", "matplotlib", "altair", "vl-convert-python", "jinja2"),
)
"""Packages that numbers and pictures come from, of all that were recorded."""


def public(settings: Settings) -> Settings:
    """The settings without the machine's folders: an absolute path is shortened to its last part."""
    plain = settings.model_dump(mode="json")
    for section, key in (("model", "path"), ("data", "train"), ("data", "test")):
        value = plain[section][key]
        if value is not None:
            plain[section][key] = _shortened(value) if isinstance(value, str) else [_shortened(path) for path in value]
    return validate(plain)


def _shortened(path: str) -> str:
    return f".../{PurePath(path).name}" if PurePath(path).is_absolute() else path


def overrides_of(settings: Settings) -> list[str]:
    """What has to be typed after ``experiment=`` to get these settings."""
    presets, name = compose(settings.experiment), f"{settings.variant}-"
    named = [preset for preset in presets if name.startswith(f"{preset.variant}-")]
    preset = max(named or presets[:1], key=lambda one: len(one.variant or ""))
    return [
        f"{key}={_typed(value)}"
        for key in fields()
        if key not in ("experiment", "variant", "title") and (value := settings.leaf(key)) != preset.leaf(key)
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


def calibration_date(evidence: Evidence) -> str | None:
    """Day of the calibration in UTC, such as ``2025-02-26``; None where no device was used, or it tells none.

    It is what the jobs recorded when they ran; several, with commas, where they used several.
    """
    if not uses_device(evidence.settings):
        return None
    known = [record["used"].get("calibration", {}).get("date") for record in _records(evidence).values()]
    return ", ".join(sorted({date for date in known if date})) or None


def _records(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Label → record of each job that left one."""
    return {label: record for label, record in evidence.provenance["jobs"].items() if record is not None}


def environment(evidence: Evidence, calibrated: str | None) -> dict[str, list[tuple[str, str]]]:
    """Heading → ``(name, value)`` of what the results depend on; nothing in it names a machine or a person.

    Code, machine and packages are those that the jobs recorded. Where jobs differ, each value stands with the number of
    jobs that had it.
    """
    settings, records = evidence.settings, _records(evidence)
    counts = Counter(record["environment"] for record in records.values())
    found = [(evidence.provenance["environments"][key], count) for key, count in counts.items()]
    codes: dict[str, Counter[str]] = {}
    threads: dict[str, Counter[str]] = {}
    for label, record in records.items():
        codes.setdefault(label.split()[0], Counter())[record["code"]] += 1
        threads.setdefault(label.split()[0], Counter())[str(record["threads"])] += 1
    groups = {
        "Model": _model(evidence.model) + _hashes(records, "model"),
        "Text": _text(settings) + _hashes(records, "text"),
        "Device": _device(settings, calibrated),
        "Seeds": [
            ("training and shots", ", ".join(map(str, settings.sweep.seed))),
            ("bootstrap", str(evidence.transition["bootstrap"]["seed"])),
        ],
        "Jobs that made the numbers": _jobs(evidence),
        "Machine": [
            *((name, _listed(found, _machine(name))) for name in MACHINE),
            ("gpu", _several(Counter(_shown(record["gpu"]) for record in records.values()))),
        ],
        "Threads": [(stage, _several(count)) for stage, count in threads.items()],
        "Source": [
            ("commit", _listed(found, lambda item: item["commit"] or "no repository")),
            *((stage, _several(count)) for stage, count in codes.items()),
        ],
        "Packages": [(name, _listed(found, _package(name))) for name in PACKAGES],
    }
    return {name: rows for name, rows in groups.items() if rows}


def _jobs(evidence: Evidence) -> list[tuple[str, str]]:
    """How many jobs there were, and whether they are of one kind."""
    jobs, kinds = evidence.provenance["jobs"], len(evidence.provenance["environments"])
    told = [("jobs", str(len(jobs)))]
    if kinds > 1:
        told.append(("run by", f"{kinds} different machines or sets of packages; where they differ, jobs are counted"))
    if unknown := [label for label, record in jobs.items() if record is None]:
        told.append(("without a record of their own", ", ".join(unknown)))
    return told


def _machine(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda item: _shown(item[name])


def _package(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda item: str(item["packages"].get(name, "not installed"))


def _listed(found: list[tuple[Mapping[str, Any], int]], read: Callable[[Mapping[str, Any]], str]) -> str:
    """A value of all environments, see :func:`_several`."""
    counts: Counter[str] = Counter()
    for item, count in found:
        counts[read(item)] += count
    return _several(counts)


def _several(counts: Counter[str]) -> str:
    """One value as it is; several with how many jobs had each."""
    if len(counts) == 1:
        return next(iter(counts))
    return "; ".join(f"{value} ({count} jobs)" for value, count in counts.most_common()) or "not recorded"


def _shown(value: Any) -> str:
    """A value of an environment in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={item}" for name, item in value.items()) or "none set"
    return "none" if value is None else str(value)


def _hashes(records: Mapping[str, Mapping[str, Any]], kind: str) -> list[tuple[str, str]]:
    """SHA-256 of the files of a kind that ``prepare`` read."""
    used = records.get("prepare", {}).get("used", {})
    return [(f"SHA-256 of {name}", code) for name, code in used.get(kind, {}).items()]


def _model(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    told = [
        (key, str(model[key])) for key in ("name", "source", "id", "revision", "seed") if model.get(key) is not None
    ]
    parts = packaged(model).parts if model["source"] == "embedded" else ()
    return told + [item for part in parts for item in _wheel(part)]


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
    if medians := settings.noise.medians:
        told = ", ".join(f"{name} {value:g}" for name, value in medians.items())
        return [("backend", settings.noise.backend), ("medians", told)]
    return [("backend", settings.noise.backend), ("calibrated", calibrated or "not stated by the backend")]
