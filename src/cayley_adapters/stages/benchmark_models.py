"""The models that benchmarks are put to: without blocks, with them in exact arithmetic and under noise, and LoRA."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor, trained_blocks
from cayley_adapters.adapters.training.controls import free_parameters
from cayley_adapters.adapters.training.fitting import told_dimension
from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.provenance import identity
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.arms import EXACT, Arm, make_executor
from cayley_adapters.simulation.requests import by_request
from cayley_adapters.stages.common import base_model, device_noise

__all__ = ["Asked", "benchmark_models"]


@dataclass(frozen=True)
class Asked:
    """A model that is ready to answer.

    Attributes:
        columns: :data:`cayley_adapters.questions.benchmarks.tables.OF_A_MODEL`, what tables say of it.
        model: itself.
        begin: begins the shots of a request; None where nothing is drawn.
        key: hash of all that its answers rest on.
    """

    columns: dict[str, Any]
    model: Any
    begin: Callable[[Sequence[int]], None] | None
    key: str


def benchmark_models(job: Job, settings: Settings) -> Iterator[Asked]:
    """Each model in turn; adapters are taken off a compressed model again before the next come onto it.

    Args:
        job: its inputs are the models, adapters and circuits of the cells that are asked.
        settings: what it may read.
    """
    device = device_named(settings.benchmarks.device)
    folders = [path.parent for path in job.inputs["compressed"]]
    seed = int(job.axes["seed"][0].removeprefix("seed"))
    plain = {"model": settings.model.name, "noise_scale": 0.0, "shots": math.inf, "adapter_parameters": 0}
    name = {"arm": "uncompressed", "method": "uncompressed", "compression_ratio": 0.0, "executor": "exact"}
    model = place(base_model(job.inputs["model"][0]), device)
    yield Asked(plain | name, model, None, _key(job, ["model"], None))
    del model
    for folder in folders:
        ratio = float(folder.name.removeprefix("ratio"))
        model = place(load_compressed(folder), device)
        common = plain | {"compression_ratio": ratio, "executor": "exact"}
        start = f"ratio{ratio:g}" if ratio else "uncompressed"
        if ratio:
            columns = common | {"arm": start, "method": "compressed"}
            yield Asked(columns, model, None, _key(job, ["compressed"], folder))
        for block in job.axes["block"]:
            where = f"{folder.name}/{block}/{job.axes['seed'][0]}"
            yield from _with_blocks(job, settings, model, common | {"seed": seed}, (start, where, folder))
        for control in job.axes["control"] if ratio or job.axes["ratio"] == ["ratio0"] else ():
            yield from _with_control(job, model, common | {"seed": seed}, (start, control, folder))
        del model


def _with_blocks(
    job: Job, settings: Settings, base: Any, common: dict[str, Any], which: tuple[str, str, Path]
) -> Iterator[Asked]:
    """A model with the blocks of one cell, run in each way; without them again afterwards."""
    start, where, folder = which
    (adapter,) = [path.parent for path in job.inputs["adapter"] if path.parent.as_posix().endswith(where)]
    (angles,) = [path for path in job.inputs["angles"] if path.parent.as_posix().endswith(where)]
    model = load_adapter(base, adapter)
    blocks, circuits = trained_blocks(model), load_circuits(angles)
    d = told_dimension(model)
    parameters = sum(layer.cayley_theta["default"].numel() for layer in adapted_layers(model).values())
    common = common | {"method": "cayley", "block_dim": d, "adapter_parameters": parameters}
    noise = device_noise(settings.noise)
    for arm, name in _executions(settings, common["compression_ratio"] > 0 or _alone(job, settings)):
        if arm.noise_scale and not set(blocks) <= set(circuits):
            say(f"{start}-d{d}-{name} is left out: these blocks have no circuits that noise could act on")
            continue
        executor = make_executor(arm, blocks, circuits, noise, common["seed"])
        set_executor(model, executor)
        exact = arm == EXACT
        columns = common | {"arm": f"{start}-d{d}-{name}"} | arm.columns
        columns |= {"mitigation": None} if exact else {"backend": settings.noise.backend}
        read = ["compressed", "adapter"] if exact else ["compressed", "adapter", "angles"]
        key = _key(job, read, folder, where, None if exact else columns)
        yield Asked(columns, model, by_request(executor, common["seed"]), key)
    model.unload()


def _with_control(job: Job, base: Any, common: dict[str, Any], which: tuple[str, str, Path]) -> Iterator[Asked]:
    """A model with LoRA of as many parameters as blocks of a dimension have."""
    start, control, folder = which
    where = f"{folder.name}/{control}/{job.axes['seed'][0]}"
    (adapter,) = [path.parent for path in job.inputs["control"] if path.parent.as_posix().endswith(where)]
    parameters = free_parameters(read_adapter(adapter)[1])
    method, _, d = control.partition("-d")
    columns = common | {"arm": f"{start}-{control}", "method": method, "block_dim": int(d)}
    model = load_adapter(base, adapter)
    key = _key(job, ["compressed", "control"], folder, where)
    yield Asked(columns | {"adapter_parameters": parameters}, model, None, key)
    model.unload()


def _executions(settings: Settings, noisy: bool) -> Iterator[tuple[Arm, str]]:
    """How blocks are run, and what it is called: exact arithmetic, then each readout, shots and noise scale."""
    yield EXACT, "exact"
    asked = settings.benchmarks
    for readout in asked.readout if noisy else ():
        for shots in asked.shots:
            for scale in asked.noise_scale:
                further = [f"noise{scale:g}"]
                further += [f"shots{shots}"] if len(asked.shots) > 1 else []
                further += [readout] if len(asked.readout) > 1 else []
                yield Arm("noisy", readout, scale, float(shots), settings.evaluate.mitigation), "-".join(further)


def _alone(job: Job, settings: Settings) -> bool:
    """Whether blocks on the uncompressed model are run under noise: where it is asked for, or there is no other."""
    return settings.evaluate.uncompressed_noise or job.axes["ratio"] == ["ratio0"]


def _key(
    job: Job, read: Sequence[str], folder: Path | None, where: str = "", noisy: dict[str, Any] | None = None
) -> str:
    """Hash of all that a model's answers rest on: files, noise, code and machine, and not what else is asked."""
    kept = {"benchmarks.device": job.leaves["benchmarks.device"], "benchmarks.include": []}
    if noisy:
        kept |= {"noise": job.leaves["noise"]}

    def own(name: str) -> list[Path]:
        ending = folder.name if name == "compressed" and folder else where
        return [path for path in job.inputs[name] if path.parent.as_posix().endswith(ending)]

    inputs = {name: own(name) for name in read}
    told = {name: str(value) for name, value in (noisy or {}).items()}
    return identity(replace(job, leaves=kept, axes={}, told=told, inputs=inputs))
