"""Freeze the resolved configuration beside the results."""

from __future__ import annotations

from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``config.yaml``."""
    write_file(job.outputs["config"], settings.to_yaml())
    return Outcome()
