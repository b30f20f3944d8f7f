"""Jobs: the stages of :mod:`cayley_adapters.pipeline.table` for one configuration, with their files and their cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import CELL_AXES, Job
from cayley_adapters.pipeline.levers import levers_told
from cayley_adapters.pipeline.paths import DEVICE_RESULTS, PREPARED
from cayley_adapters.pipeline.replacing import replaces
from cayley_adapters.pipeline.table import STAGES, inputs_of, maker_of, stages_before
from cayley_adapters.pipeline.variants import Variant, stored_folders, variants
from cayley_adapters.settings import Qpu, Questions, Settings, Sweep

__all__ = [
    "comparison_job",
    "device_axes",
    "device_job",
    "every_job",
    "jobs",
    "jobs_of",
    "make_job",
    "question_axes",
    "with_paths",
]


def question_axes(variant: Variant) -> dict[str, list[str]]:
    """The one cell that answers questions, by wildcard; no control where LoRA of that size is not trained."""
    return _one_cell(variant, variant.settings.questions)


def device_axes(variant: Variant) -> dict[str, list[str]]:
    """The one cell whose blocks go to a processor, by wildcard."""
    cell = _one_cell(variant, variant.settings.qpu)
    return {axis: cell[axis] for axis in CELL_AXES}


def _one_cell(variant: Variant, wanted: Questions | Qpu) -> dict[str, list[str]]:
    """The cell that a section names, by wildcard.

    Where its ``compression_ratio`` and ``block_dim`` are null it has the smallest ratio above 0 and blocks of dimension
    4, or else the smallest; and it has the first seed.
    """
    sweep, ratio = variant.settings.sweep, wanted.compression_ratio
    d = wanted.block_dim or _usual_block(sweep)
    if ratio is None:
        ratio = min(sweep.compression_ratio, key=lambda value: (value == 0, value))
    values = {"ratio": ratio, "block": d, "control": ("lora", d), "seed": sweep.seed[0]}
    return {
        axis: [name for name, value in folders.items() if value == values[axis]]
        for axis, folders in variant.cells.items()
    }


def benchmark_axes(variant: Variant) -> dict[str, list[str]]:
    """The cells whose models are put to benchmarks, by wildcard; of controls LoRA of as many parameters."""
    wanted, sweep = variant.settings.benchmarks, variant.settings.sweep
    dims = wanted.block_dim or (_usual_block(sweep),)
    values: dict[str, Any] = {
        "ratio": wanted.compression_ratio or sweep.compression_ratio,
        "block": dims,
        "control": [("lora", d) for d in dims],
        "seed": sweep.seed[:1],
    }
    return {
        axis: [name for name, value in folders.items() if value in values[axis]]
        for axis, folders in variant.cells.items()
    }


def _usual_block(sweep: Sweep) -> int | str:
    """The block dimension of models that are asked where none is named."""
    return 4 if 4 in sweep.block_dim else sweep.block_dim[0]


def make_job(stage: str, variant: Variant, cell: Mapping[str, str], device: bool = False) -> Job:
    """The job of a stage for one cell: it holds what the stage needs to know, and nothing else.

    Args:
        stage: Its name.
        variant: The configuration, with its folders.
        cell: Wildcard → folder name.
        device: Whether map and report are to show what a processor measured even if that is not there yet.
    """
    row, control, told = STAGES[stage], cell.get("control"), dict[str, Any]()
    wanted = "".join(inputs_of(stage, variant.healed).values())
    axes = {
        name: list(folders) for name, folders in variant.cells.items() if f"{{{name}}}" in wanted and name not in cell
    } | variant.axes(stage)
    if stage == "answer_questions":
        axes = question_axes(variant)
    if stage == "ask_benchmarks":
        axes = benchmark_axes(variant)
    if stage in ("qpu_plan", "qpu_evaluate"):
        axes = device_axes(variant)
    if stage in ("aggregate", "report"):
        measured = [Path(path.format(base=variant.folder)) for path in DEVICE_RESULTS.values()]
        there = all(path.exists() for path in measured) and not replaces(variant)
        axes["device"] = ["qpu"] if device or there else []
    if stage == "report":
        axes["comparison"] = [""] if variant.settings.levers.names else []
    if stage == "levers":
        told = levers_told(variant, make_job)
        axes = {"arm": list(dict.fromkeys(folder for _, folder in told["arms"])), "ratio": axes["ratio"]}
    bases = {maker: _bases(other, maker, control, axes) for _, maker, other in variant.sources(stage)}
    if stage == "aggregate":  # which tells of all that the map rests on
        absent = [axis for axis, names in axes.items() if not names]
        before = [name for name in stages_before(stage, absent, variant.healed) if STAGES[name].stored]
        bases |= {name: _bases(variant, name, control, axes) for name in before}
    leaves = variant.leaves(stage, control)
    threads = _threads(row.threads, leaves)
    return with_paths(Job(stage, variant.base(stage, control), dict(cell), leaves, axes, bases, told, threads))


def _bases(variant: Variant, stage: str, control: str | None, axes: Mapping[str, Sequence[str]]) -> Any:
    """The folder of a stage's files, or that of each control."""
    if "control" in STAGES[stage].wildcards and control is None:
        return {name: variant.base(stage, name) for name in axes.get("control", ())}
    return variant.base(stage, control)


