"""What each lever runs: its configuration.

Levers that train alike share their blocks, and those that synthesise alike their circuits, as all that needs the same
thing does. Beside each stands a control, the identity block (``identity-NAME``): circuits of
the same gates on the same device, with nothing learnt. (That of noise-aware synthesis has the exact circuits' gates.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from cayley_adapters.pipeline.records import record_path
from cayley_adapters.settings import Settings, validate
from cayley_adapters.settings.levers import FULL_STEP_LAYERS, LEVERS, PLAIN, Lever

if TYPE_CHECKING:
    from cayley_adapters.core.job import Job
    from cayley_adapters.pipeline.variants import Variant

__all__ = [
    "IDENTITY",
    "NO_LEVERS",
    "RANKED_BLOCK_DIM",
    "arranged",
    "block_dims",
    "cells_of",
    "control_of_lever",
    "lever_of",
    "levers_told",
    "measured",
    "ranked",
]

IDENTITY = "identity-"
NO_LEVERS = "this run measures no levers that need it; type experiment=levers, with levers.size=small for about an hour"
RANKED_BLOCK_DIM = 4
"""Of the blocks that projections are ranked by."""


def lever_of(name: str) -> Lever:
    """The lever of a name, or that whose identity control it is."""
    return LEVERS[name.removeprefix(IDENTITY)]


def ranked(name: str) -> bool:
    """Whether blocks act on the best-ranked projections."""
    return lever_of(name).ranked


def measured(settings: Settings) -> list[str]:
    """The map's own arrangement, and the levers that are compared with it; none where no lever is asked for."""
    return [PLAIN, *settings.levers.names] if settings.levers.names else []


@cache
def arranged(settings: Settings, name: str, block_dim: int) -> Settings:
    """The configuration of one lever for blocks of one dimension.

    Args:
        settings: of the run.
        name: of a lever, or of its identity control.
        block_dim: d.

    Raises:
        CayleyError: the lever does not go with the configuration.
    """
    lever, raw = lever_of(name), settings.model_dump(mode="json")
    changes: dict[str, Any] = {
        # Sources of errors are told apart on the map alone, and where each lever's boundary lies by refining.
        "evaluate.noise_budget_windows": 0,
        "evaluate.unlimited_shots_block_dims": [],
        "levers.names": [],
        **lever.changes,
        "sweep.block_dim": [block_dim],
    }
    if lever.ranked:
        changes["train.ranked_budget"] = settings.levers.budget
    if block_dim in lever.depths:
        depth = changes["train.brickwork_depth"] = lever.depths[block_dim]
        changes["train.learning_rate"] = raw["train"]["learning_rate"] * min(1, FULL_STEP_LAYERS / depth)
    if name.startswith(IDENTITY):
        changes |= {"train.steps": 0, "train.noise_scale": 0, "train.readout": "signed", "evaluate.refine": 0}
        if changes.get("transpile.synthesis") == "noise_aware":  # which leaves out all gates of an identity
            changes["transpile.synthesis"] = "exact"
        changes["sweep.seed"] = [settings.sweep.seed[0]]
    for section in ("questions", "qpu"):  # which may name another block
        changes |= {f"{section}.block_dim": None, f"{section}.compression_ratio": None}
    changes |= {"benchmarks.block_dim": [], "benchmarks.compression_ratio": []}
    changes["qpu.mode"] = "characterise"  # the other one needs a projection of its own
    for key, value in changes.items():
        section, _, leaf = key.partition(".")
        raw[section][leaf] = value
    return validate(raw, where=f"levers.names={name}: ")


def cells_of(settings: Settings) -> Iterator[tuple[str, int, int]]:
    """Name, block dimension and seed of all that is measured beside the map, identity controls after the levers."""
    for name in measured(settings):
        for d in block_dims(settings, name):
            yield from ((name, d, seed) for seed in settings.sweep.seed if name != PLAIN)
    done = set()
    for name in measured(settings):
        for d in block_dims(settings, name):
            if (twin := control_of_lever(settings, name, d), d) not in done:
                done.add((twin, d))
                yield twin, d, settings.sweep.seed[0]


def block_dims(settings: Settings, name: str) -> list[int]:
    """The block dimensions of the run that a lever is measured for."""
    return [d for d in settings.sweep.block_dim if d in lever_of(name).block_dims]


def control_of_lever(settings: Settings, name: str, block_dim: int) -> str:
    """The identity control that a lever is compared with: that of the first lever whose control is the same."""
    wanted = arranged(settings, IDENTITY + name, block_dim)
    for other in measured(settings):
        if block_dim in lever_of(other).block_dims and arranged(settings, IDENTITY + other, block_dim) == wanted:
            return IDENTITY + other
    raise AssertionError(name)  # it is one of them


def levers_told(variant: Variant, made: Callable[[str, Variant, Mapping[str, str]], Job]) -> dict[str, Any]:
    """What the comparison knows of the cells that it compares.

    Args:
        variant: of the run.
        made: gives the job of a stage, a configuration and a cell.

    Returns:
        ``arms``: name of a lever or identity control, and the folder of its evaluation, for each cell; ``controls``:
        lever and block dimension → its identity control; ``records``: lever and block dimension → what a cost is of →
        the records of the jobs that it took, a seed each.
    """
    arms: list[list[str]] = []
    records: dict[str, dict[str, list[list[str]]]] = {}
    for arm in variant.arms:
        job = made("evaluate", arm.variant, arm.cell)
        arms.append([arm.name, job.outputs["cells"].parent.as_posix()])
        if arm.name.startswith(IDENTITY):
            continue
        taken = {"evaluation": [job]} | {
            name: [made(stage, arm.variant, arm.cell)]
            for name, stage in (("training", "train"), ("synthesis", "transpile"))
        }
        if arm.variant.settings.train.ranked_budget is not None:
            rank = made("rank", arm.variant, {})
            survey = {axis: folders[0] for axis, folders in rank.axes.items()}
            taken["ranking"] = [rank, made("train", arm.variant.survey, survey)]
        for name, found in taken.items():
            of_seeds = records.setdefault(f"{arm.name} {arm.block_dim}", {}).setdefault(name, [])
            of_seeds.append([record_path(job).as_posix() for job in found])
    keys = [(name, d) for name in measured(variant.settings) for d in block_dims(variant.settings, name)]
    controls = {f"{name} {d}": control_of_lever(variant.settings, name, d) for name, d in keys}
    return {"arms": arms, "controls": controls, "records": records}
