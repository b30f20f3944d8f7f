"""A results folder as it is found: its configuration, its jobs, and what they recorded of their files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.jobs import jobs_of
from cayley_adapters.pipeline.provenance import provenance_path, read_record
from cayley_adapters.pipeline.store import links_of
from cayley_adapters.pipeline.table import STAGES, stages_before
from cayley_adapters.pipeline.variants import Variant
from cayley_adapters.settings import Settings, load_settings

__all__ = ["Folder"]


@dataclass(frozen=True)
class Folder:
    """One run's results.

    Attributes:
        base: the folder.
        settings: its ``config.yaml``.
        variant: the same, with the folders of the store.
    """

    base: Path
    settings: Settings
    variant: Variant

    @classmethod
    def open(cls, base: Path) -> Folder:
        """Read the configuration, and see that the map is there with all that it was gathered from.

        Raises:
            CayleyError: it is no results folder, or an unfinished one.
        """
        if not (base / "config.yaml").is_file():
            raise CayleyError(
                f"{base} is no results folder: it has no config.yaml; give the folder of a run, e.g. results/quickstart"
            )
        settings = load_settings(base / "config.yaml")
        results = base.parent if settings.variant is None else base.parent.parent
        folder = cls(base, settings, Variant(str(base), settings, settings.store or str(results / "store")))
        missing = [path for job in folder.jobs for path in job.outputs.values() if not path.exists()]
        if missing:
            command = f"cayley run phase_diagram experiment={settings.experiment} run={settings.run} …"
            raise CayleyError(
                f"{base} is unfinished: {len(missing)} files are missing, first {missing[0]}. Finish it with the "
                f"command that it was started with ({command}), then verify"
            )
        return folder

    def jobs_of(self, stage: str) -> Iterator[Job]:
        """The jobs of a stage, with their files in this folder or in the store."""
        yield from jobs_of(stage, self.variant)

    @cached_property
    def evaluations(self) -> list[Job]:
        """Those of the map, and those of levers."""
        return [*self.jobs_of("evaluate"), *(job for job in self._of_levers if job.stage == "evaluate")]

    @cached_property
    def trainings(self) -> list[Job]:
        """Those of blocks: of the map, and those of levers."""
        return [*self.jobs_of("train"), *(job for job in self._of_levers if job.stage == "train")]

    @cached_property
    def _of_levers(self) -> list[Job]:
        own = [job for _, job in links_of(self.variant)]
        return [job for job in own if job.stage in ("train", "evaluate") and job.base != self.variant.base(job.stage)]

    @cached_property
    def jobs(self) -> list[Job]:
        """The job that gathers the map, and all before it."""
        [gathering] = self.jobs_of("aggregate")
        absent = [axis for axis, names in gathering.axes.items() if not names]
        stages = stages_before("aggregate", absent, self.variant.healed)
        return [job for name in stages for job in self.jobs_of(name)]

    @cached_property
    def other_jobs(self) -> list[Job]:
        """The jobs of all other stages that left a record."""
        known = {job.stage for job in self.jobs}
        others = [name for name in STAGES if name not in known and name != "compare"]
        return [job for name in others for job in self.jobs_of(name) if provenance_path(job).exists()]

    def record(self, job: Job) -> dict[str, Any] | None:
        """What a job recorded; None if nothing."""
        return read_record(provenance_path(job))
