"""A plan's figures by stage and in all, as a table, as one line and as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cayley_adapters.core.messages import text_table
from cayley_adapters.pipeline.costs.plan import PlannedJob, simulate
from cayley_adapters.pipeline.costs.prediction import coefficients, speeds

__all__ = ["headline", "summary", "summary_table", "usable_cores"]

UNMEASURED_SPREAD = 2.5
"""How far another machine's time may be from that of the machine on which the figures were fitted."""


def usable_cores() -> int:
    """Cores of this machine that this process may use: what runs at once, whatever ``--cores`` says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def summary(plan: Sequence[PlannedJob], cores: int) -> dict[str, Any]:
    """Add up a plan.

    Returns:
        ``jobs``; ``cores``; ``cpu_seconds`` of all jobs; ``seconds``, wall time on these cores, with ``seconds_low``,
        ``seconds_high`` and ``critical_seconds`` on any number; ``memory_mb`` of what runs at once; ``disk_mb``;
        ``measured``, whether this machine's speed is known; ``stages``, in the order in which they run.
    """
    run, (_, measured) = simulate(plan, cores), speeds()
    spread = coefficients()["spread"] if measured else UNMEASURED_SPREAD
    stages: dict[str, dict[str, Any]] = {}
    for item in plan:
        row = stages.setdefault(item.job.stage, dict.fromkeys(STAGE_FIGURES, 0))
        row["jobs"] += 1
        row["cpu_seconds"] += item.cost.cpu_seconds
        row["longest_seconds"] = max(row["longest_seconds"], item.cost.seconds)
        row["memory_mb"] = max(row["memory_mb"], item.cost.memory_mb)
        row["disk_mb"] += item.cost.disk_mb
    return {
        "jobs": len(plan),
        "cores": cores,
        "cpu_seconds": round(sum(row["cpu_seconds"] for row in stages.values()), 1),
        "seconds": round(run.seconds, 1),
        "seconds_low": round(run.seconds / spread, 1),
        "seconds_high": round(run.seconds * spread, 1),
        "critical_seconds": round(run.critical_seconds, 1),
        "memory_mb": round(run.memory_mb),
        "disk_mb": round(sum(row["disk_mb"] for row in stages.values()), 1),
        "measured": measured,
        "stages": [
            {"stage": stage, **{name: round(value, 1) for name, value in row.items()}} for stage, row in stages.items()
        ],
    }


STAGE_FIGURES = ("jobs", "cpu_seconds", "longest_seconds", "memory_mb", "disk_mb")


def headline(found: Mapping[str, Any]) -> str:
    """One line: jobs, time with its range, memory and disk."""
    jobs, cores = found["jobs"], found["cores"]
    if not jobs:
        return "nothing to do"
    low, high = _time(found["seconds_low"]), _time(found["seconds_high"])
    return (
        f"{jobs:,} job{'s' * (jobs > 1)}, {_time(found['cpu_seconds'])} of one core; about {_time(found['seconds'])} "
        f"({low} to {high}) on {cores} core{'s' * (cores > 1)}, {_size(found['memory_mb'] * 2**20)} of memory, "
        f"{_size(found['disk_mb'] * 1e6)} on disk"
    )


def summary_table(found: Mapping[str, Any]) -> str:
    """A table of the stages, to read in a terminal."""
    rows = [
        {
            "stage": row["stage"],
            "jobs": f"{row['jobs']:,}",
            "core time": _time(row["cpu_seconds"]),
            "longest job": _time(row["longest_seconds"]),
            "memory a job": _size(row["memory_mb"] * 2**20),
            "disk": _size(row["disk_mb"] * 1e6),
        }
        for row in found["stages"]
    ]
    columns = ["stage", "jobs", "core time", "longest job", "memory a job", "disk"]
    return text_table(rows, columns, right=columns[1:])


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
