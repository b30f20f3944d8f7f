"""The Cayley transform between free parameters and rotations."""

from __future__ import annotations

import math
from typing import Any

import torch

from cayley_adapters.adapters.cayley.rotation import full_precision
from cayley_adapters.circuits.ansatz import bricks, qubits_of
from cayley_adapters.core.errors import CayleyError

__all__ = ["block_dimension", "brickwork_blocks", "cayley", "free_blocks", "full_blocks", "inverse_cayley"]

SMALL_BLOCK = 16
"""Up to this dimension blocks are solved by compiled loops on the CPU; larger ones, and GPUs, by a library."""


def block_dimension(parameters: int) -> int:
    """The d with d(d − 1)/2 = ``parameters``.

    Raises:
        CayleyError: there is none.
    """
    d = round((1 + math.sqrt(1 + 8 * parameters)) / 2)
    if d < 2 or d * (d - 1) // 2 != parameters:
        raise CayleyError(f"theta has {parameters} entries in its last axis; a d×d block has d(d−1)/2: 1, 3, 6, 10, …")
    return d


def cayley(theta: torch.Tensor) -> torch.Tensor:
    """Cayley transform of batched free parameters.

    Q = (I − K/2)(I + K/2)⁻¹ with K skew-symmetric, filled row by row above the diagonal: K_ij = theta, K_ji = −theta
    for i < j. Q is orthogonal with determinant +1, and the identity at theta = 0.

    The symmetric part of I + K/2 is the identity, so the inverse always exists and is well conditioned.

    Args:
        theta: ``(…, d(d−1)/2)``, radians for small angles, any finite value.

    Returns:
        ``(…, d, d)``, of the same dtype and device; half precision is computed in float32. It can be differentiated
        twice, but not by the transforms of ``torch.func``.

    Raises:
        CayleyError: the last axis is not d(d−1)/2 long for any d ≥ 2.

    Example:
        >>> import torch
        >>> cayley(torch.tensor([2.0]))
        tensor([[ 0., -1.],
                [ 1.,  0.]])
    """
    d = block_dimension(theta.shape[-1])
    if theta.dtype in (torch.float16, torch.bfloat16):
        return cayley(theta.float()).to(theta.dtype)
    q: torch.Tensor = _Cayley.apply(theta, d)  # type: ignore[no-untyped-call]  # of torch
    return q


