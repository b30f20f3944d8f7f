"""``cayley chat``: the model that goes to a processor, its blocks run exactly, simulated, or on the processor."""

from __future__ import annotations

import sys

import numpy as np
import typer

from cayley_adapters.adapters.cayley.model import set_executor
from cayley_adapters.circuits.noise.calibration_files import load_calibration
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import printable, say
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.chat import Chat, Usage, read_texts
from cayley_adapters.qpu.cost import JOB_SECONDS, split_circuits
from cayley_adapters.qpu.execution import frequencies, measured_maps
from cayley_adapters.qpu.executor import QpuExecutor, Runner, simulation
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import Workload, characterise_workload
from cayley_adapters.settings.schema import Settings, partial
from cayley_adapters.simulation.executors import ExactExecutor, Executor
from cayley_adapters.simulation.measurement import preparation_slices
from cayley_adapters.stages.common import model_folder
from cayley_adapters.stages.device_desk import asking, desk_of, sampling_of
from cayley_adapters.stages.device_model import DeviceModel

__all__ = ["EXECUTORS", "needed", "run"]

EXECUTORS = ("exact", "noisy", "qpu")


def needed(executor: str) -> tuple[str, ...]:
    """The inputs of :mod:`cayley_adapters.stages.qpu_evaluate` that an executor needs.

    Raises:
        CayleyError: There is no such executor.
    """
    if executor not in EXECUTORS:
        raise CayleyError(f"--executor {executor}: must be one of {', '.join(EXECUTORS)}{nearest(executor, EXECUTORS)}")
    model = ("model", "compressed", "adapter")
    return model if executor == "exact" else (*model, "calibration")


def run(job: Job, executor: str, prompt: str | None, new_tokens: int, temperature: float, seed: int) -> None:
    """Talk with the model until the input ends.

    Args:
        job: Its inputs hold the model, the adapter and the calibration that was planned for.
        executor: ``exact``, ``noisy`` or ``qpu``.
        prompt: One text to answer; None reads texts line by line.
        new_tokens: Tokens of an answer.
        temperature: 0 takes the most probable token each time.
        seed: Of draws and of simulated shots.
    """
    from transformers.utils import logging

    logging.set_verbosity_error()
    settings = partial(job.leaves)
    model, usage = DeviceModel(job, settings), Usage()
    set_executor(model.model, _executor(job, settings, model, executor, usage, seed))
    if usage.circuits:
        say(f"blocks measured once: {_told(usage, executor)}")
    tokenizer = load_tokenizer(model_folder(job.inputs["model"][0]))
    chat = Chat(model.model, tokenizer, new_tokens, temperature, seed)
    for text in read_texts(sys.stdin) if prompt is None else (prompt,):
        before = usage.copy()
        chat.say(text, lambda piece: typer.echo(printable(piece), nl=False))
        typer.echo()
        say(f"[{_told(usage - before, executor)}; {_told(usage, executor)} in all]")


def _told(usage: Usage, executor: str) -> str:
    if executor == "exact":
        return "no circuits"
    would = "would take about " if executor == "noisy" else "about "
    return f"{usage.circuits:,} circuits, {usage.executions:,} executions, {would}{usage.seconds:.1f} QPU seconds"


def _executor(job: Job, settings: Settings, model: DeviceModel, kind: str, usage: Usage, seed: int) -> Executor:
    """What runs the blocks, and counts what it takes."""
    options = settings.qpu
    blocks = {name: q.float() for name, q in model.blocks.items()}
    if kind == "exact":
        return ExactExecutor(blocks, "signed")
    calibration, about = load_calibration(job.inputs["calibration"][0])
    n = qubits_that_hold(model.config.dimension)
    lines = disjoint_lines(calibration, n, options.quality, options.spacing == "sparse")
    sampling = sampling_of(options, settings.noise)
    noise = sampling.noise(calibration, lines)
    runner = _counted(_runner(job, settings, noise, sampling, kind, seed), usage, sampling, about["repetition_delay"])
    mitigation = options.mitigation
    if options.mode == "per_token":
        return QpuExecutor(model.blocks, model.circuits, lines, noise, mitigation, runner)
    preparations = preparation_slices(model.config.dimension)
    workload = characterise_workload(model.circuits, preparations, lines, calibration.name)
    p = frequencies(workload, runner(workload), mitigation, noise)
    return ExactExecutor(measured_maps(workload, p, model.blocks), "signed")


def _runner(job: Job, settings: Settings, noise: DeviceNoise, sampling: Sampling, kind: str, seed: int) -> Runner:
    if kind == "noisy":
        return simulation(noise, sampling.executions_per_circuit, seed)
    options, desk = settings.qpu, desk_of(job, settings.qpu, settings.noise, quiet=True)

    def run(workload: Workload) -> np.ndarray:
        desk.send(workload, options.price_per_second, asking(options.agree))
        return desk.fetch(workload)

    return run


def _counted(run: Runner, usage: Usage, sampling: Sampling, delay: float) -> Runner:
    """Count what each workload takes of the processor."""

    def counted(workload: Workload) -> np.ndarray:
        for i, (_, pairs) in enumerate(workload.parts()):
            circuits = -(-len(pairs) // len(workload.lines))
            limits = sampling.executions_per_circuit, sampling.executions_per_job
            jobs = len(split_circuits(circuits, *limits, first=not i))
            executions = circuits * sampling.executions_per_circuit
            usage.circuits += circuits
            usage.executions += executions
            usage.seconds += jobs * JOB_SECONDS + executions * delay
        return run(workload)

    return counted
