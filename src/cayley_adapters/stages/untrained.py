"""Blocks as training starts with them: identities, on the projections that are adapted."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.analysis.lever_ranking import best_ranked, read_ranking
from cayley_adapters.core.job import Job
from cayley_adapters.settings import Settings

__all__ = ["block_config"]


def block_config(job: Job, settings: Settings) -> CayleyConfig:
    """The blocks of a job's cell, on the best-ranked projections where the job has a ranking."""
    options = settings.train
    return CayleyConfig(
        block_dim=job.block_dim,
        ansatz=options.ansatz,
        brickwork_depth=options.brickwork_depth,
        readout=options.readout,
        **_where(job, settings),
    )


def _where(job: Job, settings: Settings) -> dict[str, Any]:
    """The projections to adapt: ``train.targets`` in ``train.layers``, or as many inputs of the best-ranked ones."""
    layers, budget = settings.train.layers, settings.train.ranked_budget
    if budget is None:
        targets = list(settings.train.targets)
        return {"target_modules": targets, "layers_to_transform": None if layers is None else list(layers)}
    table = read_ranking(job.inputs["ranking"][0])
    plain = table[table["projection"].map(lambda name: name.rpartition(".")[2]).isin(settings.train.targets)]
    return {"target_modules": best_ranked(table, budget * float(plain["inputs"].sum()))}