class _Cayley(torch.autograd.Function):
    """The transform with a gradient of two products: with A = K/2 and M = (I + A)⁻¹ = (I + Q)/2, dQ = −2 M dA M."""

    @staticmethod
    def forward(context: Any, theta: torch.Tensor, d: int) -> torch.Tensor:
        with full_precision(theta.device.type):
            q = _compiled(theta, d) if _compilable(theta, d) else _solved(theta, d)
        context.save_for_backward(q)
        return q

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (q,) = context.saved_tensors
        d = q.shape[-1]
        if torch.compiler.is_compiling():
            return _gradient(q, gradient), None
        if q.device.type == "cpu" and d <= SMALL_BLOCK and not torch.is_grad_enabled():
            from cayley_adapters.kernels.rotation import cayley_gradient

            out = q.new_empty(*q.shape[:-2], d * (d - 1) // 2)
            blocks = gradient.detach().reshape(-1, d, d).contiguous()
            cayley_gradient(q.detach().view(-1, d, d).numpy(), blocks.numpy(), out.view(-1, out.shape[-1]).numpy())
            return out, None
        return _gradient(q, gradient), None


def _gradient(q: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """What reaches the parameters of blocks, from what reaches the blocks."""
    d = q.shape[-1]
    rows, columns = torch.triu_indices(d, d, offset=1, device=q.device)
    inverse = (torch.eye(d, dtype=q.dtype, device=q.device) + q).mT / 2
    with full_precision(q.device.type):
        of_half = inverse @ gradient @ inverse
    return (of_half.mT - of_half)[..., rows, columns]


def _compilable(theta: torch.Tensor, d: int) -> bool:
    if torch.compiler.is_compiling():  # nor can a graph look at numbers to choose
        return False
    small = theta.device.type == "cpu" and d <= SMALL_BLOCK and theta.dtype in (torch.float32, torch.float64)
    # Elimination without pivoting loses as many digits as the square of the largest entry has.
    return small and (theta.numel() == 0 or bool(theta.detach().abs().max() < 100))


def _compiled(theta: torch.Tensor, d: int) -> torch.Tensor:
    from cayley_adapters.kernels.rotation import cayley_blocks

    q = theta.new_empty(*theta.shape[:-1], d, d)
    cayley_blocks(theta.detach().reshape(-1, theta.shape[-1]).contiguous().numpy(), q.view(-1, d, d).numpy())
    return q


def _solved(theta: torch.Tensor, d: int) -> torch.Tensor:
    rows, columns = torch.triu_indices(d, d, offset=1, device=theta.device)
    half = theta.new_zeros(*theta.shape[:-1], d, d)
    half[..., rows, columns] = theta / 2
    half = half - half.mT
    identity = torch.eye(d, dtype=theta.dtype, device=theta.device)
    # (I − K/2) and (I + K/2)⁻¹ commute, so one solve from the left is enough.
    q: torch.Tensor = torch.linalg.solve(identity + half, identity - half)
    # A step of Newton's method towards the nearest orthogonal matrix takes off what rounding has left.
    return q - q @ (q.mT @ q - identity) / 2


def inverse_cayley(q: torch.Tensor) -> torch.Tensor:
    """Free parameters of rotations: K = 2(I − Q)(I + Q)⁻¹.

    Args:
        q: ``(…, d, d)`` orthogonal, without eigenvalue −1.

    Returns:
        theta ``(…, d(d−1)/2)`` with ``cayley(theta) = q``.

    Raises:
        CayleyError: an eigenvalue is −1 (a rotation by half a turn), where no theta exists.

    Example:
        >>> import torch
        >>> inverse_cayley(cayley(torch.tensor([0.25])))
        tensor([0.2500])
    """
    d = q.shape[-1]
    identity = torch.eye(d, dtype=q.dtype, device=q.device)
    try:
        k: torch.Tensor = 2 * torch.linalg.solve(identity + q, identity - q)
    except torch.linalg.LinAlgError as error:
        raise CayleyError(
            "a block has eigenvalue −1: the Cayley transform cannot reach it. Perturb it slightly."
        ) from error
    rows, columns = torch.triu_indices(d, d, offset=1, device=q.device)
    return k[..., rows, columns]


def full_blocks(theta: torch.Tensor, d: int | str, depth: int) -> torch.Tensor:
    """The blocks ``(…, d, d)`` of the ansatz ``full``, which has no layers: :func:`cayley` of their parameters."""
    return cayley(theta)


def free_blocks(theta: torch.Tensor, d: int | str, depth: int) -> torch.Tensor:
    """The blocks I + theta ``(…, d, d)`` of the ansatz ``free``, which are no rotations."""
    return torch.eye(theta.shape[-1], dtype=theta.dtype, device=theta.device) + theta


def brickwork_blocks(theta: torch.Tensor, d: int, depth: int) -> torch.Tensor:
    """Multiply out a brickwork: products of Cayley rotations of neighbouring qubits.

    Args:
        theta: ``(…, g, 6)``, the free parameters of the gates in the order of
            :func:`cayley_adapters.circuits.ansatz.bricks`.
        d: dimension 2ⁿ; element k of a slice is basis state k = Σ_j k_j 2^j.
        depth: layers.

    Returns:
        Blocks ``(…, d, d)``.
    """
    pairs = bricks(qubits_of(d), depth)
    gates = cayley(theta)
    q = torch.eye(d, dtype=theta.dtype, device=theta.device).expand(*theta.shape[:-2], d, d)
    for index, low in enumerate(pairs):
        # Rows of the product so far, split into the qubits above, the pair, and those below.
        rows = q.reshape(*theta.shape[:-2], -1, 4, 2**low * d)
        q = (gates[..., index, :, :].unsqueeze(-3) @ rows).reshape(*theta.shape[:-2], d, d)
    return q
