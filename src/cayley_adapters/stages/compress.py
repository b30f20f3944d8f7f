"""Compress the model's projections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.streaming import compress_folder
from cayley_adapters.models.windows import load_windows
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import model_dtype, model_folder

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the compressed model's folder."""
    options, inputs, ratio = settings.compress, job.inputs, job.ratio
    set_threads(options.threads)
    count = settings.data.calibration_windows
    tokens = load_windows(inputs["tokens"][0], "calibration").first(count, "data.calibration_windows").tokens
    chosen = options.model_dump(mode="json", exclude={"threads"})
    about = {"model": settings.model.name, "compression_ratio": ratio} | chosen
    described, folder = inputs["model"][0], job.outputs["compressed"].parent
    records = compress_folder(
        model_folder(described),
        folder,
        ratio,
        about,
        tokens=tokens,
        dtype=model_dtype(described),
        progress=Progress(job.label),
        **chosen,
    )
    for line in _table(records):
        say(line)
    if records:
        before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
        say(f"{job.label}: {1 - after / before:.4f} of {before} parameters removed; {folder}")
    return Outcome()


def _table(records: list[dict[str, Any]]) -> Iterator[str]:
    """What was done to each projection, one line each."""
    if records:
        yield f"{'projection':40s} {'size':>5s} {'before':>9s} {'after':>9s} {'error':>6s}"
    for item in records:
        before, after = item["parameters_before"], item["parameters_after"]
        yield f"{item['projection']:40s} {item['size']:5d} {before:9d} {after:9d} {item['relative_error']:6.4f}"
