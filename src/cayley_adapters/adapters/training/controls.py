"""Classical controls: PEFT's own methods, as equal in parameters to Cayley blocks as each allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.registry import load

if TYPE_CHECKING:
    from peft import PeftConfig

__all__ = ["boft", "control_config", "free_parameters", "ia3", "lora", "oft", "unconstrained"]

Shapes = Sequence[tuple[int, int]]
"""(in, out) of every adapted projection."""


def control_config(
    method: str, block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Shapes
) -> PeftConfig:
    """The configuration of a control that stands beside blocks of one dimension on the same projections.

    Args:
        method: one of :data:`cayley_adapters.adapters.controls.CONTROLS`.
        block_dim: d of the Cayley blocks.
        targets: last names of the projections.
        layers: indices of the decoder layers; all if None.
        shapes: (in, out) of every adapted projection.

    Raises:
        CayleyError: blocks of that dimension do not fit a projection, which PEFT would answer with other blocks.
    """
    if CONTROLS[method].blocks and (misfits := sorted({i for i, _ in shapes if i % block_dim})):
        raise CayleyError(
            f"control.block_dims: {method} with blocks of dimension {block_dim} does not divide {misfits[0]} inputs "
            "of a projection; leave that block dimension out"
        )
    config: PeftConfig = load(CONTROLS[method].control_builder)(block_dim, targets, layers, shapes)
    return config


def oft(block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Shapes) -> PeftConfig:
    """PEFT's orthogonal finetuning with the exact Cayley transform: the very same rotations as our blocks."""
    from peft import OFTConfig

    where = _modules(targets, layers)
    return OFTConfig(r=0, oft_block_size=block_dim, use_cayley_neumann=False, target_modules=where)


def boft(block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Shapes) -> PeftConfig:
    """The same blocks, with a trained scale of each output beside.

    Of butterfly factors PEFT allows one without its CUDA extension.
    """
    from peft import BOFTConfig

    where = _modules(targets, layers)
    return BOFTConfig(boft_block_size=block_dim, boft_n_butterfly_factor=1, target_modules=where)


def ia3(block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Shapes) -> PeftConfig:
    """A trained scale of the inputs of ``down_proj`` and of the outputs of the others, as usual; it has one size."""
    from peft import IA3Config

    scaled = [name for name in targets if name == "down_proj"]
    feedforward = _modules(scaled, layers) if scaled else []
    return IA3Config(feedforward_modules=feedforward, target_modules=_modules(targets, layers))


def lora(block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Shapes) -> PeftConfig:
    """LoRA of the rank, at least 1, that comes closest to blocks in parameters."""
    from peft import LoraConfig

    budget = sum(inputs * (block_dim - 1) // 2 for inputs, _ in shapes)
    rank = max(1, round(budget / sum(inputs + outputs for inputs, outputs in shapes)))
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=_modules(targets, layers))


def unconstrained(block_dim: int, targets: Sequence[str], layers: Sequence[int] | None, shapes: Shapes) -> PeftConfig:
    """Blocks of the same dimension that are any matrices, identities at the start: the paper's third regime."""
    from cayley_adapters.adapters.cayley.config import CayleyConfig

    where = None if layers is None else list(layers)
    return CayleyConfig(block_dim=block_dim, ansatz="free", target_modules=list(targets), layers_to_transform=where)


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
