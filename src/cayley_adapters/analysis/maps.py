"""Maps of several results folders side by side: what differs between them, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.evaluations import Evaluations
from cayley_adapters.core.errors import CayleyError

__all__ = ["Map", "differing_keys", "labels_of", "shared_scales", "unpaired"]

NO_SETTING = ("run", "variant", "title", "experiment", "store", "track")
"""Keys, and sections, that say nothing of what was measured."""

MOST_SCALES = 5
"""Noise scales above 0 that are compared unless others are asked for."""


@dataclass(frozen=True, eq=False)
class Map:
    """What one results folder holds.

    Attributes:
        name: by which it is told from others.
        config: its configuration, dotted key → value.
        cells: rows of ``phase_diagram.csv``.
        baselines: ``baselines.csv``.
        transition: ``transition.json``.
        evaluations: the cells with the loss of every test token.
        compressed: compression ratio → ``(tokens,)`` nats of the compressed model.
        documents: ``(tokens,)`` the document of each test token.
        text: ``(windows, window)`` ids of the test tokens, the first of each window not predicted.
        records: of its jobs, with ``stage``, ``cell`` and ``cpu_seconds``.
    """

    name: str
    config: Mapping[str, Any]
    cells: pd.DataFrame
    baselines: pd.DataFrame
    transition: Mapping[str, Any]
    evaluations: Evaluations
    compressed: Mapping[float, np.ndarray]
    documents: np.ndarray
    text: np.ndarray
    records: Sequence[Mapping[str, Any]] = ()

    @property
    def blocks(self) -> dict[tuple[float, int], set[float]]:
        """The noise scales of every compression ratio and block dimension."""
        found: dict[tuple[float, int], set[float]] = {}
        for part in self.transition["ratios"]:
            for entry in part["recovery_nll"]:
                found.setdefault((part["compression_ratio"], entry["block_dim"]), set()).add(entry["noise_scale"])
        return found

    def reads_as(self, other: Map) -> bool:
        """Whether both were measured on the same tokens of the same documents."""
        return np.array_equal(self.documents, other.documents) and np.array_equal(self.text, other.text)


def labels_of(maps: Sequence[Map]) -> dict[str, str]:
    """Name → what people are shown: the title in the configuration where there is one, unless that tells less apart."""
    labels = {one.name: str(one.config.get("title") or one.name) for one in maps}
    return labels if len(set(labels.values())) == len(labels) else {name: name for name in labels}


def differing_keys(maps: Sequence[Map]) -> dict[str, list[Any]]:
    """The keys of the configuration that differ, with the value of each map; a missing one counts as null."""
    keys = dict.fromkeys(key for one in maps for key in one.config if key.partition(".")[0] not in NO_SETTING)
    found = {key: [one.config.get(key) for one in maps] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def shared_scales(maps: Sequence[Map], asked: Iterable[float] = ()) -> list[float]:
    """The noise scales above 0 to compare at, increasing: those asked for, or at most five that all maps have.

    Raises:
        CayleyError: the maps share none, or not those asked for.
    """
    axes = [set.intersection(*_noisy(one.blocks.values())) for one in maps]
    shared = sorted(scale for scale in set.intersection(*axes) if scale > 0)
    if not shared:
        told = "; ".join(f"{one.name} has {_listed(axis)}" for one, axis in zip(maps, axes, strict=True))
        raise CayleyError(f"the maps share no noise scale above 0: {told}; give them some with sweep.noise_scale=…")
    if wanted := sorted(set(asked)):
        if lacking := [scale for scale in wanted if scale not in shared]:
            raise CayleyError(
                f"--noise-scale {_listed(lacking)}: not all maps have it; above 0 all have {_listed(shared)}"
            )
        return wanted
    chosen = [shared[place] for place in np.unique(np.linspace(0, len(shared) - 1, MOST_SCALES).round().astype(int))]
    if 1.0 in shared and 1.0 not in chosen:
        chosen[int(np.argmin(np.abs(np.log(chosen))))] = 1.0
    return chosen


def _noisy(axes: Iterable[set[float]]) -> list[set[float]]:
    """Those that go beyond 0, if any does: the uncompressed model may have been run without noise alone."""
    every = list(axes)
    return [axis for axis in every if axis != {0.0}] or every


def unpaired(maps: Sequence[Map], reference: Map) -> dict[str, str]:
    """The maps whose losses cannot be subtracted from the reference's, each with a sentence that says why.

    Raises:
        CayleyError: they are of different texts, though of models that read a text alike, or the configurations ask
            for different texts.
    """
    found = {}
    for one in maps:
        if one.reads_as(reference):
            continue
        keys = differing_keys([reference, one])
        texts = [key for key in keys if key.startswith("data.") or key in ("evaluate.windows", "evaluate.context")]
        counts = [f"{each.name} has {len(each.documents)} tokens of {len(np.unique(each.documents))} documents"
                  for each in (reference, one)]  # fmt: skip
        if texts or not any(key.startswith("model.") for key in keys):
            told = f", since {', '.join(texts)} differ" if texts else ""
            raise CayleyError(
                f"the test texts differ{told} ({', '.join(counts)}); compare maps that were measured on the same one, "
                "with the same data and evaluate.windows"
            )
        found[one.name] = (
            f"{one.name} and {reference.name} are of models that cut the test text into different tokens, whose losses "
            "cannot be subtracted: they stand side by side, without paired differences."
        )
    return found


def _listed(scales: Iterable[float]) -> str:
    return ", ".join(f"{scale:g}" for scale in sorted(scales)) or "none"
