"""What the cost of each stage grows with: a line for a new one, or none if it is over in seconds.

A job takes the start of its libraries and ``work`` times its size; ``benchmarks/fit_costs.py`` fits both to jobs that
were run. Sizes are parameters × tokens: how often one parameter works on one token, and all else in such terms. They
are meant to be good within a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cayley_adapters.analysis import MEASUREMENTS
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.sizes import LARGE_BLOCK
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.models.compression.methods import METHODS
from cayley_adapters.models.compression.widths import PROBED, SURVEYED
from cayley_adapters.models.corpus import HEALING_SHARE
from cayley_adapters.pipeline.costs.benchmarks import models_asked, tokens_of_tasks
from cayley_adapters.pipeline.costs.sizes import LOADED, Sizes
from cayley_adapters.simulation.simulators import SIMULATORS

__all__ = ["COSTS", "Cost"]

Expression = Callable[[Sizes], float]


@dataclass(frozen=True)
class Cost:
    """How the cost of a stage's jobs grows.

    Attributes:
        size: what its time is in proportion to, beside its start.
        memory_mb: MiB held at once beside its libraries.
        disk_mb: MB left in the results folder.
    """

    size: Expression = lambda job: 0.0
    memory_mb: Expression = lambda job: 0.0
    disk_mb: Expression = lambda job: 0.1


TEXT_MB = {"encyclopedia": 10.0, "wikitext2": 20.0, "text": 5.0}
"""Token windows of the whole text."""

CIRCUIT = {2: 270.0, 4: 420.0, 8: 1300.0, 16: 6200.0}
"""Block dimension → parameters' worth of an input that runs through noisy circuits."""

AER = {2: 2.3e6, 4: 1.5e6, 8: 2.3e6, 16: 8.5e6}
"""The same by Qiskit Aer."""

SAMPLED, SURROGATE, ROTATED = 2100.0, 6500.0, 100.0
"""Parameters' worth of an input whose outcomes are sampled, that is trained under noise, and in plain arithmetic."""

ADAM = 60.0
"""Tokens that a model could run on while Adam changes all its weights."""

SYNTHESIS = {2: 1.0, 4: 7.0, 8: 170.0, 16: 90_000.0}
"""Block dimension → time of a block's circuit, of that of one qubit."""

APPROXIMATION = {2: 12.0, 4: 60.0, 8: 10_000.0, 16: 900_000.0}
"""The same where circuits stop at the device's noise."""

CIRCUIT_BYTES = {2: 39, 4: 30, 8: 40, 16: 65}
"""Block dimension → bytes of circuits on disk, for each adapted input."""


def _text(job: Sizes) -> float:
    """MB of the prepared text; a small vocabulary, such as that of bytes, cuts it into four times as many tokens."""
    return TEXT_MB[job.settings.data.source] * (4 if job.shape.vocabulary < 1000 else 1)


def _compress(job: Sizes) -> float:
    """Reading and writing, decompositions, and where activations whiten, layers run to be watched and again."""
    options, tokens = job.settings.compress, float(job.settings.data.calibration_windows * job.window)
    if options.method == "none" or job.ratio == 0:
        return LOADED * job.stored
    if METHODS[options.method].structured:
        return LOADED * job.stored + _pruned(job)
    factored = job.compressed_layers * sum(map(math.prod, job.compressed))
    if not METHODS[options.method].calibrated:
        return LOADED * job.stored + factored * job.shape.hidden / 2
    if options.allocation == "sensitivity":  # every projection is tried on a few windows
        tokens = 1.5 * tokens + job.compressed_layers * len(job.compressed) * job.window
    watched = 1 if options.layers is None else (max(options.layers) + 1) / job.shape.layers
    moments = job.compressed_layers * sum(min(shape) ** 2 for shape in job.compressed)
    run = tokens * (job.layers * watched + factored + moments)
    return LOADED * job.stored + factored * job.shape.hidden / 2 + run


def _pruned(job: Sizes) -> float:
    """Inverses of second moments of what an MLP's and attention's outputs read, layers run to be watched and again."""
    options, shape, tokens = job.settings.compress, job.shape, float(job.settings.data.calibration_windows * job.window)
    widths = [shape.projection(name)[0] for name in ("down_proj", "o_proj") if name in options.targets]
    moments = job.compressed_layers * sum(width**2 for width in widths)
    run = tokens * ((1 + len(widths) / 3) * job.layers + moments)
    surveyed = SURVEYED * job.window * (job.layers + moments)
    if options.allocation == "sensitivity":
        surveyed += job.compressed_layers * len(widths) * PROBED * job.window * job.running / 2
    elif options.shape is None:
        surveyed = 0.0
    return run + surveyed + job.compressed_layers * sum(4 * width**3 for width in widths)


