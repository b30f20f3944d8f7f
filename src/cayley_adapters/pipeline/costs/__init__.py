"""What a run takes, predicted from its configuration before anything exists: time, memory, disk and the processor.

Each stage has a size (:mod:`table`), which the configuration and the model's shape give (:mod:`sizes`), what a job of
that size takes was fitted to jobs that were run (``coefficients.json``), this machine's speed is measured once
(:mod:`machine`), and jobs are put on cores as Snakemake would (:mod:`plan`).
"""

from __future__ import annotations

from cayley_adapters.pipeline.costs.estimate import estimate_of, estimate_run
from cayley_adapters.pipeline.costs.plan import PlannedJob, order, planned_jobs, simulate
from cayley_adapters.pipeline.costs.prediction import JobCost, job_cost
from cayley_adapters.pipeline.costs.summary import summary, usable_cores

__all__ = [
    "JobCost",
    "PlannedJob",
    "estimate_of",
    "estimate_run",
    "job_cost",
    "order",
    "planned_jobs",
    "simulate",
    "summary",
    "usable_cores",
]
