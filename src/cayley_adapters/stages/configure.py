"""Freeze the resolved configuration beside the results."""

from __future__ import annotations

from cayley_adapters.core.files import atomic_file
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job) -> None:
    """Write ``config.yaml``."""
    with atomic_file(job.outputs()["config"]) as temporary:
        temporary.write_text(Settings.model_validate(job.leaves).to_yaml(), encoding="utf-8")