def _train(job: Sizes) -> float:
    surrogate = SURROGATE * job.inputs * (job.settings.train.noise_scale > 0)
    passes = 2 * job.trained + job.validated
    return passes * (job.upper + job.adapter + surrogate) + job.leads * job.seen * job.lower + LOADED * job.stored


def _search(job: Sizes) -> float:
    """Short trainings, each validated at its end."""
    search, train, window = job.settings.search, job.settings.train, job.window
    steps = min(search.steps, train.steps) * train.batch_windows * window
    passes = len(search.learning_rate) * (2 * steps + train.validation_windows * window)
    return passes * (job.upper + job.adapter) + job.seen * job.lower + LOADED * job.stored


def _heal(job: Sizes) -> float:
    """Forward, and twice as much backward; the uncompressed model beside; Adam's passes over all that is trained."""
    heal, validated = job.settings.heal, job.settings.train.validation_windows * job.window
    trained = heal.steps * heal.batch_windows * job.window
    text = HEALING_SHARE * 1e6 * TEXT_MB[job.settings.data.source] / 8  # of two numbers a token
    checked = (1 + math.ceil(heal.steps / heal.validate_every)) * validated
    backward = 2 if heal.weights == "all" else 1
    dense = job.dense * (min(trained, text) + validated) * (heal.distillation > 0)
    moved = ADAM * heal.steps * (job.stored if heal.weights == "all" else 0)
    return job.running * ((1 + backward) * trained + checked) + dense + moved + LOADED * (job.stored + job.dense)


def _heal_memory(job: Sizes) -> float:
    """Weights, their gradients, two moments and the best so far; the uncompressed model; a window's backward pass."""
    heal = job.settings.heal
    trained = job.mib((5 if heal.weights == "all" else 1) * job.stored)
    window = job.kept_mb_of(1, 0) + 2 * job.logits_mb(1)
    return trained + (heal.distillation > 0) * 1.25 * job.mib(job.dense) + window


def _transpile(job: Sizes) -> float:
    """Blocks that need a search: brickworks have closed forms, and longer circuits are found already."""
    synthesis, train, d = job.settings.transpile.synthesis, job.settings.train, job.block_dim
    closed = ANSATZES[train.ansatz].circuits_builder is not None
    if closed or not SYNTHESES[synthesis].searched or train.steps == 0 or d not in SYNTHESIS:
        return 0.0
    return job.inputs / d * (APPROXIMATION if SYNTHESES[synthesis].directed else SYNTHESIS)[d]


def _evaluate(job: Sizes) -> float:
    """Noise scales and sources of errors, each with finite shots partly twice, on every test token."""
    options, d = job.settings.evaluate, job.block_dim
    quiet = job.cell["ratio"] == "ratio0" and not options.uncompressed_noise
    scales = 1 if quiet else len(job.settings.sweep.noise_scale)
    characterised, circuits = READOUTS[options.readout].once, SYNTHESES[job.settings.transpile.synthesis].circuits
    share = min(options.batch_windows, options.windows) / options.windows
    limited = float(scales * sum(shots != "inf" for shots in options.shots) + options.refine)
    limited *= MEASUREMENTS if characterised else 1 + share
    if circuits and scales > 1:
        limited += 3 * min(options.noise_budget_windows, options.windows) / options.windows
    unlimited = scales * ("inf" in options.shots or d in options.unlimited_shots_block_dims)
    ideal = 80.0 * d if d <= LARGE_BLOCK else float(d)
    simulated = (AER if not SIMULATORS[options.executor].ideal_blocks else CIRCUIT if circuits else {}).get(d, ideal)
    sampled = SAMPLED
    if characterised:  # a block is measured once, and its tokens are served by arithmetic
        simulated, sampled = ROTATED, 0.0
    passes = (1 + limited + unlimited) * (job.upper + job.inputs * simulated) + limited * job.inputs * sampled
    return job.evaluated * (passes + job.lower) + LOADED * job.stored


def _reference(job: Sizes) -> float:
    return (job.evaluated + LOADED) * (job.running + bool(job.cell.get("control")) * job.adapter)


def _rank(job: Sizes) -> float:
    """Each projection's layer and those above run twice, for each of seven projections of a layer."""
    train, levers = job.settings.train, job.settings.levers
    windows = min(max(train.validation_windows, 1), levers.ranking_windows)
    return 7.5 * job.shape.layers * windows * job.window * job.running


def _answer_questions(job: Sizes) -> float:
    """All choices of all questions of 60 tokens, and free texts, which run token by token."""
    options = job.settings.questions
    texts = (len(options.chosen) or options.sampled) * options.texts * len(options.temperatures) * options.new_tokens
    alone = job.running + 2e8 * job.shape.layers
    return (4 + len(options.noise_scale)) * (60 * (options.limit or 14_042) * job.layers + texts * alone)


