"""Weights & Biases runs, written after the results: files are the truth, and a run that fails fails nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cayley_adapters.progress import say

__all__ = ["ENVIRONMENT", "log_run", "track_with"]

ENVIRONMENT = "CAYLEY_TRACK"


def track_with(track: Mapping[str, Any]) -> None:
    """Set how this process and its jobs track: ``mode``, ``project``, ``entity``.

    They travel in the environment and not among a rule's parameters, so that switching tracking runs nothing again.
    """
    os.environ[ENVIRONMENT] = json.dumps(dict(track))


def log_run(
    base: str,
    name: str,
    job_type: str,
    config: Mapping[str, Any],
    *,
    history: Sequence[Mapping[str, float]] = (),
    summary: Mapping[str, Any] | None = None,
    table: Any = None,
    pictures: Mapping[str, Path] | None = None,
) -> None:
    """Log one run into ``{base}/wandb``, grouped by the results folder's name.

    Args:
        base: results folder.
        name: readable id of the run, such as ``train-ratio0.1-d4-seed0``.
        job_type: stage.
        config: what was configured.
        history: one record a step.
        summary: final numbers.
        table: a pandas frame.
        pictures: name → PNG.
    """
    track = json.loads(os.environ.get(ENVIRONMENT, '{"mode": "disabled"}'))
    if track["mode"] == "disabled":
        return
    group = Path(base).relative_to("results").as_posix() if Path(base).is_relative_to("results") else Path(base).name
    group = group.replace("/", "-")
    identity = f"{group}-{name}"[:128]
    try:
        import wandb

        for stale in Path(base).glob(f"wandb/offline-run-*-{identity}"):  # of results that are now replaced
            shutil.rmtree(stale)
        run = wandb.init(
            mode=track["mode"],
            project=track["project"],
            entity=track["entity"],
            dir=base,
            id=identity,
            name=name,
            group=group,
            job_type=job_type,
            # `wandb leet` filters by configuration and tags, not by group.
            config={"group": group, **config},
            tags=[group[:64], job_type],
            # No source, no host name, no console output: nothing leaves the machine that was not put here.
            settings=wandb.Settings(
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_meta=True,
                x_disable_stats=True,
                silent=True,
            ),
        )
        for record in history:
            run.log(dict(record))
        if table is not None:
            run.log({"table": wandb.Table(dataframe=table)})
        for label, path in (pictures or {}).items():
            run.log({label: wandb.Image(str(path))})
        run.summary.update(dict(summary or {}))
        run.finish()
    except Exception as error:  # whatever tracking meets, the results are already on disk
        say(f"warning: {name} was not tracked with W&B ({type(error).__name__}: {error}); results are not affected")
