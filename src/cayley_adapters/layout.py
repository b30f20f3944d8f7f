"""Which stages there are, what each reads and writes, and which leaves of the configuration it may see.

The Snakefile's rules and the ``cayley`` command are both made from this table, so that they cannot disagree. A stage is
given only the leaves named here: it cannot read another one, and a change of another one does not run it again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cayley_adapters.errors import CayleyError
from cayley_adapters.settings import Settings

__all__ = [
    "STAGES",
    "Job",
    "Stage",
    "bases",
    "cell_wildcards",
    "comparison_job",
    "jobs",
    "leaves_of",
    "make_job",
    "manifest_columns",
]

CELL = "{ratio}/{block}/{seed}"
PREPARED = {"model": "{base}/prepared/model.json", "tokens": "{base}/prepared/tokens.safetensors"}
COMPRESSED = {
    "compressed": "{base}/compressed/{ratio}/model.safetensors",
    "compression": "{base}/compressed/{ratio}/compression.json",
}
ADAPTER = {
    "adapter": f"{{base}}/adapters/{CELL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/adapters/{CELL}/adapter_config.json",
}
CIRCUITS = {
    "angles": f"{{base}}/circuits/{CELL}/angles.safetensors",
    "blocks": f"{{base}}/circuits/{CELL}/blocks.csv",
}
EVALUATION = {
    "cells": f"{{base}}/evaluations/{CELL}/cells.csv",
    "losses": f"{{base}}/evaluations/{CELL}/losses.safetensors",
}
TABLES = {
    "cells": "{base}/phase_diagram.csv",
    "baselines": "{base}/baselines.csv",
    "manifest": "{base}/adapters/manifest.csv",
}
TRANSITION = {"transition": "{base}/transition.json"}


@dataclass(frozen=True)
class Stage:
    """One rule and one subcommand.

    Attributes:
        inputs: name → path pattern; patterns with wildcards that the stage itself lacks stand for all their values.
        outputs: name → path pattern.
        leaves: dotted keys of the configuration that the stage may read.
        wildcards: the axes it runs over, of ``ratio``, ``block`` and ``seed``.
        help: one line for ``cayley --help``.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    leaves: tuple[str, ...]
    wildcards: tuple[str, ...]
    help: str


STAGES: dict[str, Stage] = {
    "configure": Stage({}, {"config": "{base}/config.yaml"}, (), (), "freeze the resolved configuration"),
    "prepare": Stage({}, PREPARED, ("model", "data"), (), "fetch the model and the text"),
    "teacher": Stage(
        PREPARED,
        {"targets": "{base}/prepared/teacher.safetensors"},
        ("train.steps", "train.batch_windows", "train.distillation_top_k", "train.threads"),
        (),
        "keep the uncompressed model's predictions for distillation",
    ),
    "compress": Stage(
        PREPARED,
        COMPRESSED,
        ("model.name", "compress", "data.calibration_windows"),
        ("ratio",),
        "factor projections of the model",
    ),
    "train": Stage(
        PREPARED | COMPRESSED | {"targets": "{base}/prepared/teacher.safetensors"},
        ADAPTER | {"history": f"{{base}}/adapters/{CELL}/training.csv"},
        ("train", "noise"),
        ("ratio", "block", "seed"),
        "train the blocks",
    ),
    "transpile": Stage(
        ADAPTER,
        CIRCUITS,
        ("transpile.synthesis", "transpile.noise_scale", "noise"),
        ("ratio", "block", "seed"),
        "bring each block to the device's native gates, and count them",
    ),
    "compare_circuits": Stage(
        ADAPTER | CIRCUITS,
        {"table": "{base}/circuits.csv"},
        ("transpile.compared_blocks", "noise"),
        (),
        "gates, depth and fidelity of the circuits, beside Qiskit's",
    ),
    "baseline": Stage(
        PREPARED | COMPRESSED,
        {
            "row": "{base}/baselines/{ratio}/baselines.csv",
            "losses": "{base}/baselines/{ratio}/losses.safetensors",
        },
        ("model.name", "evaluate.windows", "evaluate.batch_windows", "evaluate.threads"),
        ("ratio",),
        "perplexity of the compressed model",
    ),
    "reference": Stage(
        PREPARED,
        {"row": "{base}/baselines/uncompressed/baselines.csv"},
        ("model.name", "evaluate.windows", "evaluate.batch_windows", "evaluate.threads"),
        (),
        "perplexity of the uncompressed model",
    ),
    "evaluate": Stage(
        PREPARED | COMPRESSED | ADAPTER | CIRCUITS,
        EVALUATION,
        ("model.name", "train", "transpile.synthesis", "evaluate", "noise", "sweep.noise_scale"),
        ("ratio", "block", "seed"),
        "perplexity along the noise axis",
    ),
    "aggregate": Stage(
        {
            "cells": EVALUATION["cells"],
            "adapters": ADAPTER["adapter"],
            "rows": "{base}/baselines/{ratio}/baselines.csv",
            "reference": "{base}/baselines/uncompressed/baselines.csv",
        },
        TABLES,
        (),
        (),
        "gather all cells in one table",
    ),
    "phase_diagram": Stage(
        TABLES
        | {
            "losses": EVALUATION["losses"],
            "compressed": "{base}/baselines/{ratio}/losses.safetensors",
        },
        TRANSITION | {f"picture_{kind}": f"{{base}}/phase_diagram.{kind}" for kind in ("png", "svg", "html")},
        ("run", "evaluate.shots", "evaluate.readout"),
        (),
        "find the boundary and draw the map",
    ),
    # One page for several models: its base is the run's folder, one level above the models' own.
    "compare_models": Stage(
        {"cells": "{base}/{model}/phase_diagram.csv"} | {"transitions": "{base}/{model}/transition.json"},
        {"page": "{base}/models.html"},
        (),
        (),
        "compare the maps of several models on one page",
    ),
}


