"""The sections that say how blocks, and the classical adapters beside them, are trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import TRAINED
from cayley_adapters.core.messages import show
from cayley_adapters.core.registry import choices
from cayley_adapters.settings.block_dims import Dimension
from cayley_adapters.settings.fields import Between, axis
from cayley_adapters.settings.sections import Device, Layers, Section, Targets, Threads

__all__ = ["Control", "Train"]


REGIMES = {
    "unitary": {"ansatz": "full", "readout": "signed"},
    "sign_constrained": {"ansatz": "full", "readout": "sign_constrained"},
    "unconstrained": {"ansatz": "free", "readout": "signed"},
}
"""Name of a regime of the paper → the keys of ``train`` that it is made of."""


class Train(Section):
    """How the blocks are trained."""

    targets: Targets = Field(description="Projections whose inputs the blocks act on.")
    layers: Layers | None = Field(description="Decoder layers whose projections are adapted; null is all.")
    ranked_budget: Annotated[float, Between(0, 100, above=True)] | None = Field(
        description="Blocks act on the projections that gain most for what noise in them costs, with as many inputs in "
        "all as this multiple of those of targets; null is targets themselves."
    )
    steps: Annotated[int, Between(0, 10_000_000)] = Field(description="Optimiser steps.")
    batch_windows: Annotated[int, Between(1, 100_000)] = Field(description="Windows a step.")
    learning_rate: Annotated[float, Between(0, 10, above=True)] | None = Field(
        description="Step size; that of block dimension d is learning_rate / d. null is chosen, see search."
    )
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = Field(
        description="How the step size falls to zero, or does not."
    )
    warmup: Annotated[float, Between(0, 1)] = Field(description="Share of the steps over which the step size rises.")
    warmup_steps: Annotated[int, Between(0, 10_000_000)] | None = Field(
        description="Steps over which it rises; null is what warmup says."
    )
    max_grad_norm: Annotated[float, Between(0, 1e9, above=True)] = Field(
        description="Gradients are scaled down to this norm."
    )
    validation_windows: Annotated[int, Between(0, 100_000)] = Field(
        description="Windows at the end of the training text that choose the best checkpoint and are not trained on."
    )
    validate_every: Annotated[int, Between(1, 10_000_000)] = Field(
        description="Steps between validations, and between checkpoints."
    )
    distillation: Annotated[float, Between(0, 1000)] = Field(
        description="Weight of the distillation loss; the paper's is 0.1."
    )
    cross_entropy: Annotated[float, Between(0, 1000)] | None = Field(
        description="Weight of next-token cross-entropy; null is what distillation leaves of 1, the paper's is 2."
    )
    temperature: Annotated[float, Between(0, 100, above=True)] = Field(
        description="That both distributions are taken at for distillation; the paper's is 1.5."
    )
    distillation_top_k: Annotated[int, Between(1, 1_000_000)] = Field(
        description="Tokens of the uncompressed model's distribution that distillation compares, all others counting "
        "as one; as many as the vocabulary has are the whole distribution."
    )
    regime: Literal[tuple(REGIMES)] | None = Field(  # type: ignore[valid-type]  # of a table
        description="The paper's three regimes, each an ansatz and a readout: unitary (full, signed), sign_constrained "
        "(full, sign_constrained), unconstrained (free, signed); null is what these keys have."
    )
    ansatz: Literal[tuple(ANSATZES)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("What rotates a slice", ANSATZES)
    )
    brickwork_depth: Annotated[int, Between(1, 64)] = Field(description="Layers of the brickwork ansatz.")
    readout: Literal[tuple(TRAINED)] = Field(  # type: ignore[valid-type]  # of a table
        description=choices("Readout under which the blocks are trained", TRAINED)
    )
    noise_scale: Annotated[float, Between(0, 1000)] = Field(
        description="Noise scale under which the blocks are trained, by a smooth surrogate of the device; 0 is none."
    )
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")
    device: Device = Field(description="Where training and the teacher run; auto is CUDA where there is any.")

    @model_validator(mode="before")
    @classmethod
    def _of_regime(cls, given: Any) -> Any:
        regime = given.get("regime") if isinstance(given, dict) else None
        return {**given, **REGIMES[regime]} if isinstance(regime, str) and regime in REGIMES else given


class Control(Section):
    """Which classical adapters are trained beside the blocks, on the same projections, text and steps."""

    methods: Annotated[
        tuple[Literal[tuple(CONTROLS)], ...],  # type: ignore[valid-type]  # of a table
        axis(order=list(CONTROLS).index, empty=True),
    ] = Field(description=choices("Methods of PEFT", CONTROLS))
    block_dims: Annotated[tuple[Dimension, ...], axis(empty=True)] = Field(
        description="Block dimensions whose number of parameters they are to have; IA3 has one size."
    )
    lora_learning_rate: Annotated[float, Between(0, 10, above=True)] | None = Field(
        description="Step size of LoRA; null is chosen, see search."
    )
    ia3_learning_rate: Annotated[float, Between(0, 10, above=True)] | None = Field(
        description="Step size of IA3; null is chosen, see search."
    )

    @model_validator(mode="after")
    def _check(self) -> Control:
        if any(CONTROLS[name].sized for name in self.methods) and not self.block_dims:
            raise ValueError(
                f"control.block_dims=[]: control.methods={show(list(self.methods))} needs block dimensions to be "
                "compared with; type control.block_dims=[4], or control=none"
            )
        return self