def _ask_benchmarks(job: Sizes) -> float:
    """All that is read of all tasks, and texts, which are written token by token, for each model."""
    read, written = tokens_of_tasks(job.settings)
    exact, noisy = models_asked(job.settings)
    circuits = job.inputs * (CIRCUIT.get(job.block_dim or 4, 0.0) + SAMPLED)
    alone = job.running + 2e8 * job.shape.layers
    once = read * job.running + written * alone
    return exact * once + noisy * (once + (read + written) * circuits)


def _curves(start: int, points: int = 1) -> Expression:
    """Statistics and pictures of curves over the noise axis."""
    return lambda job: job.curves * (start + points * len(job.settings.sweep.noise_scale))


def _model(windows: float | None = None) -> Expression:
    """The model, and the logits of some windows: of an evaluation's, if None."""
    return lambda job: (
        job.weights_mb + job.logits_mb(job.settings.evaluate.batch_windows if windows is None else windows)
    )


def _compress_memory(job: Sizes) -> float:
    """One layer at a time, the calibration's activations, and second moments."""
    share = 1 - job.layers * (1 - 1 / job.shape.layers) / job.stored
    if job.settings.compress.method == "none":
        return share * job.weights_mb
    seen = (lambda shape: shape[0]) if METHODS[job.settings.compress.method].structured else min
    widest = max(seen(job.shape.projection(name)) for name in ("q_proj", "gate_proj", "down_proj"))
    activations = job.settings.data.calibration_windows * job.window * job.shape.hidden
    return share * job.weights_mb + job.mib(42 * activations + 20 * widest**2)


def _losses(rows: Callable[[Sizes], int]) -> Expression:
    """A loss of each test token, for each of some rows."""
    return lambda job: 4e-6 * (rows(job) + 1) * job.evaluated


def _adapter_disk(job: Sizes) -> float:
    hidden = 4e-6 * job.seen * job.shape.hidden if job.leads else 0.0
    return hidden + 4e-6 * sum(count * d * (d - 1) / 2 for count, d in job.blocks) + 0.1


COSTS: dict[str, Cost] = {
    "prepare": Cost(lambda job: TEXT_MB[job.settings.data.source], lambda job: 10.8 * _text(job), _text),
    "teacher": Cost(
        lambda job: (job.settings.train.distillation > 0) * job.running * (job.seen + LOADED),
        lambda job: (job.settings.train.distillation > 0) * _model(1)(job),
        lambda job: 8e-6 * job.seen * job.settings.train.distillation_top_k * (job.settings.train.distillation > 0),
    ),
    "compress": Cost(_compress, _compress_memory, lambda job: 1e-6 * job.bytes * job.stored + 2),
    "heal": Cost(_heal, _heal_memory, lambda job: 4e-6 * job.stored + 2),
    "search": Cost(_search, lambda job: job.weights_mb + job.kept_mb + job.blocks_mb),
    "train": Cost(_train, lambda job: job.weights_mb + job.kept_mb + job.blocks_mb, _adapter_disk),
    "control": Cost(_train, lambda job: job.weights_mb + job.kept_mb, _adapter_disk),
    "transpile": Cost(_transpile, disk_mb=lambda job: 1e-6 * job.inputs * CIRCUIT_BYTES.get(job.block_dim, 0)),
    "reference": Cost(_reference, _model(), _losses(lambda job: 1)),
    "evaluate": Cost(
        _evaluate,
        lambda job: _model()(job) + job.blocks_mb,
        _losses(lambda job: 2 * len(job.settings.sweep.noise_scale)),
    ),
    "evaluate_identity": Cost(_evaluate, _model()),
    "answer_questions": Cost(_answer_questions, _model(1)),
    "ask_benchmarks": Cost(_ask_benchmarks, _model(1), lambda job: 10),
    "rank": Cost(_rank, _model()),
    "levers": Cost(_curves(5)),
    "qpu_plan": Cost(memory_mb=_model()),
    "qpu_evaluate": Cost(memory_mb=_model()),
    "phase_diagram": Cost(_curves(5), disk_mb=lambda job: 3),
    "scaling": Cost(_curves(1), disk_mb=lambda job: 0.5),
    "recovery": Cost(_curves(1, 0), disk_mb=lambda job: 0.3),
    "entanglement": Cost(_curves(4)),
    "questions": Cost(disk_mb=lambda job: 0.3),
    "benchmarks": Cost(disk_mb=lambda job: 0.3),
    "report": Cost(disk_mb=lambda job: 4),
    "compare": Cost(disk_mb=lambda job: 3),
}
"""Stage → how its cost grows; stages that are another one with an argument have that one's line."""
