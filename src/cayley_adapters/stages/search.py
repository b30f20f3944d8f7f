"""Choose a step size by short trainings, for blocks of one dimension or one classical control."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from cayley_adapters.adapters.training.loop import train_adapter
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job, control_of
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import TRIAL_COLUMNS, write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.adapters import adapt, rate_key, step_of
from cayley_adapters.stages.training import plain_attention, recipe_of, text_of

__all__ = ["run"]

SEED = 0
"""Of the trials' order of text, whatever seeds are trained with what they choose."""


def run(job: Job, settings: Settings) -> Outcome:
    """Write the step size with the lowest validation loss after a short training, and all that were tried."""
    key = rate_key(job)
    given = job.leaves.get(key)
    trials = [] if given is not None else _trials(job, settings, getattr(settings.search, key.partition(".")[2]))
    losses = np.array([row["validation"] for row in trials])
    best = int(losses.argmin()) if trials else 0
    at_end = len(trials) > 1 and best in (0, len(trials) - 1)
    if trials:
        if not np.isfinite(losses[best]):
            raise CayleyError(f"{job.label}: training diverged with every step size that was tried; lower search.{key}")
        end = "; it is an end of what was tried, and a further one may be better" if at_end else ""
        say(f"{job.label}: step size {trials[best]['learning_rate']:g} of {len(trials)} that were tried{end}")
    rate = trials[best]["learning_rate"] if trials else given
    rows = [row | {"chosen": place == best, "at_end": place == best and at_end} for place, row in enumerate(trials)]
    write_table(rows, job.outputs["trials"], TRIAL_COLUMNS)
    write_file(job.outputs["rate"], json.dumps({"learning_rate": rate, "trials": len(trials)}) + "\n")
    return Outcome()


def _trials(job: Job, settings: Settings, rates: tuple[float, ...]) -> list[dict[str, Any]]:
    """A row a step size; one with which training diverges has an infinite loss."""
    import torch

    options = settings.train
    set_threads(options.threads)
    base = place(load_compressed(job.inputs["compressed"][0].parent), device_named(options.device))
    method, block_dim = control_of(job.cell["control"]) if "control" in job.cell else ("cayley", job.block_dim)
    steps = min(settings.search.steps, options.steps)
    progress, rows = Progress(job.label), []
    for rate in rates:
        torch.manual_seed(SEED)
        model = adapt(job, settings, base)
        text = text_of(job, model, options)
        plain_attention(model.get_base_model(), text.tokens)
        recipe = recipe_of(options, step_of(job, rate), SEED, steps=steps, validate_every=steps)
        try:
            last = train_adapter(model, text, recipe)[-1]["validation"]
        except CayleyError:
            last = np.inf
        loss = last if np.isfinite(last) else np.inf
        cell = {"compression_ratio": job.ratio, "method": method, "block_dim": block_dim}
        rows.append(cell | {"learning_rate": rate, "steps": steps, "validation": loss})
        progress(len(rows), len(rates), f"step size {rate:g}: validation {loss:.4f}")
        base = model.unload()
    return rows
