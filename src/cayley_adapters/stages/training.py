"""What training of blocks and of controls share: the text, the checkpoint, and how the result is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cayley_adapters.adapters.saving import LOADING, write_adapter
from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.adapters.training.distillation import load_targets
from cayley_adapters.adapters.training.fitting import fit_adapter
from cayley_adapters.adapters.training.loop import Recipe
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.corpus import training_windows
from cayley_adapters.models.files import read_json
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.provenance import identity
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun, adapter_files, cell_config, compressed_files
from cayley_adapters.settings import Settings
from cayley_adapters.settings.train import Train
from cayley_adapters.stages.common import windows_healed_on

__all__ = ["HISTORY", "Adapt", "checkpoint_of", "rate_of", "recipe_of", "text_of", "train_and_save"]

Adapt = Callable[[Job, Settings, Any], Any]
"""Makes a PEFT model of a job, its settings and the compressed model, which is changed in place."""

HISTORY = ["step", "learning_rate", "loss", "cross_entropy", "distillation", "gradient_norm", "validation"]


def rate_of(job: Job, given: float | None) -> float:
    """The step size of a job's adapter: the one that was chosen, where the job reads that, or else the given one."""
    if job.inputs.get("rate"):
        return float(load_json(job.inputs["rate"][0], "learning_rate")["learning_rate"])
    if given is None:
        raise CayleyError(f"{job.label}: no step size is given, and none was chosen")
    return given


def train_and_save(job: Job, settings: Settings, adapt: Adapt, step: Callable[[Any], float], seed: int) -> Outcome:
    """Train an adapter and write it as PEFT saves it, with the curve of its training.

    Args:
        job: a training job; its inputs hold the compressed model, the text and the teacher's predictions.
        settings: what it may read.
        adapt: puts the adapter on the compressed model.
        step: the adapted model → the largest step size.
        seed: of the order of the text.
    """
    import torch

    inputs, outputs, options = job.inputs, job.outputs, settings.train
    set_threads(options.threads)
    torch.manual_seed(seed)
    model = adapt(job, settings, place(load_compressed(inputs["compressed"][0].parent), device_named(options.device)))
    given, checkpoint, learning_rate = text_of(job, options), checkpoint_of(job), step(model)
    recipe = recipe_of(options, learning_rate, seed)
    history = fit_adapter(model, recipe=recipe, checkpoint=checkpoint, progress=Progress(job.label), **given)
    about = read_json(inputs["compressed"][0].parent / "compression.json")
    with atomic_directory(outputs["adapter"].parent) as folder:
        trained_on = _training(options, given["train"], given["tokens"].shape[1], about)
        write_adapter(model, folder, str(about["model"]), trained_on, base=LOADING)
        write_table(history, folder / outputs["history"].name, HISTORY)
    checkpoint.remove()
    return Outcome(tracked=[_tracked(job, learning_rate, history)])


def text_of(job: Job, options: Train) -> dict[str, Any]:
    """The text that a job's model is trained on, with what is kept of it for all trainings; see :func:`fit_adapter`."""
    inputs, wanted = job.inputs, options.steps * options.batch_windows
    windows, train = training_windows(inputs["tokens"][0], wanted, options.validation_windows, windows_healed_on(job))
    return {
        "tokens": windows.tokens,
        "train": train,
        "scored": windows.scored,
        "targets": load_targets(inputs["targets"][0]) if options.distillation > 0 else None,
        # Beside the compressed model: they vanish with it when it is made anew.
        "hidden": inputs["compressed"][0].parent / "hidden",
    }


def recipe_of(options: Train, learning_rate: float, seed: int, **changes: Any) -> Recipe:
    """How the ``train`` group, or as much of it as controls are given, says that adapters are trained."""
    given = (
        *("steps", "batch_windows", "schedule", "warmup", "warmup_steps", "max_grad_norm", "validate_every"),
        *("distillation", "cross_entropy", "temperature"),
    )
    values = {name: getattr(options, name) for name in given} | changes
    return Recipe(learning_rate=learning_rate, seed=seed, **values)


def _training(options: Train, windows: int, window: int, about: Mapping[str, Any]) -> str:
    """What an adapter was trained on, for its card."""
    base = f"{about['model']} compressed by {about['method']}, ratio {about['compression_ratio']:g}"
    heated = "" if options.temperature == 1 else f" at temperature {options.temperature:g}"
    heated += "" if options.cross_entropy is None else f", of cross-entropy {options.cross_entropy:g}"
    return (
        f"On {base}: {options.steps} steps of {options.batch_windows} windows of {window} tokens, out of the {windows} "
        "of the run's training text; next-token cross-entropy, and distillation from the uncompressed model, weight "
        f"{options.distillation:g}{heated}. `config.yaml` of the run names the text."
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
