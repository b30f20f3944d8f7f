"""Train a classical control: one of PEFT's methods, on the same text and for as many steps as the blocks."""

from __future__ import annotations

from cayley_adapters.adapters.training.controls import control_config
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.jobs import Job, control_of
from cayley_adapters.stages.training import adapted_shapes, train_and_save

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the trained adapter."""
    import torch
    from peft import get_peft_model

    options = {key.removeprefix("train."): value for key, value in job.leaves.items() if key.startswith("train.")}
    method, block_dim = control_of(job.cell["control"])
    seed = int(job.cell["seed"].removeprefix("seed"))
    set_threads(options["threads"])
    torch.manual_seed(seed)
    device = device_named(options["device"])
    base = place(load_compressed(job.inputs()["compressed"][0].parent), device)
    shapes = adapted_shapes(base, options["targets"], options["layers"])
    config = control_config(method, block_dim or 0, options["targets"], options["layers"], shapes)
    if block_dim and method in ("oft", "boft"):
        # Their parameters are half of ours, theta/2: with half the step the rotations move alike.
        learning_rate = options["learning_rate"] / block_dim / 2
    else:
        learning_rate = job.leaves[f"control.{method}_learning_rate"]
    train_and_save(job, get_peft_model(base, config), options, learning_rate, seed)
