"""The estimate that ``cayley estimate`` prints, and the line with which the workflow starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from cayley_adapters.core.messages import say
from cayley_adapters.pipeline.costs.machine import kept_speeds, measure_speeds
from cayley_adapters.pipeline.costs.plan import order, planned_jobs
from cayley_adapters.pipeline.costs.prediction import shape_of, speeds
from cayley_adapters.pipeline.costs.processor import processor_cost
from cayley_adapters.pipeline.costs.summary import headline, summary, summary_table, usable_cores
from cayley_adapters.pipeline.run import job_from_json
from cayley_adapters.qpu.cost import cost_table
from cayley_adapters.settings import Settings

__all__ = ["estimate_of", "estimate_run"]


def estimate_run(
    settings: Sequence[Settings],
    target: str = "phase_diagram",
    cores: int | None = None,
    remaining: bool = False,
    measure: bool = False,
    as_json: bool = False,
) -> str:
    """Predict a run, and measure this machine's speed before where that was not done.

    Args:
        settings: one configuration a variant.
        target: of the workflow, see :data:`cayley_adapters.pipeline.targets.TARGETS`.
        cores: as given to ``snakemake``; all of this machine's if None, which are the most that are used.
        remaining: whether to leave out jobs whose files are there.
        measure: whether to measure again.
        as_json: whether to return JSON instead of a table.

    Raises:
        CayleyError: unknown target.
    """
    plan = planned_jobs(settings, target, done=not remaining)
    if measure or kept_speeds() is None:
        say("measuring this machine, some ten seconds; nothing else should run meanwhile")
        measure_speeds()
        speeds.cache_clear()
        plan = planned_jobs(settings, target, done=not remaining)
    found = summary(plan, min(cores or usable_cores(), usable_cores()))
    devices = [processor_cost(item) for item in settings] if target == "qpu" else []
    if as_json:
        return json.dumps({"target": target, **found, "processor": devices}, indent=1)
    lines = [summary_table(found), "", headline(found)]
    rest = plan if remaining else planned_jobs(settings, target)
    if len(rest) < len(plan):
        left = summary(rest, min(cores or usable_cores(), usable_cores()))
        lines.append(f"{len(plan) - len(rest)} of these are there already; what is left: {headline(left)}")
    if found["seconds"] > 600:
        lines.append(f"no less than {found['critical_seconds'] / 60:.0f} min on any number of cores")
    lines += [cost_table(devices)] * bool(devices) + _unknown(settings)
    return "\n".join(lines)


def estimate_of(jobs: Sequence[str], settings: Mapping[str, Settings], cores: int) -> str:
    """The line with which a workflow starts.

    Args:
        jobs: what is to run, as :func:`cayley_adapters.core.job.job_to_json` writes it, in any order.
        settings: folder of a run or of the store → configuration.
        cores: that jobs may keep busy.
    """
    found = summary(order([*map(job_from_json, jobs)], settings), cores)
    ending = "" if found["measured"] else " (not measured on this machine; `cayley estimate` does)"
    return f"estimate: {headline(found)}{ending}"


def _unknown(settings: Sequence[Settings]) -> list[str]:
    """What to say of models whose shape is not known."""
    names = [item.model.id for item in settings if shape_of(item) is None]
    return [f"{name} was never fetched: taken for a model of 1.7 billion parameters" for name in names]
