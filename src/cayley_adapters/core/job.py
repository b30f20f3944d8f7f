"""One run of a stage: plain data, with every path written out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["CELL_AXES", "Job", "control_of", "job_to_json", "manifest_columns"]

CELL_AXES = ("ratio", "block", "seed")


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes:
        stage: its name.
        base: the folder that its files lie in: a results folder, or one of the store.
        cell: wildcard → folder name, such as ``{"ratio": "ratio0.1"}``.
        leaves: dotted key → value, of the configuration that it may read.
        axes: wildcard → all its folder names, for the axes that its inputs are gathered over.
        bases: stage whose files it reads → the folder that they lie in, or control → folder.
        told: what else it needs to know, where the configuration alone does not say it.
        threads: CPU threads, from the configuration: its results depend on them in the last digits.
        inputs: name → paths; one, unless it is gathered over an axis that the stage does not run over.
        outputs: name → path.
    """

    stage: str
    base: str
    cell: Mapping[str, str]
    leaves: Mapping[str, Any]
    axes: Mapping[str, Sequence[str]]
    bases: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    inputs: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    outputs: Mapping[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its log and its records are called, ``train-ratio0.2-d4-seed0``."""
        return "-".join([self.stage, *self.cell.values()])

    @property
    def label(self) -> str:
        """What progress lines call it, ``train ratio0.2 d4 seed0``."""
        return " ".join([self.stage, *self.cell.values()])

    @property
    def ratio(self) -> float:
        """Compression ratio of its cell."""
        return float(self.cell["ratio"].removeprefix("ratio"))

    @property
    def block_dim(self) -> int | str:
        """Block dimension of its cell, ``input`` for one block of a projection's whole input."""
        text = self.cell["block"].removeprefix("d")
        return int(text) if text.isdigit() else text

    @property
    def seed(self) -> int:
        """Seed of its cell."""
        return int(self.cell["seed"].removeprefix("seed"))


def job_to_json(job: Job) -> str:
    """Write a job as one line of JSON, without its paths, which follow from the rest.

    A shell's command has no room for the paths of thousands of cells.
    """
    kept = [name for name in Job.__dataclass_fields__ if name not in ("inputs", "outputs")]
    return json.dumps({name: getattr(job, name) for name in kept}, allow_nan=False)


def control_of(folder: str) -> tuple[str, int | None]:
    """Read a control's method and block dimension back from its folder, ``lora-d4`` or ``ia3``."""
    method, _, d = folder.partition("-d")
    return method, int(d) if d else None


def manifest_columns(folder: str) -> dict[str, str]:
    """Read an adapter's cell back from its folder, ``ratio0.1/d4/seed0``."""
    ratio, block, seed = folder.split("/")
    return {
        "compression_ratio": ratio.removeprefix("ratio"),
        "block_dim": block.removeprefix("d"),
        "seed": seed.removeprefix("seed"),
    }
