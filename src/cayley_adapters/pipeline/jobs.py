"""Jobs: the stages of :mod:`cayley_adapters.pipeline.table` for one configuration, with their files and their cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import CELL_AXES, Job, control_of
from cayley_adapters.pipeline.lever_jobs import lever_axes, lever_cells, lever_settings, levers_told
from cayley_adapters.pipeline.lever_stages import LEVER_STAGES
from cayley_adapters.pipeline.levers import ranked
from cayley_adapters.pipeline.paths import DEVICE_RESULTS
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.settings import Qpu, Questions, Settings

__all__ = [
    "OF_LEVERS",
    "bases",
    "cell_wildcards",
    "comparison_job",
    "device_axes",
    "device_job",
    "jobs",
    "jobs_in",
    "leaves_of",
    "make_job",
    "question_axes",
]


OF_LEVERS = frozenset(stage.name for stage in LEVER_STAGES)
"""Stages that measure levers, whose cells are the levers'."""


def leaves_of(settings: Settings, stage: str) -> dict[str, Any]:
    """The part of the configuration that ``stage`` may read; all of it for ``configure``."""
    if stage == "configure":
        return settings.model_dump(mode="json")
    row, synthesis = STAGES[stage], settings.transpile.synthesis
    # The device matters to two stages only where they are made for its noise, the teacher where one distils.
    undirected = () if SYNTHESES[synthesis].directed else ("noise", "transpile.noise_scale")
    unread = {
        "train": ("noise",) if settings.train.noise_scale == 0 else (),
        "teacher": ("train.distillation_top_k",) if settings.train.distillation == 0 else (),
        "transpile": undirected + (() if SYNTHESES[synthesis].compared else ("transpile.compared_blocks",)),
        "qpu_plan": undirected,
        "qpu_evaluate": undirected,
    }.get(row.runs or stage, ())
    leaves = settings.leaves(*(leaf for leaf in row.leaves if leaf not in unread))
    if stage == "qpu_train":  # the same training, of the projections that are meant for a device
        own = {key: leaves.pop(f"qpu.{key}") for key in ("targets", "layers")}
        leaves["train"] |= {key: value for key, value in own.items() if value is not None}
    return leaves


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
        "control": {
            name: value
            for method in settings.control.methods
            for name, value in (
                {f"{method}-d{d}": (method, d) for d in settings.control.block_dims}
                if CONTROLS[method].sized
                else {method: (method, None)}
            ).items()
        },
        "seed": {f"seed{value}": value for value in sweep.seed},
    }


def question_axes(settings: Settings) -> dict[str, list[str]]:
    """The one cell that answers questions, by wildcard; no control where LoRA of that size is not trained."""
    return _one_cell(settings, settings.questions)


def device_axes(settings: Settings) -> dict[str, list[str]]:
    """The one cell whose blocks go to a processor, and whether it is the map's adapter or one trained for it."""
    own = settings.qpu.targets is not None or settings.qpu.layers is not None
    cell = _one_cell(settings, settings.qpu)
    return {axis: cell[axis] for axis in CELL_AXES} | {"adapters": ["qpu/adapters" if own else "adapters"]}


def _one_cell(settings: Settings, wanted: Questions | Qpu) -> dict[str, list[str]]:
    """The cell that a section names, by wildcard.

    Where its ``compression_ratio`` and ``block_dim`` are null it has the smallest ratio above 0 and blocks of dimension
    4, or else the smallest; and it has the first seed.
    """
    sweep, ratio, d = settings.sweep, wanted.compression_ratio, wanted.block_dim
    if ratio is None:
        ratio = min(sweep.compression_ratio, key=lambda value: (value == 0, value))
    if d is None:
        d = 4 if 4 in sweep.block_dim else min(sweep.block_dim)
    folders = cell_wildcards(settings)
    values = {"ratio": ratio, "block": d, "control": ("lora", d), "seed": sweep.seed[0]}
    return {axis: [name for name, value in folders[axis].items() if value == values[axis]] for axis in folders}


