"""Freeze the resolved configuration beside the results."""

from __future__ import annotations

from cayley_adapters.core.files import atomic_file
from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``config.yaml``."""
    with atomic_file(job.outputs["config"]) as temporary:
        temporary.write_text(settings.to_yaml(), encoding="utf-8")
    return Outcome()
