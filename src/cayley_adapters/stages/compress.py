"""Compress the model's projections."""

from __future__ import annotations

import numpy as np

from cayley_adapters.compression import compress, save_compressed
from cayley_adapters.corpus import load_windows
from cayley_adapters.layout import Job
from cayley_adapters.models import set_threads
from cayley_adapters.progress import Progress, say
from cayley_adapters.stages.common import base_model, compression_ratio

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the compressed model's folder."""
    options, inputs, ratio = job.leaves["compress"], job.inputs(), compression_ratio(job)
    set_threads(options["threads"])
    count = job.leaves["data.calibration_windows"]
    tokens = load_windows(inputs["tokens"][0], "calibration").first(count, "data.calibration_windows").tokens
    model = base_model(inputs["model"][0])
    records = compress(
        model, ratio, tokens=tokens, targets=options["targets"], ridge=options["ridge"], progress=Progress(job.label)
    )
    if records:
        before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
        error = np.mean([record["relative_error"] for record in records])
        say(f"{job.label}: {1 - after / before:.4f} of {before} parameters removed, mean relative error {error:.3f}")
    about = {"model": job.leaves["model.name"], "method": options["method"], "compression_ratio": ratio}
    save_compressed(model, job.outputs()["compressed"].parent, records, about)
