"""Weights & Biases runs, written after the results: files are the truth, and a run that fails fails nothing else.

A run is named by what it is of, ``train ratio0.2 d4 seed0``, and grouped by its results folder. Its configuration holds
plain numbers (``compression_ratio``, ``block_dim``, ``seed``, …), by which the W&B pages sort and filter, and ``cell``
without the seed, by which they group.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.core.files import sha256, write_file
from cayley_adapters.core.messages import say
from cayley_adapters.report.wandb.tracked import TrackedFiles, TrackedRun

if TYPE_CHECKING:
    import pandas as pd
    import wandb

__all__ = ["ENVIRONMENT", "log_earlier", "log_job", "log_run", "run_id", "track_with", "tracking_group"]

ENVIRONMENT = "CAYLEY_TRACK"

LONGEST, LONGEST_TAG = 128, 64
"""Characters that W&B takes of an id or of an artifact's name, and of a tag."""


def track_with(track: Mapping[str, Any], folders: Iterable[str] = ()) -> None:
    """Set how this process and its jobs track: ``mode``, ``project``, ``entity``.

    They travel in the environment and not among a rule's parameters, so that switching tracking runs nothing again.

    Args:
        track: the ``track`` group.
        folders: results folders, which name in a file what of the store they rest on.
    """
    os.environ[ENVIRONMENT] = json.dumps({**track, "folders": [*folders]})


def log_job(base: str, name: str, tracked: Sequence[TrackedRun]) -> None:
    """Log what a job has tracked, and keep it beside what it made, for other runs that rest on it.

    Args:
        base: folder of the job's files.
        name: of the job.
        tracked: what its stage says.
    """
    owners = [(folder, used) for folder, used in _used() if f"{base}/{name}" in used]
    for number, run in enumerate(tracked):
        if not owners:
            log_run(base, run)
            continue
        kept = Path(base, "tracked", f"{name}-{number}.json")
        write_file(kept, run.to_json())
        for folder, used in owners:
            _log_kept(kept, folder, used)


def log_earlier(base: str) -> None:
    """Log in a results folder what it rests on and was made for other runs."""
    for folder, used in _used():
        for place in used if folder == base else ():
            for kept in sorted(Path(place).parent.glob(f"tracked/{Path(place).name}-[0-9].json")):
                _log_kept(kept, folder, used)


def _used() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Results folders of the run, and what of the store each rests on: place → the end of its name there."""
    for folder in json.loads(os.environ.get(ENVIRONMENT) or "{}").get("folders", ()):
        path = Path(folder, ".store.json")
        if path.exists():
            yield folder, json.loads(path.read_text(encoding="utf-8"))


def _log_kept(kept: Path, folder: str, used: Mapping[str, str]) -> None:
    """Log a run that is kept, unless the results folder has it; what is not the map's has its lever in its names."""
    ending = used[str(kept.parent.parent / kept.stem.rpartition("-")[0])]
    done = Path(folder, "wandb", ".logged", f"{kept.stem}{ending.replace(' ', '-')}-{sha256(kept)[:12]}")
    if not done.exists():
        tracked = TrackedRun.from_json(kept.read_text(encoding="utf-8"))
        given, made = ([_told_apart(item, used) for item in items] for items in (tracked.used, tracked.made))
        if log_run(folder, replace(tracked, name=tracked.name + ending, used=given, made=made)):
            done.parent.mkdir(parents=True, exist_ok=True)
            done.touch()


def _told_apart(item: TrackedFiles, used: Mapping[str, str]) -> TrackedFiles:
    """Files of a lever's, or of a processor's adapter, named as such."""
    for place, ending in used.items():
        if item.files[0].is_relative_to(Path(place).parent):
            return replace(item, name=item.name + ending.replace(" ", "-"))
    return item


def tracking_group(base: str) -> str:
    """The group of a results folder's runs: its path below ``results``, ``/`` written ``-``."""
    path = Path(base)
    below = path.relative_to("results") if path.is_relative_to("results") else Path(path.name)
    return below.as_posix().replace("/", "-")


def run_id(base: str, name: str) -> str:
    """The id of a run of a results folder: readable, and no other folder's, nor another run's whose name is as long.

    W&B keeps one run an id, and replaces it: two folders of one name in two places end on different letters.
    """
    place = hashlib.sha256(os.fsencode(Path(base).resolve())).hexdigest()[:6]
    return f"{_shortened(f'{tracking_group(base)}-{name}'.replace(' ', '-'), LONGEST - len(place) - 1)}-{place}"


def _shortened(name: str, longest: int) -> str:
    """A name as W&B takes it; the end of one that is too long gives way to a hash of the whole."""
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: longest - len(digest) - 1]}-{digest}"