def make_job(stage: str, base: str, settings: Settings, cell: Mapping[str, str], device: bool = False) -> Job:
    """The job of a stage for one cell: it holds what the stage needs to know, and nothing else.

    Args:
        stage: Its name.
        base: Results folder.
        settings: The configuration.
        cell: Wildcard → folder name.
        device: Whether map and report are to show what a processor measured even if that is not there yet.
    """
    wanted = "".join(STAGES[stage].inputs.values())
    axes = {
        name: list(folders)
        for name, folders in cell_wildcards(settings).items()
        if f"{{{name}}}" in wanted and name not in cell
    }
    if stage == "answer_questions":
        axes = question_axes(settings)
    if stage in ("qpu_plan", "qpu_evaluate"):
        axes = device_axes(settings)
    if stage in ("aggregate", "report"):
        there = device or all(Path(path.format(base=base)).exists() for path in DEVICE_RESULTS.values())
        axes["device"] = ["qpu"] if there else []
    if stage == "report":
        axes["comparison"] = [""] if settings.levers.names else []
    leaves = leaves_of(lever_settings(settings, stage, cell), stage)
    if stage in OF_LEVERS:
        axes |= lever_axes(settings, stage, cell)
        if not ("lever" in cell and ranked(cell["lever"])):
            leaves.pop("levers.budget", None)
    if stage == "control":  # of the step sizes it reads one
        method, _ = control_of(cell["control"])
        own = CONTROLS[method].rate
        mine = f"control.{own}" if own else "train.learning_rate"
        leaves = {key: value for key, value in leaves.items() if key == mine or not key.endswith("learning_rate")}
    job = _job(stage, base, cell, leaves, axes)
    return replace(job, told=levers_told(settings)) if stage == "levers" else job


def _job(
    stage: str, base: str, cell: Mapping[str, str], leaves: Mapping[str, Any], axes: Mapping[str, Sequence[str]]
) -> Job:
    """A job with its paths written out."""
    row = STAGES[stage]

    def paths(pattern: str) -> list[Path]:
        free = [axis for axis in axes if f"{{{axis}}}" in pattern]
        values = itertools.product(*(axes[axis] for axis in free))
        return [Path(pattern.format(base=base, **cell, **dict(zip(free, chosen, strict=True)))) for chosen in values]

    inputs = {name: paths(pattern) for name, pattern in row.inputs.items()}
    outputs = {name: paths(pattern)[0] for name, pattern in row.outputs.items()}
    return Job(stage, base, dict(cell), leaves, axes, inputs, outputs, threads=_threads(row.threads, leaves))


def _threads(key: str | None, leaves: Mapping[str, Any]) -> int:
    if key is None:
        return 1
    section, _, name = key.partition(".")
    return int(leaves[key] if key in leaves else leaves[section][name])


def device_job(base: str, settings: Settings) -> Job:
    """A job that may read what the last stage of a processor's run does, and all that is set about the processor."""
    keys = [f"qpu.{name}" for name in settings.leaf("qpu")]
    leaves = settings.leaves("model.name", "transpile.synthesis", "transpile.noise_scale", "noise", *keys)
    return _job("qpu_evaluate", base, {}, leaves, device_axes(settings))


def comparison_job(settings: Sequence[Settings], root: str = "results") -> Job:
    """The job that compares the models of a run.

    Raises:
        CayleyError: there is one model only.
    """
    if len(settings) < 2:
        raise CayleyError("one model has nothing to be compared with; sweep it, e.g. model=smollm2_135m,smollm2_360m")
    names = [item.model.name for item in settings]
    return _job("compare_models", f"{root}/{settings[0].run}", {}, {}, {"model": names})


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
        yield from jobs_in(base, item, stage)


def jobs_in(base: str, settings: Settings, stage: str) -> Iterator[Job]:
    """All jobs of a stage in one results folder, in the order of the axes."""
    if stage in OF_LEVERS:
        for cell in lever_cells(settings, stage):
            yield make_job(stage, base, settings, cell)
        return
    wildcards = STAGES[stage].wildcards
    folders: Mapping[str, Iterable[str]] = device_axes(settings) if stage == "qpu_train" else cell_wildcards(settings)
    if folders.get("adapters") == ["adapters"]:
        return  # the map's own goes to the processor
    for chosen in itertools.product(*(folders[name] for name in wildcards)):
        yield make_job(stage, base, settings, dict(zip(wildcards, chosen, strict=True)))
