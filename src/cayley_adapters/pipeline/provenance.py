"""What each file of a results folder comes from: one record a job, and all together in ``provenance.json``.

A record is written by the job itself once it is done. It holds no time and no path: the same job on the same machine
writes the same bytes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from cayley_adapters.circuits.noise.snapshots import MEDIANS
from cayley_adapters.core.environment import environment, gpu
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import sha256, write_file
from cayley_adapters.pipeline.fingerprint import fingerprint
from cayley_adapters.pipeline.own_files import own_files
from cayley_adapters.pipeline.table import STAGES, stages_before

if TYPE_CHECKING:
    from cayley_adapters.core.job import Job

__all__ = [
    "calibration_digest",
    "gather",
    "identity",
    "provenance_path",
    "read_record",
    "settings_digest",
    "write_json",
    "write_provenance",
    "written",
]


class Environment(BaseModel):
    """See :func:`cayley_adapters.core.environment.environment`."""

    model_config = ConfigDict(extra="forbid")

    python: str
    system: str
    libc: str
    processor: str
    instructions: str
    variables: dict[str, str]
    packages: dict[str, str]
    commit: str | None


class Record(BaseModel):
    """What one job leaves behind, see :func:`write_provenance`."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    cell: dict[str, str]
    settings: str
    identity: str | None
    code: str
    threads: int
    gpu: str | None
    used: dict[str, dict[str, str | None]]
    outputs: dict[str, str]
    environment: Environment


def provenance_path(job: Job) -> Path:
    """Where a job's record lies: ``{base}/provenance/train-ratio0.2-d4-seed0.json``."""
    return Path(job.base, "provenance", f"{job.name}.json")


def write_provenance(job: Job, used: Mapping[str, Any] | None = None) -> None:
    """Write the record of a job that is done.

    Args:
        job: the job.
        used: what it read beside its inputs, such as the hashes of a model's files.
    """
    device = job.leaves.get("noise") if "noise" in STAGES[job.stage].leaves else None
    record = {
        "stage": job.stage,
        "cell": dict(job.cell),
        "settings": settings_digest(job),
        "identity": identity(job) if STAGES[job.stage].stored else None,
        "code": fingerprint(STAGES[job.stage].module),
        "threads": job.threads,
        "gpu": gpu(),
        "used": dict(used or {}) | ({"calibration": _calibration(device)} if device else {}),
        "outputs": {path.relative_to(job.base).as_posix(): sha256(path) for path in written(job) if path.is_file()},
        "environment": environment(),
    }
    write_json(record, provenance_path(job))


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write JSON atomically, keys in order: the same content gives the same bytes."""
    write_file(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def written(job: Job) -> list[Path]:
    """The files that a job's record vouches for: its outputs, and the further parts of a large model's weights."""
    outputs = list(job.outputs.values())
    if job.stage == "compress":
        outputs += sorted(outputs[0].parent.glob("part-*.safetensors"))
    return outputs


def identity(job: Job) -> str:
    """Hash of all that a job's result depends on, wherever its files lie: what it is given, code, packages, machine."""
    given = [job.stage, dict(job.cell), job.leaves, job.axes, job.told, job.threads]
    made_from = {name: [sha256(path) for path in paths] for name, paths in job.inputs.items()}
    if own := own_files(job):
        made_from["own"] = [f"{path.name} {sha256(path)}" for path in own]
    runs_on = {name: value for name, value in environment().items() if name != "commit"}
    description = json.dumps([given, fingerprint(STAGES[job.stage].module), made_from, runs_on], sort_keys=True)
    return hashlib.sha256(description.encode()).hexdigest()


def settings_digest(job: Job) -> str:
    """Hash of the part of the configuration that a job was given, and of what else it was told."""
    given = {**job.leaves, **job.told}
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:16]


def _calibration(noise: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the device that a configuration's ``noise`` names."""
    medians = {name: noise.get(name) for name in MEDIANS}
    told = None if None in medians.values() else json.dumps(medians, sort_keys=True)
    return calibration_digest(noise["backend"], told)


def calibration_digest(backend: str, medians: str | None = None) -> dict[str, Any]:
    """A device, the day of its calibration, and a hash of the figures that noise is made from.

    Args:
        backend: its name.
        medians: what is known of it where that is all, as JSON.

    Returns:
        ``backend``, ``date`` (in UTC, such as ``2025-02-26``; None where the device tells none) and ``sha256``; and
        ``medians`` where these are given.
    """
    from datetime import UTC

    from cayley_adapters.circuits.noise.backends import calibration_named, snapshot

    if medians is not None:
        digest = hashlib.sha256(medians.encode()).hexdigest()
        return {"backend": backend, "date": None, "sha256": digest, "medians": medians}
    known = calibration_named(backend)
    qubits = [(q, asdict(known.qubits[q])) for q in sorted(known.qubits)]
    couplers = [(pair, asdict(known.couplers[pair])) for pair in sorted(known.couplers)]
    figures = json.dumps([qubits, couplers], default=float)
    dated = getattr(snapshot(backend).properties(), "last_update_date", None)
    return {
        "backend": backend,
        "date": None if dated is None else dated.astimezone(UTC).date().isoformat(),
        "sha256": hashlib.sha256(figures.encode()).hexdigest(),
    }


def read_record(path: Path) -> dict[str, Any] | None:
    """A job's record; None where there is none.

    Raises:
        CayleyError: it is damaged.
    """
    try:
        return Record.model_validate_json(path.read_bytes()).model_dump()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CayleyError(
            f"cannot read the record {path}: {error}; delete what {path.stem} made and run the same command again"
        ) from error


def gather(job: Job) -> dict[str, Any]:
    """What the inputs of a job rest on, from the records of the jobs that made them.

    Returns:
        ``environments`` (short hash → environment) and ``jobs``: label → its record, with ``environment`` the short
        hash; a job that left no record is None.
    """
    environments: dict[str, Any] = {}
    jobs: dict[str, Any] = {}
    for name, path in _records(job):
        record = read_record(path)
        if record is not None:
            text = json.dumps(record["environment"], sort_keys=True)
            key = hashlib.sha256(text.encode()).hexdigest()[:12]
            environments[key] = record["environment"]
            kept = {name: value for name, value in record.items() if name not in ("stage", "cell")}
            record = kept | {"environment": key}
        jobs[name] = record
    return {"environments": environments, "jobs": jobs}


def _records(job: Job) -> Iterator[tuple[str, Path]]:
    """Label and record of every job before ``job``, told by the folders of its inputs' cells."""
    absent = [axis for axis, names in job.axes.items() if not names]
    for stage in stages_before(job.stage, absent, "heal" in job.bases):
        if stage == job.stage:
            continue
        for chosen in itertools.product(*(job.axes.get(name, ()) for name in STAGES[stage].wildcards)):
            base: Any = job.bases.get(stage, job.base)
            if not isinstance(base, str):
                base = base[dict(zip(STAGES[stage].wildcards, chosen, strict=True))["control"]]
            yield " ".join([stage, *chosen]), Path(base, "provenance", "-".join([stage, *chosen]) + ".json")
