"""Which base model an adapter was trained on: models of one shape take each other's adapters without a word."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn

__all__ = ["base_digest", "differs"]

RUNS, LENGTH = 4, 64
"""Of each tensor so many runs of so many numbers are read: of a model that is mapped from disk, not all of it."""


def base_digest(model: Any, without: Iterable[str] | None = None) -> str | None:
    """A digest of a model's weights without its adapters.

    Each tensor counts with its shape and four runs of 64 numbers, spread evenly and rounded to bfloat16, so that a
    model loaded in bfloat16, float32 or float64 is the same model. Other precisions are told apart by the prefix. Of a
    model of transformers, heads do not count: those of a task are random before it is trained.

    Args:
        model: with or without adapters, none merged.
        without: names of modules that an adapter brings (``modules_to_save``): as are these.

    Returns:
        ``plain:`` or a precision such as ``float16:``, and 32 hexadecimal digits; None where weights are elsewhere (on
        the meta device).

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(8, 8)
        >>> base_digest(model) == base_digest(model.double()), base_digest(torch.nn.Linear(8, 8)) == base_digest(model)
        (True, False)
    """
    if hasattr(model, "get_base_model"):
        model = model.get_base_model()
    backbone = f"{getattr(model, 'base_model_prefix', '')}."
    if not isinstance(getattr(model, backbone[:-1], None), nn.Module):
        backbone = ""
    found, kinds = hashlib.sha256(), set()
    inner = [name for name, module in model.named_modules() if isinstance(module, AuxiliaryTrainingWrapper)]
    brought = [f".{module}." for module in without or ()]
    for name, value in _weights(model, inner):
        if not name.startswith(backbone) or any(module in f".{name}." for module in brought):
            continue
        if value.is_meta:
            return None
        kinds.add(_kind(value.dtype))
        found.update(f"{name} {tuple(value.shape)}".encode())
        found.update(_sample(value).tobytes())
    return f"{'+'.join(sorted(kinds))}:{found.hexdigest()[:32]}"


def differs(recorded: str | None, found: str | None) -> bool:
    """Whether two digests are of different models; unknown ones, and those of other precisions, cannot be compared."""
    if recorded is None or found is None or recorded.partition(":")[0] != found.partition(":")[0]:
        return False
    return recorded != found


def _weights(model: Any, wrapped: list[str]) -> list[tuple[str, torch.Tensor]]:
    """The base model's parameters by the names that they have without adapters, in the order of these."""
    adapters = [
        f"{name}." if name else "" for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)
    ]
    found = []
    for name, value in model.named_parameters():
        if any(name.startswith(prefix) and not name.startswith(f"{prefix}base_layer.") for prefix in adapters):
            continue
        if any(name.startswith(f"{prefix}.modules_to_save.") for prefix in wrapped):
            continue
        plain = name.replace(".base_layer.", ".").removeprefix("base_layer.")
        found.append((plain.replace(".original_module.", "."), value))
    return sorted(found, key=lambda item: item[0])


def _kind(dtype: torch.dtype) -> str:
    return "plain" if dtype in (torch.bfloat16, torch.float32, torch.float64) else str(dtype).removeprefix("torch.")


def _sample(value: torch.Tensor) -> Any:
    flat = value.detach().flatten() if value.is_contiguous() else value.detach().contiguous().flatten()
    starts = [(len(flat) - LENGTH) * index // (RUNS - 1) for index in range(RUNS)] if len(flat) > RUNS * LENGTH else []
    parts = torch.cat([flat[start : start + LENGTH] for start in starts]) if starts else flat
    if _kind(value.dtype) == "plain":
        return parts.to(torch.bfloat16).view(torch.int16).cpu().numpy()
    return parts.view(torch.uint8).cpu().numpy()