def log_run(base: str, tracked: TrackedRun) -> bool:
    """Log one run into ``{base}/wandb``, in place of an earlier one of that name.

    Args:
        base: results folder.
        tracked: what to log; values that are missing or not finite are left out.

    Returns:
        Whether it was logged.
    """
    track = json.loads(os.environ.get(ENVIRONMENT) or '{"mode": "disabled"}')
    if track["mode"] == "disabled":
        return False
    group = tracking_group(base)
    identity = run_id(base, tracked.name)
    try:
        import wandb

        for stale in Path(base, "wandb").glob(
            f"offline-run-????????_??????-{glob.escape(identity)}"
        ):  # of results now replaced
            shutil.rmtree(stale)
        run = wandb.init(
            mode=track["mode"],
            project=track["project"],
            entity=track["entity"],
            # Absolute: what writes the run may be another process, started elsewhere.
            dir=str(Path(base).resolve()),
            id=identity,
            name=tracked.name,
            group=group,
            job_type=tracked.job_type,
            # `wandb leet` filters by configuration and tags, not by group.
            config={"group": group, "job_type": tracked.job_type, **tracked.config},
            tags=[
                _shortened(tag, LONGEST_TAG) for tag in dict.fromkeys([group, tracked.job_type, *tracked.name.split()])
            ],
            settings=_settings(),
        )
        with _finishing(run), _staging_in(Path(run.dir).parent):
            _log_history(run, tracked.history, tracked.axis)
            media: dict[str, Any]
            media = {label: wandb.Table(dataframe=_plain(frame)) for label, frame in tracked.tables.items()}
            media |= {label: wandb.Image(str(path)) for label, path in tracked.pictures.items()}
            if media:
                run.log(media)
            run.summary.update(_finite(tracked.summary))
            for item in tracked.used:
                _use(run, _artifact(group, item))
            for item in tracked.made:
                run.log_artifact(_artifact(group, item))
    except Exception as error:  # whatever tracking meets, the results are already on disk
        reason = f"{type(error).__name__}: {error}"
        say(f"warning: {tracked.name} was not tracked with W&B ({reason}); results are not affected")
        return False
    return True


def _settings() -> wandb.Settings:
    """No source, host name, list of packages or console output: nothing leaves the machine that was not put here."""
    import wandb

    return wandb.Settings(
        console="off",
        disable_git=True,
        disable_code=True,
        host="",
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        silent=True,
    )


@contextmanager
def _finishing(run: wandb.Run) -> Iterator[None]:
    """End the run whatever happens; its own context manager prints a traceback, which looks like a failed stage."""
    try:
        yield
    except BaseException:
        run.finish(exit_code=1)
        raise
    run.finish()


@contextmanager
def _staging_in(folder: Path) -> Iterator[None]:
    """Keep W&B's copies of tables, which ``wandb sync`` uploads later, with the run and not in the user's home."""
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]
        else:
            os.environ["WANDB_DATA_DIR"] = before


def _log_history(run: wandb.Run, history: Sequence[Mapping[str, Any]], axis: str | None) -> None:
    for key in dict.fromkeys(key for record in history for key in record):
        over = None if key == axis else axis
        run.define_metric(key, step_metric=over, summary="none", hidden=key == axis)
    for record in history:
        run.log(_finite(record))


def _artifact(group: str, item: TrackedFiles) -> wandb.Artifact:
    import wandb

    artifact = wandb.Artifact(_shortened(f"{group}-{item.name}", LONGEST), type=item.kind, metadata=dict(item.metadata))
    for path in item.files:
        # Immutable: uploaded from where it lies. A stage that replaces it replaces this run as well.
        artifact.add_file(str(path), policy="immutable")
    return artifact


def _use(run: wandb.Run, artifact: wandb.Artifact) -> None:
    """Say that the run was given an artifact."""
    if not run.offline:
        run.use_artifact(artifact)
        return
    # ``use_artifact`` refuses offline, since a name could not be looked up. An artifact with its files needs no
    # look-up: this writes the record that ``use_artifact`` would send, and ``wandb sync`` sends it.
    run._log_artifact(artifact, is_user_created=True, use_after_commit=True)


def _finite(record: Mapping[str, Any]) -> dict[str, Any]:
    """Values as W&B stores them: plain numbers, without those that are missing or not finite."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in record.items()}
    return {
        key: value
        for key, value in plain.items()
        if value is not None and not (isinstance(value, float) and not np.isfinite(value))
    }


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A table as W&B stores it, in JSON: unlimited shots as text, empty cells as null."""
    written = frame.copy()
    if "shots" in written:
        written["shots"] = written["shots"].map(lambda shots: "inf" if shots == np.inf else f"{shots:.0f}")
    return written.astype(object).where(written.notna(), None)