def leaves_of(settings: Settings, stage: str) -> dict[str, Any]:
    """The part of the configuration that ``stage`` may read; all of it for ``configure``."""
    if stage == "configure":
        return settings.model_dump(mode="json")
    unread = {
        # The device matters to these two only where they are made for its noise.
        "train": ("noise",) if settings.train.noise_scale == 0 else (),
        "transpile": ("noise", "transpile.noise_scale") if settings.transpile.synthesis == "exact" else (),
    }
    return settings.leaves(*(leaf for leaf in STAGES[stage].leaves if leaf not in unread.get(stage, ())))


def bases(settings: Sequence[Settings], root: str = "results") -> dict[str, Settings]:
    """Map each results folder to its configuration: ``results/{run}``, a level deeper where the model is swept."""
    if len(settings) == 1:
        return {f"{root}/{settings[0].run}": settings[0]}
    return {f"{root}/{item.run}/{item.model.name}": item for item in settings}


def cell_wildcards(settings: Settings) -> dict[str, dict[str, Any]]:
    """The values of each wildcard, by the name of its folder."""
    sweep = settings.sweep
    return {
        "ratio": {f"ratio{value:g}": value for value in sweep.compression_ratio},
        "block": {f"d{value}": value for value in sweep.block_dim},
        "seed": {f"seed{value}": value for value in sweep.seed},
    }


def manifest_columns(folder: str) -> dict[str, str]:
    """Read an adapter's cell back from its folder, ``ratio0.1/d4/seed0``."""
    ratio, block, seed = folder.split("/")
    return {
        "compression_ratio": ratio.removeprefix("ratio"),
        "block_dim": block.removeprefix("d"),
        "seed": seed.removeprefix("seed"),
    }


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes:
        stage: its name.
        base: results folder.
        cell: wildcard → folder name, such as ``{"ratio": "ratio0.1"}``.
        leaves: dotted key → value.
        axes: wildcard → all its folder names, for the axes that the stage's inputs are gathered over.
    """

    stage: str
    base: str
    cell: Mapping[str, str]
    leaves: Mapping[str, Any]
    axes: Mapping[str, Sequence[str]]

    def inputs(self) -> dict[str, list[Path]]:
        """Each input's paths; one, unless it is gathered over an axis that the stage does not run over."""
        return {name: self._expand(pattern) for name, pattern in STAGES[self.stage].inputs.items()}

    def outputs(self) -> dict[str, Path]:
        """Each output's path."""
        return {name: self._expand(pattern)[0] for name, pattern in STAGES[self.stage].outputs.items()}

    def _expand(self, pattern: str) -> list[Path]:
        free = [axis for axis in self.axes if f"{{{axis}}}" in pattern]
        values = itertools.product(*(self.axes[axis] for axis in free))
        return [
            Path(pattern.format(base=self.base, **self.cell, **dict(zip(free, chosen, strict=True))))
            for chosen in values
        ]

    @property
    def label(self) -> str:
        """What progress lines call the job."""
        return " ".join([self.stage, *self.cell.values()])


def make_job(stage: str, base: str, settings: Settings, cell: Mapping[str, str]) -> Job:
    """The job of a stage for one cell: it holds what the stage needs to know, and nothing else."""
    wanted = "".join(STAGES[stage].inputs.values())
    axes = {
        name: list(folders)
        for name, folders in cell_wildcards(settings).items()
        if f"{{{name}}}" in wanted and name not in cell
    }
    return Job(stage, base, dict(cell), leaves_of(settings, stage), axes)


def comparison_job(settings: Sequence[Settings], root: str = "results") -> Job:
    """The job that compares the models of a run.

    Raises:
        CayleyError: there is one model only.
    """
    if len(settings) < 2:
        raise CayleyError("one model has nothing to be compared with; sweep it, e.g. model=smollm2_135m,smollm2_360m")
    names = [item.model.name for item in settings]
    return Job("compare_models", f"{root}/{settings[0].run}", {}, {}, {"model": names})


def jobs(settings: Sequence[Settings], stage: str) -> Iterator[Job]:
    """All jobs of a stage, in the order of the axes.

    Raises:
        CayleyError: there is no such stage.
    """
    if stage not in STAGES:
        raise CayleyError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    if stage == "compare_models":
        yield comparison_job(settings)
        return
    for base, item in bases(settings).items():
        wildcards, folders = STAGES[stage].wildcards, cell_wildcards(item)
        for chosen in itertools.product(*(folders[name] for name in wildcards)):
            yield make_job(stage, base, item, dict(zip(wildcards, chosen, strict=True)))
