"""Conversion from and to PEFT's orthogonal finetuning (OFT), where the two describe the same rotation.

PEFT rotates a slice as a row, x R with R = (I − S)(I + S)⁻¹ and S skew-symmetric, filled row by row above its diagonal
from the stored numbers w. That is Q = Rᵀ in our column convention, and so K/2 = −S: theta = −2w.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.loading import read_adapter
from cayley_adapters.circuits.sizes import WHOLE
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory

if TYPE_CHECKING:
    from peft import OFTConfig, PeftConfig

__all__ = ["from_oft", "to_oft"]

_SHARED = ("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "base_model_name_or_path")
_OURS, _PEFTS = ".cayley_theta", ".oft_R.weight"
_FACTOR = -2


def from_oft(source: Path | str, target: Path | str) -> CayleyConfig:
    """Convert a saved OFT adapter into a Cayley adapter.

    Args:
        source: folder as PEFT's ``save_pretrained`` leaves it.
        target: folder to write, whole or not at all; ``PeftModel.from_pretrained`` reads it.

    Returns:
        The Cayley adapter's configuration.

    Raises:
        CayleyError: the folder holds no OFT adapter, or one whose blocks are not exact Cayley rotations of their own
            (Cayley–Neumann series, constrained, shared).

    Example:
        >>> import peft, tempfile, torch
        >>> folder = tempfile.mkdtemp()
        >>> config = peft.OFTConfig(r=0, oft_block_size=4, use_cayley_neumann=False, target_modules=["0"])
        >>> peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(8, 8)), config).save_pretrained(folder)
        >>> from_oft(folder, f"{folder}/cayley").block_dim
        4
    """
    from peft import OFTConfig

    config, tensors = read_adapter(source, OFTConfig)
    for key, wanted in (("use_cayley_neumann", False), ("coft", False), ("block_share", False), ("bias", "none")):
        if getattr(config, key) != wanted:
            raise CayleyError(
                f"{source}: {key}={getattr(config, key)} describes other maps than Cayley blocks; only adapters with "
                f"{key}={wanted} can be converted"
            )
    if unknown := [name for name in tensors if not name.endswith(_PEFTS)]:
        raise CayleyError(f"{source}: {unknown[0]} is no rotation of a linear projection")
    shared = {key: getattr(config, key) for key in _SHARED}
    converted = CayleyConfig(**_dimensions(tensors), **shared)
    _write(target, converted, {name.removesuffix(_PEFTS) + _OURS: _FACTOR * w for name, w in tensors.items()})
    return converted


def to_oft(source: Path | str, target: Path | str) -> OFTConfig:
    """Convert a saved Cayley adapter into one of PEFT's OFT with the exact Cayley transform.

    Args:
        source: folder as ``save_pretrained`` leaves it.
        target: folder to write, whole or not at all.

    Returns:
        The OFT adapter's configuration.

    Raises:
        CayleyError: the folder holds no Cayley adapter, or one that OFT cannot express (brickwork, sign-constrained,
            slices filled up).

    Example:
        >>> import peft, tempfile, torch
        >>> folder, config = tempfile.mkdtemp(), CayleyConfig(block_dim=4, target_modules=["0"])
        >>> peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(8, 8)), config).save_pretrained(folder)
        >>> to_oft(folder, f"{folder}/oft").oft_block_size
        4
    """
    from peft import OFTConfig

    config, tensors = read_adapter(source, CayleyConfig)
    for key, wanted in (("ansatz", "full"), ("readout", "signed")):
        if getattr(config, key) != wanted:
            raise CayleyError(f"{source}: {key}={getattr(config, key)} has no counterpart in OFT; only {wanted} has")
    if config.block_dim_pattern:
        raise CayleyError(f"{source}: block_dim_pattern={config.block_dim_pattern} has no counterpart in OFT")
    if config.padded:
        raise CayleyError(
            f"{source}: block_dim={config.block_dim} does not divide the inputs of every projection, and OFT fills no "
            "slices up; only dimensions that divide them have a counterpart"
        )
    shared = {key: getattr(config, key) for key in _SHARED}
    size = {"r": 1, "oft_block_size": 0} if config.block_dim == WHOLE else {"r": 0, "oft_block_size": config.block_dim}
    converted = OFTConfig(**size, use_cayley_neumann=False, **shared)
    _write(target, converted, {name.removesuffix(_OURS) + _PEFTS: theta / _FACTOR for name, theta in tensors.items()})
    return converted


def _dimensions(tensors: dict[str, Any]) -> dict[str, Any]:
    """The dimension that most projections have, and those of the others by name."""
    from cayley_adapters.adapters.cayley.transform import block_dimension

    found = {name.removesuffix(_PEFTS): block_dimension(w.shape[-1]) for name, w in tensors.items()}
    dims = list(found.values())
    common = max(sorted(set(dims)), key=dims.count)
    others = {re.escape(name.removeprefix("base_model.model.")): d for name, d in found.items() if d != common}
    return {"block_dim": common, "block_dim_pattern": others}


def _write(folder: Path | str, config: PeftConfig, tensors: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    with atomic_directory(folder) as temporary:
        config.inference_mode = True
        config.save_pretrained(str(temporary))
        save_file(
            {name: value.contiguous() for name, value in tensors.items()}, temporary / "adapter_model.safetensors"
        )
