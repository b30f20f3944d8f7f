"""Blocks times slices: batched matrix products, and for small blocks on few CPU threads compiled loops."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from cayley_adapters.core.errors import CayleyError

__all__ = ["full_precision", "rotate"]

SMALL_BLOCK = 4
"""Up to this dimension, batched products of a library spend their time on anything but arithmetic."""

FEW_THREADS = 8
"""Compiled loops use one thread, which beats a library's up to about this many."""


def full_precision(device: str) -> AbstractContextManager[Any]:
    """No autocast: products in half precision would make blocks that are no rotations, and round what they turn."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def rotate(q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Apply one block to each slice: y_b = Q_b x_b.

    Args:
        q: blocks ``(B, d, d)``.
        x: ``(…, w)``, of the same dtype and device; w is B·d, or less than that by less than d, and then the last slice
            is filled up with zeros.

    Returns:
        ``(…, w)``: what comes out beyond w is dropped.

    Raises:
        CayleyError: the blocks do not make up the last axis of ``x``.
    """
    if q.ndim != 3 or q.shape[1] != q.shape[2] or not 0 <= q.shape[0] * q.shape[1] - x.shape[-1] < q.shape[1]:
        raise CayleyError(f"blocks {tuple(q.shape)} do not fit activations {tuple(x.shape)}: (B, d, d) and (…, B·d)")
    if missing := q.shape[0] * q.shape[1] - x.shape[-1]:
        return rotate(q, torch.nn.functional.pad(x, (0, missing)))[..., : x.shape[-1]]
    compilable = q.device.type == x.device.type == "cpu" and q.dtype == x.dtype in (torch.float32, torch.float64)
    compilable = compilable and not torch.compiler.is_compiling()  # the loops are machine code that no graph can hold
    if compilable and q.shape[-1] <= SMALL_BLOCK and torch.get_num_threads() <= FEW_THREADS:
        wanted = torch.is_grad_enabled() and (q.requires_grad or x.requires_grad)
        y: torch.Tensor = _Rotate.apply(q, x) if wanted else _rotated(q, x)  # type: ignore[no-untyped-call]  # of torch
        return y
    with full_precision(x.device.type):
        return _products(q, x)


def _products(q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    blocks, d, _ = q.shape
    slices = x.reshape(-1, blocks, d)
    # One batched product over blocks; a dense block-diagonal matrix would be B times as large.
    return torch.bmm(slices.transpose(0, 1), q.mT).transpose(0, 1).reshape(x.shape)


class _Rotate(torch.autograd.Function):
    """The compiled product: gradients Qᵀg for x, and the sum over slices of g xᵀ for Q."""

    @staticmethod
    def forward(context: Any, q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(q, x)
        return _rotated(q, x)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        q, x = context.saved_tensors
        if torch.is_grad_enabled():  # a gradient of this gradient is wanted
            slices, of_slices = (part.reshape(-1, *q.shape[:2]) for part in (x, gradient))
            return torch.einsum("tbi,tbj->bij", of_slices, slices), _products(q.mT, gradient)
        wanted_q, wanted_x = context.needs_input_grad
        return _outer(gradient, x, q) if wanted_q else None, _rotated(q.mT, gradient) if wanted_x else None


def _rows(x: torch.Tensor) -> Any:
    return x.detach().reshape(-1, x.shape[-1]).contiguous().numpy()


def _rotated(q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    from cayley_adapters.kernels.rotation import rotate_slices

    y = torch.empty(x.shape, dtype=x.dtype)
    by_block = q.detach().permute(1, 2, 0).contiguous().numpy()
    rotate_slices(q.shape[-1])(by_block, _rows(x), y.view(-1, x.shape[-1]).numpy())
    return y


def _outer(gradient: torch.Tensor, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    from cayley_adapters.kernels.rotation import outer_products

    out = torch.zeros(*q.shape[1:], q.shape[0], dtype=q.dtype)
    outer_products(q.shape[-1])(_rows(gradient), _rows(x), out.numpy())
    return out.permute(2, 0, 1).contiguous()
