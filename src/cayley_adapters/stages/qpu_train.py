"""Train the model whose blocks go to a processor."""

from __future__ import annotations

from dataclasses import replace

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages import train

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the trained adapter, as :mod:`cayley_adapters.stages.train` does, of the projections meant for a device."""
    own = {key: job.leaves[f"qpu.{key}"] for key in ("targets", "layers")}
    options = job.leaves["train"] | {key: value for key, value in own.items() if value is not None}
    try:
        train.run(replace(job, leaves={**job.leaves, "train": options}))
    except CayleyError as error:
        raise CayleyError(str(error).replace("train.layers", "qpu.layers")) from error