def with_paths(job: Job) -> Job:
    """A job with its paths written out; that it reads a healed model is told by its having a folder of such."""
    row = STAGES[job.stage]

    def paths(pattern: str, maker: str | None) -> list[Path]:
        free = [axis for axis in job.axes if f"{{{axis}}}" in pattern]
        found = []
        for values in itertools.product(*(job.axes[axis] for axis in free)):
            chosen = {**job.cell, **dict(zip(free, values, strict=True))}
            base = job.base if maker is None else job.bases.get(maker, job.base)
            if not isinstance(base, str):
                base = base[chosen["control"]]
            found.append(Path(pattern.format(base=base, **chosen)))
        return found

    read = inputs_of(job.stage, "heal" in job.bases)
    inputs = {name: paths(pattern, maker_of(pattern)) for name, pattern in read.items()}
    outputs = {name: paths(pattern, None)[0] for name, pattern in row.outputs.items()}
    return replace(job, inputs=inputs, outputs=outputs)


def _threads(key: str | None, leaves: Mapping[str, Any]) -> int:
    if key is None:
        return 1
    section, _, name = key.partition(".")
    return int(leaves[key] if key in leaves else leaves[section][name])


def device_job(variant: Variant) -> Job:
    """A job that may read what the last stage of a processor's run does, and all that is set about the processor."""
    keys = [f"qpu.{name}" for name in variant.settings.leaf("qpu")]
    job = make_job("qpu_evaluate", variant, {})
    leaves = variant.settings.leaves("model.name", "transpile.synthesis", "transpile.noise_scale", "noise", *keys)
    return replace(job, leaves=leaves)


def comparison_job(settings: Sequence[Settings], root: str = "results") -> Job:
    """The job that compares the maps of a run's variants.

    Raises:
        CayleyError: there is one variant only.
    """
    if len(settings) < 2:
        raise CayleyError(
            "one map has nothing to be compared with; sweep a key or a group, e.g. model=smollm2_135m,smollm2_360m or "
            "noise=fake_fez,fake_boston, or give two or more results folders"
        )
    told: dict[str, Any] = {"maps": []}
    axes: dict[str, list[str]] = {"map": [], "prepared": [], "arm": [], "plain": []}
    for folder, variant in variants(settings, root).items():
        drawn = make_job("phase_diagram", variant, {}).inputs
        prepared = variant.base("prepare")
        files: dict[str, Any] = {"tokens": PREPARED["tokens"].format(base=prepared)}
        files |= {name: [str(path) for path in drawn[name]] for name in ("losses", "compressed")}
        told["maps"].append({"name": Path(folder).name, "folder": folder} | files)
        axes["map"].append(folder)
        axes["prepared"].append(prepared)
        axes["arm"] += [str(path.parent) for path in drawn["losses"]]
        axes["plain"] += [str(path.parent) for path in drawn["compressed"]]
    unique = {name: list(dict.fromkeys(folders)) for name, folders in axes.items()}  # variants share what they can
    return with_paths(Job("compare", f"{root}/{settings[0].run}", {}, {}, unique, told=told))


def jobs(settings: Sequence[Settings], stage: str, root: str = "results") -> Iterator[Job]:
    """All jobs of a stage, in the order of the axes, and at last what goes to a processor, where it is not the map's.

    Those of levers are found by what compares them, see :func:`every_job`.

    Raises:
        CayleyError: there is no such stage.
    """
    if stage not in STAGES:
        raise CayleyError(f"unknown stage {stage!r}; known: {', '.join(STAGES)}")
    if stage == "compare":
        yield comparison_job(settings, root)
        return
    for variant in variants(settings, root).values():
        yield from jobs_of(stage, variant)
        if stage == "train" and variant.device is not variant:
            yield make_job(stage, variant.device, {axis: folders[0] for axis, folders in device_axes(variant).items()})


def jobs_of(stage: str, variant: Variant, control: str | None = None) -> Iterator[Job]:
    """All jobs of a stage for one configuration, in the order of the axes.

    Args:
        stage: its name.
        variant: the configuration.
        control: the one classical control that is meant; all if None.
    """
    if stage == "levers" and not variant.settings.levers.names:
        return
    if stage == "heal" and not variant.healed:
        return
    if stage == "rank":
        every = [variant, *(arm.variant for arm in variant.arms)]
        if all(one.settings.train.ranked_budget is None for one in every):
            return
    wildcards = STAGES[stage].wildcards
    folders: Iterable[Iterable[str]] = [
        [control] if name == "control" and control else variant.cells[name] for name in wildcards
    ]
    for chosen in itertools.product(*folders):
        yield make_job(stage, variant, dict(zip(wildcards, chosen, strict=True)))


def every_job(settings: Sequence[Settings]) -> list[Job]:
    """All jobs that anything asked of a run may need."""
    of = variants(settings)
    gathering = [stage for stage in STAGES if not STAGES[stage].stored and stage != "compare"]
    found = [job for variant in of.values() for stage in gathering for job in jobs_of(stage, variant)]
    stored: dict[Path, Job] = {}
    for stage, control, variant in itertools.chain(*stored_folders(of).values()):
        stored |= {next(iter(job.outputs.values())): job for job in jobs_of(stage, variant, control)}
    found += stored.values()
    if len(settings) > 1:
        found.append(comparison_job(settings))
    return found
