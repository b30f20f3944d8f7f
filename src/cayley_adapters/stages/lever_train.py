"""Train the blocks of a lever."""

from __future__ import annotations

from cayley_adapters.analysis.lever_ranking import best_ranked, read_ranking
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.stages import train

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the trained adapter, on the best-ranked projections where the job has a ranking."""
    chosen = None
    if rankings := job.inputs()["ranking"]:
        table, targets = read_ranking(rankings[0]), job.leaves["train"]["targets"]
        plain = table[table["projection"].map(lambda name: name.rpartition(".")[2]).isin(targets)]
        chosen = best_ranked(table, job.leaves["levers.budget"] * float(plain["inputs"].sum()))
    train.run(job, chosen)
