"""What jobs keep: megabytes on disk, and in memory while they run, counted from the configuration."""

from __future__ import annotations

from cayley_adapters.pipeline.costs.sizes import Cell, Model
from cayley_adapters.pipeline.costs.work import CIRCUIT_ANGLES

__all__ = ["held_mb", "written_mb"]

FIXED_MB = {
    "phase_diagram": 3.0,
    "report": 4.0,
    "scaling": 0.5,
    "recovery": 0.3,
    "questions": 0.3,
    "compare_models": 2.0,
}
"""Pictures and pages, whose size hardly depends on what they show."""


def written_mb(stage: str, model: Model, cell: Cell) -> float:
    """MB that a job leaves on disk in the results folder; the cache of downloaded models is not counted."""
    settings, train = model.settings, model.settings.train
    trained = train.steps * train.batch_windows + train.validation_windows
    if stage == "compress":
        return 1e-6 * model.bytes * model.parameters(cell.ratio) + 2.0  # and the tokenizer
    if stage == "teacher":
        return 8e-6 * trained * (model.window - 1) * train.distillation_top_k if train.distillation else 0.0
    if stage in ("train", "qpu_train", "control"):
        first = model.adapted(train.targets, train.layers)[1]
        hidden = 4e-6 * trained * model.window * model.shape.hidden if first and cell.first else 0.0
        d = cell.block_dim or 4
        return hidden + 4e-6 * model.adapted_inputs() * (d - 1) / 2 + 0.1
    if stage == "transpile":
        blocks = model.adapted_inputs() / cell.block_dim if cell.block_dim in CIRCUIT_ANGLES else 0
        return blocks * (8 * CIRCUIT_ANGLES.get(cell.block_dim, 0) + 70) * 1e-6
    if stage in ("evaluate", "evaluate_control", "baseline", "reference"):
        rows = 2 * len(settings.sweep.noise_scale) if stage == "evaluate" else 1
        return 4e-6 * (rows + 1) * settings.evaluate.windows * model.window
    if stage == "prepare":
        return _text_mb(model)
    return FIXED_MB.get(stage, 0.1)


TEXT_MB = {"encyclopedia": 10.0, "wikitext2": 20.0, "text": 5.0}
"""Token windows of the whole text."""


def _text_mb(model: Model) -> float:
    """A small vocabulary, such as that of bytes, cuts the text into some four times as many tokens."""
    return TEXT_MB[model.settings.data.source] * (4 if model.shape.vocabulary < 1000 else 1)


def held_mb(stage: str, model: Model, cell: Cell) -> dict[str, float]:
    """MiB of the model's weights, the widest logits, what is kept of each layer, and text that a job holds at once."""
    settings, shape, unit = model.settings, model.shape, 4 / 2**20
    first = model.adapted(settings.train.targets, settings.train.layers)[1]
    if stage == "teacher" and settings.train.distillation == 0:
        return {}
    if stage == "compress":  # one layer at a time
        weights = model.parameters() - (shape.layers - 1) * model.layer_parameters()
    elif stage in ("reference", "teacher", "answer_questions", "qpu_evaluate"):
        weights = model.parameters()
    elif stage in (
        "train",
        "control",
        "qpu_train",
        "baseline",
        "evaluate",
        "evaluate_control",
        "qpu_plan",
        "lever_rank",
    ):
        weights = model.parameters(cell.ratio)
    else:
        return {"text": _text_mb(model)} if stage == "prepare" else {}
    windows = {"teacher": 1, "compress": 0, "answer_questions": 1}.get(stage, settings.evaluate.batch_windows)
    held = {"weights": model.bytes / 2**20 * weights}
    layer = unit * model.window * (12 * shape.hidden + 5 * shape.intermediate)
    if stage in ("train", "control", "qpu_train"):
        windows = settings.train.batch_windows
        held["kept"] = windows * layer * (shape.layers - first)
        held["train_logits"] = unit * windows * model.window * shape.vocabulary
    elif stage == "compress" and settings.compress.method != "none":
        held["calibration"] = unit * settings.data.calibration_windows * model.window * 6 * shape.hidden
        held["grams"] = 2 * unit * 6 * max(min(sizes) for sizes in model.projections.values()) ** 2
    elif stage != "compress":
        held["logits"] = unit * windows * model.window * shape.vocabulary
    return held
