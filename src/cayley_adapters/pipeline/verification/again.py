"""Running a stage's job again in a folder of its own, on links to the files that it reads."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job, job_to_json
from cayley_adapters.pipeline.jobs import with_paths
from cayley_adapters.pipeline.provenance import provenance_path, read_record
from cayley_adapters.report.wandb.runs import ENVIRONMENT

__all__ = ["Again", "run_again"]


@dataclasses.dataclass(frozen=True)
class Again:
    """A job that was run again.

    Attributes:
        outputs: its files.
        record: what it recorded.
    """

    outputs: Mapping[str, Path]
    record: Mapping[str, Any]


def run_again(job: Job, folder: Path, records: bool = False) -> Again:
    """Run a job as the workflow does, in a process of its own, and leave its results folder alone.

    Args:
        job: the job, with its files in a results folder; settings of it may differ from those that it ran with.
        folder: an empty folder to work in.
        records: whether it reads what other jobs recorded.

    Raises:
        CayleyError: the job failed.
    """
    copy = _moved(job)
    outputs = {folder / path for path in copy.outputs.values()}
    pairs = [
        (old.parent, folder / new.parent)
        for name in job.inputs
        for old, new in zip(job.inputs[name], copy.inputs[name], strict=True)
        if not new.is_absolute()
    ]
    if records:
        pairs += [(Path(old, "provenance"), folder / new / "provenance") for old, new in _bases(job).items()]
    for source, target in dict.fromkeys(pairs):
        target.mkdir(parents=True, exist_ok=True)
        # Files one by one: what the job writes beside them, such as hidden states, must not land in the results.
        for path in source.iterdir() if source.is_dir() else ():
            if path.is_file() and target / path.name not in outputs and not (target / path.name).exists():
                (target / path.name).symlink_to(path.resolve())
    first = next(iter(copy.outputs.values()))
    command = [sys.executable, "-m", "cayley_adapters.pipeline.run", job_to_json(copy), str(first)]
    # The library that runs here, also where it was found by the working directory.
    search = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = os.environ | {"PYTHONPATH": search, ENVIRONMENT: json.dumps({"mode": "disabled"})}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it was ended without a word"]
        raise CayleyError(f"{job.label} cannot be run again from {job.base}: {lines[-1].removeprefix('error: ')}")
    made = {name: folder / path for name, path in copy.outputs.items()}
    record = read_record(folder / provenance_path(copy))
    if record is None:
        raise CayleyError(f"{job.label} left no record in {folder}; look whether the disk is full")
    return Again(made, record)


def _bases(job: Job) -> dict[str, str]:
    """Every folder that a job's files lie in, and the one that takes its place."""
    found = dict.fromkeys([job.base])
    for base in job.bases.values():
        found |= dict.fromkeys([base] if isinstance(base, str) else base.values())
    return {base: f"results/again/{number}" for number, base in enumerate(found)}


def _moved(job: Job) -> Job:
    """The same job with all its folders elsewhere."""
    there = _bases(job)
    bases = {
        stage: there[base] if isinstance(base, str) else {name: there[one] for name, one in base.items()}
        for stage, base in job.bases.items()
    }
    return with_paths(dataclasses.replace(job, base=there[job.base], bases=bases))
