"""What training of blocks and of controls share: the text, the checkpoint, and how the result is saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cayley_adapters.adapters.saving import LOADING, write_adapter
from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.adapters.training.distillation import load_targets
from cayley_adapters.adapters.training.fitting import fit_adapter
from cayley_adapters.adapters.training.loop import Recipe
from cayley_adapters.core.files import atomic_directory
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.corpus import training_windows
from cayley_adapters.models.files import read_json
from cayley_adapters.pipeline.provenance import identity
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun, adapter_files, cell_config, compressed_files
from cayley_adapters.settings.sections import Train
from cayley_adapters.stages.common import windows_healed_on

__all__ = ["HISTORY", "checkpoint_of", "train_and_save"]

HISTORY = ["step", "learning_rate", "loss", "cross_entropy", "distillation", "gradient_norm", "validation"]


def train_and_save(job: Job, model: Any, options: Train, learning_rate: float, seed: int) -> Outcome:
    """Train an adapted model and write it as PEFT saves it, with the curve of its training.

    Args:
        job: a training job; its inputs hold the text and the teacher's predictions.
        model: a PEFT model on the job's compressed model.
        options: the ``train`` group, or as much of it as controls are given.
        learning_rate: the largest step size.
        seed: of the order of the text.
    """
    inputs, outputs = job.inputs, job.outputs
    wanted = options.steps * options.batch_windows
    healed = windows_healed_on(job)
    tokens, train = training_windows(inputs["tokens"][0], wanted, options.validation_windows, healed)
    targets = load_targets(inputs["targets"][0]) if options.distillation > 0 else None
    recipe = Recipe(
        learning_rate=learning_rate,
        seed=seed,
        steps=options.steps,
        batch_windows=options.batch_windows,
        schedule=options.schedule,
        warmup=options.warmup,
        max_grad_norm=options.max_grad_norm,
        distillation=options.distillation,
        validate_every=options.validate_every,
    )
    checkpoint = checkpoint_of(job)
    history = fit_adapter(
        model,
        tokens,
        train,
        recipe,
        targets=targets,
        # Beside the compressed model: they vanish with it when it is made anew.
        hidden=inputs["compressed"][0].parent / "hidden",
        checkpoint=checkpoint,
        progress=Progress(job.label),
    )
    about = read_json(inputs["compressed"][0].parent / "compression.json")
    with atomic_directory(outputs["adapter"].parent) as folder:
        trained_on = _training(options, train, tokens.shape[1], about)
        write_adapter(model, folder, str(about["model"]), trained_on, base=LOADING)
        write_table(history, folder / outputs["history"].name, HISTORY)
    checkpoint.remove()
    return Outcome(tracked=[_tracked(job, learning_rate, history)])


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


def checkpoint_of(job: Job) -> Checkpoint:
    """Where a cut-off job's state is: it is used only if job, code, inputs, packages and machine are what they were."""
    folder = Path(job.base, "checkpoints", job.stage, *job.cell.values())
    return Checkpoint(folder / "state.safetensors", identity(job))
