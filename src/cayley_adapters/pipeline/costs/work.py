"""How much there is to do: units of work of each stage, counted from the configuration and the model's shape alone.

A unit is something whose time is the same wherever it occurs, such as one floating point operation of a matrix product
or one slice run through a two-qubit circuit. What a unit takes is in ``coefficients.json``; nothing here knows of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cayley_adapters.analysis import MEASUREMENTS
from cayley_adapters.core.job import control_of
from cayley_adapters.pipeline.costs.sizes import Cell, Model, Work

__all__ = ["CIRCUIT_ANGLES", "stage_work"]

CIRCUIT_ANGLES = {2: 1, 4: 6, 8: 31, 16: 122}
"""Dimension of the blocks that are run as circuits → angles of a circuit."""


def stage_work(stage: str, model: Model, cell: Cell) -> Work:
    """Units of work of one job.

    Args:
        stage: its name.
        model: the model and the configuration.
        cell: its cell.
    """
    count: Callable[[Model, Cell], Work] = _STAGES.get(stage, _no_work)
    return Work({f"start_{stage}": 1.0}) + count(model, cell)


def _no_work(model: Model, cell: Cell) -> Work:
    return Work()


def _load(model: Model, ratio: float = 0.0) -> Work:
    return Work(loaded=model.bytes * model.parameters(ratio))


def _prepare(model: Model, cell: Cell) -> Work:
    return Work({f"text_{model.settings.data.source}": 1.0})


def _teacher(model: Model, cell: Cell) -> Work:
    train = model.settings.train
    if train.distillation == 0:
        return Work()
    tokens = (train.steps * train.batch_windows + train.validation_windows) * model.window
    return _load(model) + model.run(tokens, 0.0) + Work(logits=2 * tokens * model.shape.vocabulary)


def _compress(model: Model, cell: Cell) -> Work:
    options, tokens = model.settings.compress, model.settings.data.calibration_windows * model.window
    layers = model.compressed_layers
    work = _load(model) + Work(saved=model.bytes * model.parameters(cell.ratio))
    if options.method == "none" or cell.ratio == 0:
        return work
    smaller = [min(shape) for shape in model.compressed]
    work["cubes"] += layers * sum(m * m * max(s) for m, s in zip(smaller, model.compressed, strict=True))
    if options.method != "whitened_svd":
        return work
    # Every layer runs once to be watched; then what was compressed of it runs again.
    runs = 1 + sum(i * o for i, o in model.compressed) / model.layer_parameters()
    observed = model.run(tokens, 0.0, layers=model.observed_layers, head=False)
    work += Work({unit: runs * n for unit, n in observed.items()})
    work["flops"] += layers * tokens * 2 * sum(m * m for m in smaller)
    if options.allocation == "sensitivity":
        work += model.run(tokens, 0.0, head=False)
        probes = layers * len(model.compressed) * 4 * model.window
        work += model.run(probes, 0.0, layers=layers // 2)
        work["cubes"] += 2 * work["cubes"]
    return work


def _training(model: Model, cell: Cell, shapes: list[tuple[int, int]], first: int) -> tuple[Work, float, float]:
    """The model's own part, and the tokens that are trained on and validated with."""
    train, layers = model.settings.train, model.shape.layers - first
    trained = train.steps * train.batch_windows * model.window
    validations = 1 + -(-train.steps // train.validate_every)
    validated = validations * train.validation_windows * model.window
    work = _load(model, cell.ratio) + model.run(trained, cell.ratio, layers=layers, back=True)
    work += model.run(validated, cell.ratio, layers=layers)
    work["operations"] += train.steps * 10 * len(shapes)
    if first and cell.first:
        tokens = (train.steps * train.batch_windows + train.validation_windows) * model.window
        work += model.run(tokens, cell.ratio, layers=first, head=False)
    return work, trained, validated


def _train_blocks(model: Model, cell: Cell, targets: tuple[str, ...] | None, layers: tuple[int, ...] | None) -> Work:
    train = model.settings.train
    shapes, first = model.adapted(targets or train.targets, layers if layers is not None else train.layers)
    work, trained, validated = _training(model, cell, shapes, first)
    inputs, d = sum(i for i, _ in shapes), cell.block_dim
    work += model.rotations(trained, inputs, d, 3) + model.rotations(validated, inputs, d, 1)
    work["solved"] += train.steps * inputs * (1 if d <= 4 else 10 + d)
    if train.noise_scale > 0:
        work["surrogate"] += trained * inputs * 3
    return work


def _train(model: Model, cell: Cell) -> Work:
    return _train_blocks(model, cell, None, None)


def _qpu_train(model: Model, cell: Cell) -> Work:
    qpu = model.settings.qpu
    return _train_blocks(model, cell, qpu.targets, qpu.layers)


def _control(model: Model, cell: Cell) -> Work:
    train, (method, d) = model.settings.train, control_of(cell.control)
    shapes, first = model.adapted(train.targets, train.layers)
    work, trained, validated = _training(model, Cell(cell.ratio, first=False), shapes, first)
    return work + _control_forward(model, method, d, shapes, 3 * trained + validated)


def _control_forward(model: Model, method: str, d: int | None, shapes: list[tuple[int, int]], tokens: float) -> Work:
    inputs = sum(i for i, _ in shapes)
    if method == "boft":  # multiplies the blocks into every weight matrix, at each call
        calls = tokens / model.window
        return Work(merged=calls * sum(2 * i * i * (i + o) for i, o in shapes))
    if method == "oft":
        return model.rotations(tokens, inputs, max(d or 0, 8), 1)
    return Work(scaled=tokens * inputs)


def _transpile(model: Model, cell: Cell) -> Work:
    train, synthesis = model.settings.train, model.settings.transpile.synthesis
    # Brickworks have closed forms, blocks that are not trained are all the same, and longer circuits are found already.
    none = synthesis in ("none", "qiskit") or train.ansatz == "brickwork" or train.steps == 0
    if none or cell.block_dim not in CIRCUIT_ANGLES:
        return Work()
    shapes, _ = model.adapted(train.targets, train.layers)
    blocks, n = sum(i for i, _ in shapes) / cell.block_dim, int(math.log2(cell.block_dim))
    work = Work({f"synthesised{n}": blocks})
    if synthesis == "noise_aware":
        work[f"approximated{n}"] += blocks
    return work


def _reference(model: Model, cell: Cell) -> Work:
    return _load(model, cell.ratio) + model.run(model.settings.evaluate.windows * model.window, cell.ratio)


def _evaluate_control(model: Model, cell: Cell) -> Work:
    train, tokens, (method, d) = (
        model.settings.train,
        model.settings.evaluate.windows * model.window,
        control_of(cell.control),
    )
    shapes, _ = model.adapted(train.targets, train.layers)
    return _reference(model, cell) + _control_forward(model, method, d, shapes, tokens)


def _evaluate(model: Model, cell: Cell) -> Work:
    options, sweep, train = model.settings.evaluate, model.settings.sweep, model.settings.train
    d, n, windows = cell.block_dim, int(math.log2(cell.block_dim)), options.windows
    shapes, first = model.adapted(train.targets, train.layers)
    tokens, inputs = windows * model.window, sum(i for i, _ in shapes)
    shots = {float(value) for value in options.shots}
    if d in options.unlimited_shots_block_dims:
        shots.add(math.inf)
    circuits = model.settings.transpile.synthesis != "none" and d in CIRCUIT_ANGLES
    again = min(options.batch_windows, windows) / windows  # finite shots: the first batch runs twice
    if options.readout == "characterised":
        again = MEASUREMENTS - 1
    unlimited: float = len(sweep.noise_scale) * (math.inf in shots)
    limited = (len(sweep.noise_scale) * len(shots - {math.inf}) + options.refine) * (1 + again)
    budgeted = min(options.noise_budget_windows, windows) / windows
    if circuits and sweep.noise_scale != (0.0,):
        alone = 2 + (n > 1) + (model.settings.noise.idle and n > 1)
        budget = budgeted * (alone + (1.0 not in sweep.noise_scale))
        limited, unlimited = (limited + budget, unlimited) if min(shots) < math.inf else (limited, unlimited + budget)
    arms, ratio = limited + unlimited, cell.ratio
    upper = model.run((1 + arms) * tokens, ratio, layers=model.shape.layers - first)
    work = _load(model, ratio) + upper + model.rotations(tokens, inputs, d, 1)
    work += model.run(tokens if first else 0.0, ratio, layers=first, head=False)
    slices, blocks = tokens * inputs / d, inputs / d
    if options.readout == "characterised":
        slices = blocks * d * (d + 1) / 2
        work += model.rotations(arms * tokens, inputs, d, 1)
    if options.executor == "aer":
        work[f"aer{n}"] += arms * slices
    elif circuits:
        work[f"slices{n}"] += arms * slices
        work[f"compiled{n}"] += arms * blocks
    else:
        work["contracted"] += arms * slices * d * d
    work["sampled"] += limited * slices * d
    return work


def _lever_rank(model: Model, cell: Cell) -> Work:
    """Each projection's layer and those above run twice, with all projections adapted."""
    windows = min(max(model.settings.train.validation_windows, 1), model.settings.levers.ranking_windows)
    tokens, layers = windows * model.window, model.shape.layers
    work = _load(model, model.settings.sweep.compression_ratio[0])
    for first in range(layers):
        passes = 1 + 2 * len(model.projections)
        work += model.run(passes * tokens, model.settings.sweep.compression_ratio[0], layers=layers - first)
    return work


def _answer_questions(model: Model, cell: Cell) -> Work:
    questions, sweep = model.settings.questions, model.settings.sweep
    arms = 4 + len(questions.noise_scale)
    count = len(questions.chosen) or questions.sampled
    texts = count * questions.texts * len(questions.temperatures) * questions.new_tokens
    tokens = QUESTION_TOKENS * questions.limit if questions.limit else QUESTION_TOKENS * 14_042
    ratio = questions.compression_ratio or min(sweep.compression_ratio)
    work = model.run(arms * tokens, ratio, head=False) + model.run(arms * texts, ratio)
    work["operations"] += arms * texts * 60 * model.shape.layers
    work["loaded"] += 2 * model.bytes * model.parameters()
    return work


QUESTION_TOKENS = 60
"""Of a question of the embedded encyclopedia with its choices."""


def _curves(stage: str) -> Callable[[Model, Cell], Work]:
    """Statistics and pictures take the longer the more curves over the noise axis there are."""

    def count(model: Model, cell: Cell) -> Work:
        sweep = model.settings.sweep
        curves = len(sweep.compression_ratio) * len(sweep.block_dim) * len(sweep.seed)
        return Work({f"curves_{stage}": curves, f"points_{stage}": curves * len(sweep.noise_scale)})

    return count


_STAGES: dict[str, Callable[[Model, Cell], Work]] = {
    "prepare": _prepare,
    "teacher": _teacher,
    "compress": _compress,
    "train": _train,
    "qpu_train": _qpu_train,
    "lever_rank": _lever_rank,
    "levers": _curves("levers"),
    "control": _control,
    "transpile": _transpile,
    "reference": _reference,
    "baseline": _reference,
    "evaluate_control": _evaluate_control,
    "evaluate": _evaluate,
    "answer_questions": _answer_questions,
    **{stage: _curves(stage) for stage in ("phase_diagram", "scaling", "recovery", "entanglement")},
}
