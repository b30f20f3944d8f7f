"""The section that says how a compressed model is healed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cayley_adapters.settings.fields import Between
from cayley_adapters.settings.sections import Device, Section, Threads

__all__ = ["Heal"]


class Heal(Section):
    """How the compressed model's own weights are trained before blocks are put into it."""

    steps: Annotated[int, Between(0, 10_000_000)] = Field(
        description="Optimiser steps; at 0 models stay as compression left them, and there is no such stage."
    )
    weights: Literal["all", "lora"] = Field(
        description="What is trained: all numbers of the compressed model, or low-rank adapters of its projections, "
        "which are merged into them at the end."
    )
    rank: Annotated[int, Between(1, 10_000)] = Field(description="Rank of these adapters; with weights lora.")
    batch_windows: Annotated[int, Between(1, 100_000)] = Field(
        description="Windows a step; one at a time is in memory, and their gradients are added."
    )
    learning_rate: Annotated[float, Between(0, 10, above=True)] = Field(description="Step size.")
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = Field(
        description="How the step size falls to zero, or does not."
    )
    warmup: Annotated[float, Between(0, 1)] = Field(description="Share of the steps over which the step size rises.")
    max_grad_norm: Annotated[float, Between(0, 1e9, above=True)] = Field(
        description="Gradients are scaled down to this norm."
    )
    distillation: Annotated[float, Between(0, 1000)] = Field(
        description="Weight of the divergence from the uncompressed model's whole distribution; the paper's is 0.1."
    )
    temperature: Annotated[float, Between(0, 100, above=True)] = Field(
        description="That both distributions are taken at for it; the paper's is 1.5."
    )
    cross_entropy: Annotated[float, Between(0, 1000)] = Field(
        description="Weight of next-token cross-entropy; the paper's is 2."
    )
    validate_every: Annotated[int, Between(1, 10_000_000)] = Field(
        description="Steps between validations, on the windows that validate training, and between checkpoints."
    )
    seed: Annotated[int, Between(0, 2**32 - 1)] = Field(
        description="Of the order of the text, and of the adapters' start."
    )
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")
    device: Device = Field(description="Where it runs; auto is CUDA where there is any.")

    @model_validator(mode="after")
    def _check(self) -> Heal:
        if self.distillation == 0 and self.cross_entropy == 0:
            raise ValueError(
                "heal.distillation=0 heal.cross_entropy=0: nothing is left to train for; give one of them a weight"
            )
        return self
