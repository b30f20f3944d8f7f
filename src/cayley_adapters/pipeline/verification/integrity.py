"""Checks of a results folder that compute nothing: is each file the one that its job wrote, and from what it says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cayley_adapters.core.environment import MACHINE, NUMERIC, environment
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import sha256
from cayley_adapters.core.job import Job
from cayley_adapters.core.tables import read_table
from cayley_adapters.models.base import cached_folder
from cayley_adapters.models.hashes import model_hashes, text_hashes
from cayley_adapters.pipeline.fingerprint import fingerprint
from cayley_adapters.pipeline.provenance import (
    calibration_digest,
    provenance_path,
    read_record,
    settings_digest,
    written,
)
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.verification.folder import Folder

__all__ = ["Check", "differences", "integrity", "ran_alike"]


@dataclass(frozen=True)
class Check:
    """What was looked at, and what was found.

    Attributes:
        name: such as ``files as written``.
        verdict: ``agrees``, ``differs``, ``warning`` (explains differences and is none by itself) or ``not checked``.
        notes: one sentence a finding.
    """

    name: str
    verdict: str
    notes: tuple[str, ...] = ()


def integrity(folder: Folder) -> Iterator[Check]:
    """All checks, the quick ones first."""
    yield _found("every file can be read", _unreadable(folder))
    yield _recorded(folder)
    yield _found("files belong to config.yaml", _foreign(folder))
    yield _found("adapters are those of the manifest", _adapters(folder))
    record = next((folder.record(job) for job in folder.jobs_of("prepare")), None)
    used = {} if record is None else record["used"]
    yield _model(folder, used)
    yield _found("text", _text(folder, used), len(used.get("text", {})))
    yield _calibration(folder)
    yield _surroundings(folder)


def differences(record: dict[str, Any], now: Mapping[str, Any] | None = None) -> tuple[list[str], list[str]]:
    """How what ran a job differs from what runs now: what changes numbers, and the other packages.

    Args:
        record: the job's.
        now: another job's record (default: this process).
    """
    then = record["environment"]
    current = environment() if now is None else now["environment"]
    found = [f"{key}: {then[key]} then, {current[key]} now" for key in MACHINE if then[key] != current[key]]
    if now is not None and record["gpu"] and record["gpu"] != now["gpu"]:
        found.append(f"gpu: {record['gpu']} then, {now['gpu'] or 'none'} now")
    code = fingerprint(STAGES[record["stage"]].module)
    if record["code"] != code:
        found.append(f"code of {record['stage']}: {record['code']} then, {code} now")
    names = sorted(then["packages"].keys() | current["packages"].keys())
    changed = {
        name: f"{name} {then['packages'].get(name, 'missing')} then, {current['packages'].get(name, 'missing')} now"
        for name in names
        if then["packages"].get(name) != current["packages"].get(name)
    }
    found += [text for name, text in changed.items() if name in NUMERIC]
    return found, [text for name, text in changed.items() if name not in NUMERIC]


def ran_alike(job: Job, again: Mapping[str, Any]) -> bool:
    """Whether a job ran as it was run ``again``, by its record and that one: then nothing of its results may differ."""
    record = read_record(provenance_path(job))
    return record is not None and not differences(record, again)[0]


def _found(name: str, notes: Iterator[str], looked_at: int = 1) -> Check:
    told = tuple(notes)
    return Check(name, "differs" if told else "agrees" if looked_at else "not checked", told)


def _unreadable(folder: Folder) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    def open_weights(path: Path) -> None:
        with safe_open(path, framework="numpy") as file:
            file.keys()

    readers: dict[str, Callable[[Path], Any]] = {
        ".csv": read_table,
        ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
        ".safetensors": open_weights,
    }
    for path in sorted({path for job in [*folder.jobs, *folder.other_jobs] for path in job.outputs.values()}):
        if path.suffix in readers and path.stat().st_size:
            try:
                readers[path.suffix](path)
            except (OSError, ValueError, SafetensorError, CayleyError) as error:
                yield f"{path}: {error}"


def _recorded(folder: Folder) -> Check:
    """Whether files are, to the byte, what the jobs wrote that say so."""
    wrong, unknown = [], []
    for job in [*folder.jobs, *folder.other_jobs]:
        record = folder.record(job)
        if record is None:
            unknown.append(job.label)
            continue
        for path in written(job):
            code = record["outputs"].get(path.relative_to(job.base).as_posix())
            if path.is_file() and sha256(path) != code:
                wrong.append(f"{path} is not what {job.label} wrote: it was changed since")
    name = "files are what their jobs wrote"
    if unknown and not wrong:
        return Check(name, "warning", (f"no record of {len(unknown)} jobs, such as {unknown[0]}",))
    return Check(name, "differs" if wrong else "agrees", tuple(wrong))


def _foreign(folder: Folder) -> Iterator[str]:
    for job in folder.jobs:
        record = folder.record(job)
        if record is not None and record["settings"] != settings_digest(job):
            yield f"{job.label} ran with other settings than those of config.yaml"


def _adapters(folder: Folder) -> Iterator[str]:
    manifest = read_table(folder.base / "adapters" / "manifest.csv")
    wanted = {"/".join(job.cell.values()) for job in folder.jobs_of("train")}
    if set(manifest["folder"]) != wanted:
        yield f"the manifest names {sorted(manifest['folder'])}, config.yaml {sorted(wanted)}"
    for row in manifest.itertuples():
        path = folder.base / "adapters" / str(row.folder) / "adapter_config.json"
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            yield f"{path}: {error}"
            continue
        if str(about.get("block_dim")) != str(row.block_dim):
            yield f"{path} says block_dim {about.get('block_dim')}, the manifest {row.block_dim}"


def _model(folder: Folder, used: dict[str, Any]) -> Check:
    where = cached_folder(folder.settings.model.model_dump(mode="json"))
    if where is None or "model" not in used:
        return Check("model", "not checked", ("its files are not on this machine, or were not recorded",))
    return _found("model", _changed(used["model"], model_hashes(where), "of the model"))


def _text(folder: Folder, used: dict[str, Any]) -> Iterator[str]:
    if used.get("text"):
        try:
            now = text_hashes(folder.settings.data.model_dump(mode="json"))
        except OSError as error:
            yield f"a file of the text cannot be read: {error}"
            return
        yield from _changed(used["text"], now, "of the text")


def _changed(then: dict[str, str], now: dict[str, str], what: str) -> Iterator[str]:
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            state = "is new" if name not in then else "is missing" if name not in now else "was changed"
            yield f"{name} {what} {state} since the results were made"


def _calibration(folder: Folder) -> Check:
    records = [record for job in folder.jobs if (record := folder.record(job)) is not None]
    used = [record["used"]["calibration"] for record in records if "calibration" in record["used"]]
    if not used:
        return Check("calibration", "not checked", ("no device was used, or it was not recorded",))
    notes = []
    for then in {json.dumps(item, sort_keys=True): item for item in used}.values():
        try:
            now = calibration_digest(then["backend"], then.get("medians"))
        except CayleyError as error:
            notes.append(str(error))
            continue
        if then != now:
            notes.append(
                f"{then['backend']} had the calibration {then['sha256'][:12]} of {then['date']}, and has now "
                f"{now['sha256'][:12]} of {now['date']}"
            )
    return _found("calibration", iter(notes))


def _surroundings(folder: Folder) -> Check:
    """Whether what ran the jobs is what runs now; where it is not, differences of numbers are no wonder."""
    numeric: Counter[str] = Counter()
    others: Counter[str] = Counter()
    jobs = 0
    for job in folder.jobs:
        if (record := folder.record(job)) is not None:
            jobs += 1
            for counts, found in zip((numeric, others), differences(record), strict=True):
                counts.update(found)
    notes = [f"{text} ({count} of {jobs} jobs)" for text, count in numeric.items()]
    if others:
        notes.append(f"{len(others)} other packages changed, such as {next(iter(others))}")
    return Check("packages, code and machine", "warning" if notes else "agrees", tuple(notes))
