"""Compress the model's projections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cayley_adapters.compression import compress, save_compressed
from cayley_adapters.corpus import load_windows
from cayley_adapters.layout import Job
from cayley_adapters.models import set_threads
from cayley_adapters.progress import Progress, say
from cayley_adapters.stages.common import base_model, compression_ratio, model_folder

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the compressed model's folder."""
    options, inputs, ratio = job.leaves["compress"], job.inputs(), compression_ratio(job)
    set_threads(options["threads"])
    count = job.leaves["data.calibration_windows"]
    tokens = load_windows(inputs["tokens"][0], "calibration").first(count, "data.calibration_windows").tokens
    model = base_model(inputs["model"][0])
    chosen = {key: options[key] for key in ("method", "allocation", "targets", "ridge")}
    if options["method"] == "none":
        records = []
    else:
        records = compress(model, ratio, tokens=tokens, progress=Progress(job.label), **chosen)
    about = {"model": job.leaves["model.name"], "compression_ratio": ratio} | chosen
    folder = job.outputs()["compressed"].parent
    save_compressed(model, folder, records, about, model_folder(inputs["model"][0]))
    for line in _table(records):
        say(line)
    if records:
        before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
        say(f"{job.label}: {1 - after / before:.4f} of {before} parameters removed; {folder}")


def _table(records: list[dict[str, Any]]) -> Iterator[str]:
    """What was done to each projection, one line each."""
    if records:
        yield f"{'projection':40s} {'size':>5s} {'before':>9s} {'after':>9s} {'error':>6s}"
    for item in records:
        before, after = item["parameters_before"], item["parameters_after"]
        yield f"{item['projection']:40s} {item['size']:5d} {before:9d} {after:9d} {item['relative_error']:6.4f}"
