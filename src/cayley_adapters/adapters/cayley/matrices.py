"""Which modules are projections whose inputs blocks can rotate, and which of their weights meets that input."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from cayley_adapters.core.errors import CayleyError

__all__ = ["MeetingWeight", "input_count", "output_count", "parameter_dtype"]

PLAIN = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Precisions in which a number of a weight is the number that it stands for."""


def input_count(module: Any, key: str) -> int:
    """How many inputs a projection has.

    Args:
        module: what is to be adapted, quantised or not: only its inputs are touched.
        key: its name, for messages.

    Raises:
        CayleyError: it is no linear map of real inputs, or one whose inputs cannot be reached.
    """
    kind = type(module).__name__
    if isinstance(module, nn.MultiheadAttention):
        if not module._qkv_same_embed_dim:
            raise CayleyError(
                f"{key} is a {kind} with kdim={module.kdim}, vdim={module.vdim}, embed_dim={module.embed_dim}: one set "
                "of blocks cannot rotate inputs of several sizes; change target_modules"
            )
        return int(module.embed_dim)
    if any(parameter.is_complex() for parameter in module.parameters()):
        raise CayleyError(f"{key} is a {kind} of complex numbers; blocks rotate real ones: change target_modules")
    if isinstance(module, Conv1D):
        return int(module.weight.shape[0])
    inputs = getattr(module, "in_features", None)
    if not isinstance(inputs, int) or not isinstance(getattr(module, "out_features", None), int):
        raise CayleyError(f"{key} is a {kind}, not a linear projection; change target_modules")
    return inputs


def output_count(module: Any) -> int:
    """How many outputs a projection has; an attention's three count together."""
    if isinstance(module, nn.MultiheadAttention):
        return 3 * int(module.embed_dim)
    return int(module.weight.shape[1] if isinstance(module, Conv1D) else module.out_features)


def parameter_dtype(module: Any) -> torch.dtype:
    """The precision of new blocks' parameters, as PEFT has it: the projection's own, where numbers are plain."""
    return next((parameter.dtype for parameter in module.parameters() if parameter.dtype in PLAIN), torch.float32)


class MeetingWeight:
    """The weight that meets a projection's input, as rows ``(…, in)`` of plain numbers.

    It is a dense projection's own, a factored one's inner factor, and an attention's stacked three.

    Args:
        module: the projection.
        key: its name, for messages.

    Raises:
        CayleyError: it stores no such matrix, or one of quantised numbers, to which a rotated one cannot be written.
    """

    def __init__(self, module: Any, key: str) -> None:
        kind, owner = type(module).__name__, getattr(module, "down", module)
        self._turned = isinstance(module, Conv1D)  # stores (in, out)
        name = "in_proj_weight" if isinstance(module, nn.MultiheadAttention) else "weight"
        try:
            weight = getattr(owner, name)
        except AttributeError:
            weight = None
        if weight is None or (
            type(weight) is not nn.Parameter and type(weight).__module__.startswith("cayley_adapters")
        ):
            raise CayleyError(
                f"{key} is a {kind}, which stores no matrix that meets the input: blocks cannot be merged into it; "
                "keep the adapter"
            )
        # Subclasses of Parameter and tensors wrapped by one are how libraries hide quantised or sharded numbers.
        if type(weight) is not nn.Parameter or weight.dtype not in PLAIN:
            raise CayleyError(
                f"{key} is a {kind} whose weight is a {type(weight).__name__} of {weight.dtype}: blocks are merged "
                "into plain numbers of 16 bits or more; keep the adapter, or load the base model unquantised"
            )
        self.parameter: nn.Parameter = weight

    @property
    def rows(self) -> torch.Tensor:
        """``(…, in)``, a view."""
        return self.parameter.data.mT if self._turned else self.parameter.data

    def write(self, rows: torch.Tensor) -> None:
        """Put other rows in their place, in the weight's own precision."""
        stored = rows.mT.contiguous() if self._turned else rows
        self.parameter.data = stored.to(self.parameter.dtype)
