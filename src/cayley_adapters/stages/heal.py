"""Heal a compressed model: train its own weights on what the uncompressed one predicts."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.training.fitting import plain_attention
from cayley_adapters.adapters.training.healing import HealingLoss, HealingObjective, Teacher, trainable
from cayley_adapters.adapters.training.loop import Recipe, descend
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.corpus import healing_windows
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun, cell_config, compressed_files
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import base_model
from cayley_adapters.stages.training import HISTORY, checkpoint_of

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the healed model's folder, of the compressed one's form, with the curve of its training."""
    import torch

    options, inputs, outputs = settings.heal, job.inputs, job.outputs
    set_threads(options.threads)
    torch.manual_seed(options.seed)
    source, device = inputs["compressed"][0].parent, device_named(options.device)
    wanted = options.steps * options.batch_windows
    windows, train = healing_windows(inputs["tokens"][0], wanted, settings.train.validation_windows)
    say(f"{job.label}: {wanted / train:.2f} times through {train} windows of text")
    tokens, teacher = windows.tokens, None
    if options.distillation > 0:
        # Those that validate come again and again, and all others where the text is gone through more than once.
        keep = range(train if wanted <= train else 0, len(tokens))
        taught = place(base_model(inputs["model"][0]), device)
        plain_attention(taught, tokens)
        teacher = Teacher(taught, keep)
    model = load_compressed(source)
    checkpoint = checkpoint_of(job)
    with trainable(model, options.rank if options.weights == "lora" else None) as student:
        student = place(student, device)
        attention = plain_attention(model, tokens)
        loss = HealingLoss(options.distillation, options.cross_entropy, options.temperature)
        objective = HealingObjective(student, teacher, tokens, train, loss, windows.scored)
        recipe = Recipe(
            steps=options.steps,
            batch_windows=options.batch_windows,
            learning_rate=options.learning_rate,
            schedule=options.schedule,
            warmup=options.warmup,
            max_grad_norm=options.max_grad_norm,
            validate_every=options.validate_every,
            seed=options.seed,
        )
        history = descend(student, objective, recipe, fused=True, checkpoint=checkpoint, progress=Progress(job.label))
    model.set_attn_implementation(attention)
    description = load_json(inputs["compression"][0], "projections")
    given = {key.removeprefix("heal."): value for key, value in job.leaves.items() if key.startswith("heal.")}
    about = {key: value for key, value in description.items() if key not in ("projections", "unchanged")}
    about["healing"] = given | {"windows": train}
    save_compressed(model, outputs["compressed"].parent, description["projections"], about, source)
    write_table(history, outputs["history"], [*HISTORY, "validation_cross_entropy"])
    checkpoint.remove()
    return Outcome(tracked=[_tracked(job, given, history)])


def _tracked(job: Job, given: dict[str, Any], history: list[dict[str, Any]]) -> TrackedRun:
    """The curve, with all that it was given."""
    curves = [{f"heal/{name}": value for name, value in record.items()} for record in history]
    final = {name: value for record in curves for name, value in record.items() if value is not None}
    return TrackedRun(
        job.label,
        job.stage,
        {**cell_config(job), "heal": given},
        history=curves,
        axis="heal/step",
        summary=final,
        used=[compressed_files(job)],
        made=[compressed_files(job, job.outputs["compression"])],
    )
