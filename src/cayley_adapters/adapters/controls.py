"""The classical controls: PEFT's own methods, which are trained beside the blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cayley_adapters.core.registry import Entry, Look, Registry

__all__ = ["CONTROLS", "Control"]


@dataclass(frozen=True, kw_only=True)
class Control(Entry):
    """A classical control, as its users know it before it is trained.

    Attributes:
        control_builder: ``(block_dim, targets, layers, shapes)`` → the configuration of PEFT, see
            :func:`cayley_adapters.adapters.training.controls.control_config`.
        sized: whether it comes in sizes, to have as many parameters as blocks of one dimension; else it has one size.
        blocks: whether it turns inputs by blocks of that very dimension, which must divide them. Its parameters are
            then half of ours, theta/2: with half the step the rotations move alike.
        rate: the key of ``control`` that is its step size; None where it is that of blocks of its dimension.
        work: what each token costs: ``scaled`` a number an input, ``rotated`` a product with blocks, ``merged``
            matrices that blocks are multiplied into at each call.
        look: how it is drawn.
    """

    control_builder: str
    sized: bool = True
    blocks: bool = False
    rate: str | None = None
    work: Literal["scaled", "rotated", "merged"] = "scaled"
    look: Look


CONTROLS = Registry(
    "control",
    [
        Control(
            name="lora",
            title="LoRA",
            sentence="LoRA{lora}",
            control_builder="cayley_adapters.adapters.training.controls:lora",
            rate="lora_learning_rate",
            look=Look(in_legend="LoRA", stroke="s-", ink="#D55E00"),
            literature={
                "lora": (
                    "Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models (2021)",
                    "https://arxiv.org/abs/2106.09685",
                )
            },
        ),
        Control(
            name="oft",
            title="OFT",
            sentence="OFT{oft}",
            control_builder="cayley_adapters.adapters.training.controls:oft",
            blocks=True,
            work="rotated",
            look=Look(in_legend="OFT (PEFT, exact Cayley)", stroke="x", ink="black"),
            literature={
                "oft": (
                    "Qiu et al.: Controlling Text-to-Image Diffusion by Orthogonal Finetuning (2023)",
                    "https://arxiv.org/abs/2306.07280",
                )
            },
        ),
        Control(
            name="boft",
            title="BOFT",
            sentence="BOFT{boft}",
            control_builder="cayley_adapters.adapters.training.controls:boft",
            blocks=True,
            work="merged",
            look=Look(in_legend="BOFT (PEFT)", stroke="D", ink="#CC79A7", filling="none"),
            literature={
                "boft": (
                    "Liu et al.: Parameter-Efficient Orthogonal Finetuning via Butterfly Factorization (2023)",
                    "https://arxiv.org/abs/2311.06243",
                )
            },
        ),
        Control(
            name="ia3",
            title="a trained scale (IA3)",
            sentence="a trained scale (IA3){ia3}",
            control_builder="cayley_adapters.adapters.training.controls:ia3",
            sized=False,
            rate="ia3_learning_rate",
            look=Look(in_legend="trained scale (IA3)", stroke="^", ink="#009E73"),
            literature={
                "ia3": (
                    "Liu et al.: Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context "
                    "Learning (2022)",
                    "https://arxiv.org/abs/2205.05638",
                )
            },
        ),
        Control(
            name="unconstrained",
            title="unconstrained blocks",
            sentence="blocks of the same dimension that are any matrices",
            control_builder="cayley_adapters.adapters.training.controls:unconstrained",
            work="rotated",
            look=Look(in_legend="unconstrained blocks", stroke="P-", ink="#56B4E9"),
        ),
    ],
)
"""Name → control."""
