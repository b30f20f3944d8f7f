"""Bring a lever's blocks to native gates."""

from __future__ import annotations

from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages import transpile

__all__ = ["run"]


def run(job: Job) -> None:
    """Write circuits and the table of their gates, as :mod:`cayley_adapters.stages.transpile` does."""
    paths = job.inputs()["exact"]
    transpile.run(job, load_circuits(paths[0]) if paths else None)
