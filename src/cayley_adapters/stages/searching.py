"""Choosing a step size by short trainings: what that of blocks and of classical controls share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from cayley_adapters.adapters.training.fitting import fit_adapter
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import TRIAL_COLUMNS, write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.training import Adapt, recipe_of, text_of

__all__ = ["choose_rate"]

SEED = 0
"""Of the trials' order of text, whatever seeds are trained with what they choose."""


def choose_rate(
    job: Job,
    settings: Settings,
    key: str,
    adapt: Adapt,
    step: Callable[[Job, float, Any], float],
    cell: Callable[[Any], dict[str, Any]],
) -> Outcome:
    """Write the step size with the lowest validation loss after a short training, and all that were tried.

    Args:
        job: a job that chooses.
        settings: what it may read.
        key: of the configuration that is the step size; it is tried what ``search`` has under its last part.
        adapt: puts the adapter on the compressed model.
        step: (job, step size, adapted model) → the optimiser's step.
        cell: adapted model → what the table's rows say of it.
    """
    given = job.leaves.get(key)
    rates = getattr(settings.search, key.partition(".")[2])
    trials = [] if given is not None else _trials(job, settings, rates, adapt, step, cell)
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


def _trials(
    job: Job,
    settings: Settings,
    rates: tuple[float, ...],
    adapt: Adapt,
    step: Callable[[Job, float, Any], float],
    cell: Callable[[Any], dict[str, Any]],
) -> list[dict[str, Any]]:
    """A row a step size; one with which training diverges has an infinite loss."""
    import torch

    options = settings.train
    set_threads(options.threads)
    base = place(load_compressed(job.inputs["compressed"][0].parent), device_named(options.device))
    text, steps = text_of(job, options), min(settings.search.steps, options.steps)
    progress, rows = Progress(job.label), []
    for rate in rates:
        torch.manual_seed(SEED)
        model = adapt(job, settings, base)
        recipe = recipe_of(
            options, step(job, rate, model), SEED, steps=steps, validate_every=steps, validate_start=False
        )
        try:
            last = fit_adapter(model, recipe=recipe, **text)[-1]["validation"]
        except CayleyError:
            last = np.inf
        loss = last if np.isfinite(last) else np.inf
        rows.append(cell(model) | {"learning_rate": rate, "steps": steps, "validation": loss})
        progress(len(rows), len(rates), f"step size {rate:g}: validation {loss:.4f}")
        base = model.unload()
    return rows
