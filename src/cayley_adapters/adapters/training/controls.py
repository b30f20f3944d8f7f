"""Classical controls: PEFT's own methods, as equal in parameters to Cayley blocks as each allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from peft import PeftConfig

__all__ = ["CONTROLS", "control_config", "free_parameters"]

CONTROLS = ("lora", "oft", "boft", "ia3")


def control_config(
    method: str, block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Sequence[tuple[int, int]]
) -> PeftConfig:
    """The configuration of a control that stands beside blocks of one dimension on the same projections.

    ``oft`` is PEFT's orthogonal finetuning with the exact Cayley transform and blocks of the same size: as many
    parameters, and the very same rotations. ``boft`` has the same blocks, with a trained scale of each output beside
    (of butterfly factors PEFT allows one without its CUDA extension). ``lora`` has the rank that comes closest in
    parameters, at least 1. ``ia3`` is a trained scale, of which there is one size: of the inputs of ``down_proj`` and
    the outputs of the others, as usual.

    Args:
        method: one of :data:`CONTROLS`.
        block_dim: d of the Cayley blocks.
        targets: last names of the projections.
        layers: indices of the decoder layers; all if None.
        shapes: (in, out) of every adapted projection.

    Raises:
        CayleyError: blocks of that dimension do not fit a projection, which PEFT would answer with other blocks.
    """
    from peft import BOFTConfig, IA3Config, LoraConfig, OFTConfig

    if method in ("oft", "boft") and (misfits := sorted({i for i, _ in shapes if i % block_dim})):
        raise CayleyError(
            f"control.block_dims: {method} with blocks of dimension {block_dim} does not divide {misfits[0]} inputs "
            "of a projection; leave that block dimension out"
        )
    where: dict[str, Any] = {"target_modules": _modules(targets, layers)}
    if method == "oft":
        return OFTConfig(r=0, oft_block_size=block_dim, use_cayley_neumann=False, **where)
    if method == "boft":
        return BOFTConfig(boft_block_size=block_dim, boft_n_butterfly_factor=1, **where)
    if method == "ia3":
        scaled = [name for name in targets if name == "down_proj"]
        return IA3Config(feedforward_modules=_modules(scaled, layers) if scaled else [], **where)
    budget = sum(inputs * (block_dim - 1) // 2 for inputs, _ in shapes)
    rank = max(1, round(budget / sum(inputs + outputs for inputs, outputs in shapes)))
    return LoraConfig(r=rank, lora_alpha=rank, **where)


def _modules(targets: Sequence[str], layers: Sequence[int] | None) -> list[str] | str:
    """Names, or a pattern of whole names where only some layers are meant."""
    if layers is None:
        return list(targets)
    return rf".*\.layers\.({'|'.join(map(str, layers))})\..*\.({'|'.join(targets)})"


def free_parameters(tensors: Mapping[str, Any]) -> int:
    """Numbers that a saved control can choose freely.

    All that PEFT stores, but for BOFT's blocks: it stores whole matrices and uses their antisymmetric part.

    Args:
        tensors: the contents of ``adapter_model.safetensors``.
    """
    total = 0
    for name, value in tensors.items():
        d = value.shape[-1]
        total += value.numel() // (2 * d) * (d - 1) if "boft_R" in name else value.numel()
    return total
