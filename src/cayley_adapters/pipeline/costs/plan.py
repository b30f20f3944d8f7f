"""All jobs that a target asks for, in what order they can run, and how long they take on some cores."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from cayley_adapters.core.job import Job
from cayley_adapters.pipeline.costs.prediction import JobCost, coefficients, job_cost, job_threads
from cayley_adapters.pipeline.jobs import every_job
from cayley_adapters.pipeline.targets import TARGETS, require_target
from cayley_adapters.pipeline.variants import stored_folders, variants
from cayley_adapters.settings import Settings

__all__ = ["PlannedJob", "Run", "order", "planned_jobs", "settings_by_base", "simulate"]


@dataclass(frozen=True)
class PlannedJob:
    """A job, what it takes, and the jobs whose files it reads.

    Attributes:
        job: the job.
        cost: predicted.
        threads: cores that it keeps busy.
        after: positions of other jobs in the plan.
    """

    job: Job
    cost: JobCost
    threads: int
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Run:
    """How a plan's jobs run side by side.

    Attributes:
        seconds: wall time of everything.
        memory_mb: of all jobs that run at once, at the worst moment, MiB.
        critical_seconds: of the longest chain of jobs: no number of cores is faster.
    """

    seconds: float
    memory_mb: float
    critical_seconds: float


def planned_jobs(settings: Sequence[Settings], target: str = "phase_diagram", done: bool = False) -> list[PlannedJob]:
    """The jobs of a target, each after those that it needs.

    Args:
        settings: one configuration a variant.
        target: one of :data:`cayley_adapters.pipeline.targets.TARGETS`.
        done: whether jobs whose files are all there are planned, too.

    Raises:
        CayleyError: unknown target.
    """
    require_target(target)
    every = every_job(settings)
    maker = {path: job for job in every for path in job.outputs.values()}
    chosen: dict[int, Job] = {}
    waiting = [job for job in every if job.stage in TARGETS[target]]
    while waiting:
        job = waiting.pop()
        if id(job) in chosen or not (done or missing(job)):
            continue
        chosen[id(job)] = job
        waiting += [maker[path] for path in needed(job) if path in maker]
    return order([job for job in every if id(job) in chosen], settings_by_base(settings))


def order(wanted: Sequence[Job], settings: Mapping[str, Settings]) -> list[PlannedJob]:
    """Predict jobs, and find which wait for which.

    Args:
        wanted: jobs, in any order.
        settings: results folder, or one of the store → configuration.

    Returns:
        Each job after those that it needs.
    """
    maker = {path: index for index, job in enumerate(wanted) for path in job.outputs.values()}
    graph = {
        index: {maker[path] for path in needed(job) if path in maker} - {index} for index, job in enumerate(wanted)
    }
    wanted = [wanted[index] for index in TopologicalSorter(graph).static_order()]
    place = {path: index for index, job in enumerate(wanted) for path in job.outputs.values()}
    return [
        PlannedJob(
            job,
            job_cost(job, settings[job.base]),
            job_threads(job.stage, settings[job.base]),
            tuple(sorted({place[path] for path in needed(job) if path in place})),
        )
        for job in wanted
    ]


def needed(job: Job) -> Iterable[Path]:
    """Files that a job reads."""
    return (path for paths in job.inputs.values() for path in paths)


def missing(job: Job) -> bool:
    """Whether a file that a job writes is not there."""
    return not all(path.exists() for path in job.outputs.values())


def settings_by_base(settings: Sequence[Settings]) -> dict[str, Settings]:
    """Every folder that jobs of a run may write to, and a configuration of which."""
    of = variants(settings)
    stored = {base: variant.settings for base, [(_, _, variant), *_] in stored_folders(of).items()}
    runs = {str(Path(base).parent): settings[0] for base in of}
    return runs | stored | {base: variant.settings for base, variant in of.items()}


def simulate(plan: Sequence[PlannedJob], cores: int) -> Run:
    """Run a plan as Snakemake would: whenever cores are free, the ready job with the longest chain behind it.

    Args:
        plan: jobs, each after those that it needs.
        cores: of the machine.
    """
    figures = coefficients()
    slower = figures["crowding"] if cores > 1 and len(plan) > 1 else 1.0
    lengths = [item.cost.seconds * slower + figures["between_jobs"] for item in plan]
    behind, followers = list(lengths), [list[int]() for _ in plan]
    for index in reversed(range(len(plan))):
        behind[index] += max((behind[follower] for follower in followers[index]), default=0.0)
        for earlier in plan[index].after:
            followers[earlier].append(index)
    waits = [len(item.after) for item in plan]
    ready = [(-behind[index], index) for index, count in enumerate(waits) if count == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now, free, held, peak = 0.0, max(1, cores), 0.0, 0.0
    while ready or running:
        later = []
        while ready and free > 0:
            item = heapq.heappop(ready)
            threads = min(plan[item[1]].threads, cores)
            if threads > free:
                later.append(item)
                continue
            free, held = free - threads, held + plan[item[1]].cost.memory_mb
            peak = max(peak, held)
            heapq.heappush(running, (now + lengths[item[1]], item[1]))
        for item in later:
            heapq.heappush(ready, item)
        now, index = heapq.heappop(running)
        free, held = free + min(plan[index].threads, cores), held - plan[index].cost.memory_mb
        for follower in followers[index]:
            waits[follower] -= 1
            if waits[follower] == 0:
                heapq.heappush(ready, (-behind[follower], follower))
    return Run(now + figures["starting"] if plan else 0.0, peak, max(behind, default=0.0))
