"""What training of blocks and of controls share: the text, the checkpoint, and how the result is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cayley_adapters.adapters.cayley.card import write_card
from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.adapters.training.distillation import load_targets
from cayley_adapters.adapters.training.frozen import first_adapted_layer, hidden_states
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.base import projections, set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.corpus import training_windows
from cayley_adapters.models.files import read_json
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.provenance import identity
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun, adapter_files, cell_config, compressed_files
from cayley_adapters.settings import Settings
from cayley_adapters.settings.sections import Train
from cayley_adapters.stages.common import windows_healed_on

__all__ = [
    "HISTORY",
    "adapted_shapes",
    "checkpoint_of",
    "plain_attention",
    "rate_of",
    "recipe_of",
    "text_of",
    "train_and_save",
]

SHORT_WINDOW = 512
"""Up to so many tokens, plain products on a CPU take half as long for attention and its gradient as a fused kernel."""

LOADING = 'cayley_adapters.load_compressed("folder of the compressed model")'
"""How a run's base model is loaded, in the words of a card."""

Adapt = Callable[[Job, Settings, Any], Any]
"""Makes a PEFT model of a job, its settings and the compressed model, which is changed in place."""

HISTORY = ["step", "learning_rate", "loss", "cross_entropy", "distillation", "gradient_norm", "validation"]


def adapted_shapes(model: Any, targets: Sequence[str], layers: Sequence[int] | None) -> list[tuple[int, int]]:
    """(in, out) of every projection that is to be adapted.

    Raises:
        CayleyError: the model lacks a projection or a layer.
    """
    count = len(model.model.layers)
    if missing := [index for index in layers or () if index >= count]:
        raise CayleyError(f"train.layers={missing}: the model has {count} layers, 0 to {count - 1}")
    found = projections(model, list(targets))
    wanted = None if layers is None else {str(index) for index in layers}
    return [
        (module.in_features, module.out_features)
        for name, module in found.items()
        if wanted is None or name.split(".")[2] in wanted
    ]


def rate_of(job: Job, given: float | None) -> float:
    """The step size of a job's adapter: the one that was chosen, where the job reads that, or else the given one."""
    if job.inputs.get("rate"):
        return float(load_json(job.inputs["rate"][0], "learning_rate")["learning_rate"])
    if given is None:
        raise CayleyError(f"{job.label}: no step size is given, and none was chosen")
    return given


def train_and_save(job: Job, settings: Settings, adapt: Adapt, learning_rate: float, seed: int) -> Outcome:
    """Train an adapter and write it as PEFT saves it, with the curve of its training.

    Args:
        job: a training job; its inputs hold the compressed model, the text and the teacher's predictions.
        settings: what it may read.
        adapt: puts the adapter on the compressed model.
        learning_rate: the largest step size.
        seed: of the order of the text.
    """
    import torch

    inputs, outputs, options = job.inputs, job.outputs, settings.train
    set_threads(options.threads)
    torch.manual_seed(seed)
    model = adapt(job, settings, place(load_compressed(inputs["compressed"][0].parent), device_named(options.device)))
    text = text_of(job, model, options)
    checkpoint = checkpoint_of(job)
    plain_attention(model.get_base_model(), text.tokens)
    recipe = recipe_of(options, learning_rate, seed)
    history = train_adapter(model, text, recipe, checkpoint=checkpoint, progress=Progress(job.label))
    # Where the base model lies is this machine's matter; its name and the digest of its weights say which it is.
    config = model.peft_config["default"]
    about = read_json(inputs["compressed"][0].parent / "compression.json")
    config.base_model_name_or_path, config.task_type = str(about["model"]), "CAUSAL_LM"
    for field in ("target_modules", "feedforward_modules"):
        if isinstance(modules := getattr(config, field, None), set):  # whose order differs from process to process
            setattr(config, field, sorted(modules))
    with atomic_directory(outputs["adapter"].parent) as folder:
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink()  # PEFT's template of a model card, all blanks
        if isinstance(config, CayleyConfig):
            write_card(folder, config, _training(options, text.train, text.tokens.shape[1], about), base=LOADING)
        write_table(history, folder / outputs["history"].name, HISTORY)
    checkpoint.remove()
    return Outcome(tracked=[_tracked(job, learning_rate, history)])


def text_of(job: Job, model: Any, options: Train) -> TrainingText:
    """The text that a job's model is trained on, with what was computed of it once for all trainings."""
    inputs, wanted = job.inputs, options.steps * options.batch_windows
    windows, train = training_windows(inputs["tokens"][0], wanted, options.validation_windows, windows_healed_on(job))
    first = first_adapted_layer(model)
    # Beside the compressed model: they vanish with it when it is made anew.
    hidden = inputs["compressed"][0].parent / "hidden"
    states = hidden_states(model, windows.tokens, first, hidden) if first else None
    targets = load_targets(inputs["targets"][0]) if options.distillation > 0 else None
    return TrainingText(windows.tokens, train, targets, first, states, windows.scored)


def recipe_of(options: Train, learning_rate: float, seed: int, **changes: Any) -> Recipe:
    """How the ``train`` group, or as much of it as controls are given, says that adapters are trained."""
    given = ("steps", "batch_windows", "schedule", "warmup", "max_grad_norm", "distillation", "validate_every")
    values = {name: getattr(options, name) for name in given} | changes
    return Recipe(learning_rate=learning_rate, seed=seed, **values)


def _training(options: Train, windows: int, window: int, about: Mapping[str, Any]) -> str:
    """What an adapter was trained on, for its card."""
    base = f"{about['model']} compressed by {about['method']}, ratio {about['compression_ratio']:g}"
    return (
        f"On {base}: {options.steps} steps of {options.batch_windows} windows of {window} tokens, out of the {windows} "
        "of the run's training text; next-token cross-entropy, and distillation from the uncompressed model, weight "
        f"{options.distillation:g}. `config.yaml` of the run names the text."
    )


def _tracked(job: Job, learning_rate: float, history: list[dict[str, Any]]) -> TrackedRun:
    """The curve of a training, with all that it was given."""
    given = {key.removeprefix("train."): value for key, value in job.leaves.items() if key.startswith("train.")}
    options = job.leaves.get("train", given)
    config = {**cell_config(job), "learning_rate": learning_rate, "train": options}
    if options.get("noise_scale"):
        config["noise"] = job.leaves["noise"]
    curves = [{f"train/{name}": value for name, value in record.items()} for record in history]
    final = {name: value for record in curves for name, value in record.items() if value is not None}
    return TrackedRun(
        job.label,
        job.stage,
        config,
        history=curves,
        axis="train/step",
        summary=final,
        used=[compressed_files(job)],
        made=[adapter_files(job, job.outputs["adapter"].parent)],
    )


def plain_attention(model: Any, tokens: np.ndarray) -> str:
    """Let a model on a CPU compute attention by plain products where windows are short.

    Returns:
        The implementation that it had.
    """
    before = str(model.config._attn_implementation)
    if tokens.shape[1] <= SHORT_WINDOW and model.device.type == "cpu":
        model.set_attn_implementation("eager")
    return before


def checkpoint_of(job: Job) -> Checkpoint:
    """Where a cut-off job's state is: it is used only if job, code, inputs, packages and machine are what they were."""
    folder = Path(job.base, "checkpoints", job.stage, *job.cell.values())
    return Checkpoint(folder / "state.safetensors", identity(job))
