"""What each lever runs: its configuration, and what it shares with others.

Levers that train alike share their blocks, those that synthesise alike their circuits, and what changes nothing of
either is evaluated on the map's own. Beside each stands a control, the identity block (``identity-NAME``): circuits of
the same gates on the same device, with nothing learnt. (That of noise-aware synthesis has the exact circuits' gates.)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.settings import Settings, validate
from cayley_adapters.settings.levers import FULL_STEP_LAYERS, LEVERS, PLAIN, RANKED_FROM, Lever

__all__ = [
    "IDENTITY",
    "NO_LEVERS",
    "RANKED_BLOCK_DIM",
    "arranged",
    "block_dims",
    "cells_of",
    "circuits_folder",
    "control_of_lever",
    "evaluation_folder",
    "exact_circuits_folder",
    "lever_of",
    "measured",
    "owners",
    "ranked",
    "training_folder",
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
    wanted = arranged(settings, IDENTITY + name, block_dim), ranked(name)
    for other in measured(settings):
        if block_dim in lever_of(other).block_dims:
            found = arranged(settings, IDENTITY + other, block_dim), ranked(other)
            if found == wanted:
                return IDENTITY + other
    raise AssertionError(name)  # it is one of them


def _owner(settings: Settings, name: str, block_dim: int, what: Any) -> str:
    """The first of all levers that has the same of something as this one, whether that is measured or not.

    So files stay where they are when further levers are measured.
    """
    prefix = IDENTITY if name.startswith(IDENTITY) else ""
    wanted = what(settings, name, block_dim)
    for other in LEVERS:
        if block_dim in lever_of(other).block_dims and what(settings, prefix + other, block_dim) == wanted:
            return prefix + other
    raise AssertionError(name)  # it is one of them


def _trained(settings: Settings, name: str, block_dim: int) -> Any:
    """What training depends on."""
    own = arranged(settings, name, block_dim)
    depth = own.train.brickwork_depth if ANSATZES[own.train.ansatz].layered else None
    train = own.train.model_copy(update={"brickwork_depth": depth})
    return train, own.noise if own.train.noise_scale > 0 else None, ranked(name)


def _synthesised(settings: Settings, name: str, block_dim: int) -> Any:
    """What circuits depend on."""
    own = arranged(settings, name, block_dim)
    aware = (own.noise, own.transpile.noise_scale) if SYNTHESES[own.transpile.synthesis].directed else None
    return own.transpile.synthesis, aware, _owner(settings, name, block_dim, _trained)


@cache
def owners(settings: Settings, name: str, block_dim: int) -> tuple[str, str]:
    """The levers whose blocks and whose circuits it has."""
    return _owner(settings, name, block_dim, _trained), _owner(settings, name, block_dim, _synthesised)


def training_folder(settings: Settings, name: str, block_dim: int) -> str:
    """Where its blocks are, below the results folder."""
    owner = owners(settings, name, block_dim)[0]
    return "survey/adapters" if owner == RANKED_FROM else _folder(owner, "adapters")


def circuits_folder(settings: Settings, name: str, block_dim: int) -> str:
    """Where its circuits are, below the results folder."""
    return _folder(owners(settings, name, block_dim)[1], "circuits")


def exact_circuits_folder(settings: Settings, name: str, block_dim: int) -> str | None:
    """Where the map's exact circuits are, of which its own are a longer version; None if they are none."""
    prefix = IDENTITY if name.startswith(IDENTITY) else ""
    longer = SYNTHESES[arranged(settings, name, block_dim).transpile.synthesis].compared
    return circuits_folder(settings, prefix + PLAIN, block_dim) if longer else None


def evaluation_folder(name: str) -> str:
    """Where its losses are, below the results folder."""
    return _folder(name, "evaluations")


def _folder(name: str, kind: str) -> str:
    return kind if name == PLAIN else f"levers/{name}/{kind}"
