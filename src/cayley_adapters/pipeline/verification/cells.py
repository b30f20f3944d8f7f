"""Cells computed again from their adapters, and compared with what the map, or the table of a lever, says."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import read_cells
from cayley_adapters.pipeline.verification.again import run_again
from cayley_adapters.pipeline.verification.folder import Folder
from cayley_adapters.pipeline.verification.integrity import ran_alike

__all__ = ["NUMBERS", "TOLERANCE", "Cell", "cells_again", "chosen_points"]

NUMBERS = ("nll", "nll_se", "perplexity")
"""What is compared of a cell."""

POINT = ["executor", "readout", "shots", "noise_scale", "mitigation"]
"""What tells the rows of one adapter apart."""

TOLERANCE = 1e-4
"""Nats a token by which a cell may differ on another machine or with other packages, see docs/science.md."""

SHOTS = 4 * math.sqrt(2)
"""Standard errors by which two draws of shots may differ: probabilities that differ in the last digit draw anew."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One point of the map.

    Attributes:
        name: such as ``ratio0.2 d4 seed0, λ 0.3, 8192 shots``.
        stored, again: ``nll`` and ``perplexity`` in the map, and computed again; NaN where the map lacks it.
        difference: of ``nll``, again less stored; nats a token.
        limit: by which it may differ; 0 where every digit must agree.
        agrees: whether it does.
    """

    name: str
    stored: dict[str, float]
    again: dict[str, float]
    difference: float
    limit: float
    agrees: bool


def chosen_points(folder: Folder, count: int | None, seed: int) -> list[tuple[Job, pd.DataFrame]]:
    """Draw points of the map and of levers; a processor's are none, since no one can measure them again.

    Args:
        folder: the results.
        count: how many; None for all.
        seed: of the draw.

    Returns:
        An evaluation's job and the rows drawn of it, in the order of the map.
    """
    done = [job for job in folder.evaluations if job.outputs["cells"].exists()]
    found = [(job, index, row) for job in done for index, row in read_cells(job.outputs["cells"]).iterrows()]
    if count is not None and count < len(found):
        drawn = np.random.default_rng(seed).choice(len(found), count, replace=False)
        found = [found[number] for number in sorted(drawn)]
    grouped: dict[str, tuple[Job, list[Any]]] = {}
    for job, _, row in found:
        grouped.setdefault(f"{job.base} {job.label}", (job, []))[1].append(row)
    return [(job, pd.DataFrame(rows)) for job, rows in grouped.values()]


def cells_again(job: Job, points: pd.DataFrame, stored: pd.DataFrame, tolerance: float, folder: Path) -> Iterator[Cell]:
    """Run the evaluation of an adapter on some of its points, and compare.

    Args:
        job: the evaluation.
        points: rows of it.
        stored: the map, whose numbers are to be right; the evaluation's own table where it is a lever's.
        tolerance: nats a token by which they may differ where other packages or another machine computed them.
        folder: an empty folder to work in.
    """
    say(f"{job.label}: {len(points)} cells again")
    made = run_again(_job_of(job, points), folder)
    again = read_cells(made.outputs["cells"])
    same = ran_alike(job, made.record)
    first = points.iloc[0]
    mine = stored
    for name in ("compression_ratio", "block_dim", "seed"):
        mine = mine[mine[name] == first[name]]
    for _, point in points.iterrows():
        old, new = _at(mine, point), _at(again, point)
        yield _compared(job, point, old, new, 0.0 if same else tolerance)


def _job_of(job: Job, points: pd.DataFrame) -> Job:
    """The evaluation of these points alone; the one in exact arithmetic comes with every evaluation."""
    device = points[points["executor"] != "exact"]
    scales = sorted(set(device["noise_scale"].astype(float))) or [0.0]
    shots = sorted(set(device["shots"].astype(float))) or [math.inf]
    asked: Sequence[float | str] = ["inf" if math.isinf(count) else int(count) for count in shots]
    options = job.leaves["evaluate"] | {
        "shots": asked,
        "unlimited_shots_block_dims": [],
        "refine": 0,
        "noise_budget_windows": 0,
    }
    return dataclasses.replace(job, leaves={**job.leaves, "evaluate": options, "sweep.noise_scale": scales})


def _at(table: pd.DataFrame, point: pd.Series) -> pd.Series | None:
    """The row of a point; the map's come before a processor's."""
    for name in POINT:
        table = table[table[name] == point[name]]
    return None if table.empty else table.iloc[0]


def _compared(job: Job, point: pd.Series, old: pd.Series | None, new: pd.Series | None, tolerance: float) -> Cell:
    name = f"{' '.join(job.cell.values())}, λ {point['noise_scale']:g}, "
    name += "exact" if point["executor"] == "exact" else f"{point['shots']:g} shots"
    if old is None or new is None:
        nothing = dict.fromkeys(NUMBERS, math.nan)
        known = nothing if old is None else {key: float(old[key]) for key in NUMBERS}
        return Cell(name, known, nothing, math.nan, tolerance, False)
    stored, again = ({key: float(row[key]) for key in NUMBERS} for row in (old, new))
    difference = again["nll"] - stored["nll"]
    if tolerance == 0:
        return Cell(name, stored, again, difference, 0.0, all(_same(stored[key], again[key]) for key in NUMBERS))
    limit = tolerance + SHOTS * float(new["nll_se_shots"])
    consistent = math.isclose(math.exp(stored["nll"]), stored["perplexity"], rel_tol=1e-9)
    return Cell(name, stored, again, difference, limit, abs(difference) <= limit and consistent)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
