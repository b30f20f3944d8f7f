"""Width pruning: whole inputs of a projection go, and the weights of the others are solved again.

Let H = X Xᵀ be the second moments of the inputs X of a projection W. If the inputs S are removed and the others, K, get
the weights that change W X least (least squares), those are W_K' = W H_:K H_KK⁻¹, and the squared error is
tr(W_S ([H⁻¹]_SS)⁻¹ W_Sᵀ): the optimal brain surgeon (Hassibi and Stork, NIPS 5 (1992)) for a layer's own output, in
groups. Inputs go a few at a time, the cheapest first, and after each few the costs of the others are exact again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say

__all__ = [
    "METHOD",
    "OUTER",
    "Removal",
    "keep_inputs",
    "keep_outputs",
    "kept_groups",
    "members_of",
    "regular_moments",
    "removal",
    "solved",
]

OUTER = ("gate_proj", "up_proj", "q_proj", "k_proj", "v_proj")
"""Projections that lose outputs; ``down_proj`` and ``o_proj`` lose the inputs that those were."""

STEPS = 40
"""In how many steps inputs are removed, at most: what more of them buy is within a tenth of a percent."""


@dataclass(frozen=True)
class Removal:
    """In which order groups of inputs go.

    Attributes:
        order: indices of the groups, the first to go first.
        counts: numbers of groups removed after each step; the first is 0.
        errors: ‖W X − W' X_K‖² / ‖W X‖² after each step, with the best W'.
    """

    order: torch.Tensor
    counts: np.ndarray
    errors: np.ndarray

    def error(self, removed: int | np.ndarray) -> Any:
        """Squared relative error once ``removed`` groups have gone; between steps it is interpolated."""
        return np.interp(removed, self.counts, self.errors)


def removal(weight: torch.Tensor, moments: torch.Tensor, remove: int, *, group: int = 1, steps: int = STEPS) -> Removal:
    """Choose groups of inputs to remove: always those whose loss costs least once the others make up for it.

    Args:
        weight: W, ``(out, in)``.
        moments: H of :func:`regular_moments`, ``(in, in)``.
        remove: groups to remove, at least 0 and fewer than there are.
        group: neighbouring inputs that go together.
        steps: in how many steps, at most.

    Example:
        >>> weight, moments = torch.tensor([[3.0, 1.0, 2.0]]), torch.eye(3).double()
        >>> gone = removal(weight, moments, 2)
        >>> gone.order.tolist(), [round(float(error), 3) for error in gone.errors]
        ([1, 2], [0.0, 0.071, 0.357])
    """
    w, members = weight.double().clone(), torch.arange(len(moments)).view(-1, group)
    power, total, order, errors = float(((w @ moments) * w).sum()), 0.0, [], [0.0]
    parts = [len(part) for part in np.array_split(np.arange(remove), min(remove, steps))] if remove else []
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments)) if remove else moments
    there = torch.ones(len(members), dtype=torch.bool)
    for number in parts:
        costs = torch.where(there, _costs(w, inverse, members), torch.inf)
        going = torch.topk(costs, number, largest=False).indices
        inputs = members[going].flatten()
        inner, lost = torch.linalg.inv(inverse[inputs][:, inputs]), w[:, inputs]
        total += float(((lost @ inner) * lost).sum())
        moved = inner @ inverse[inputs]
        w -= lost @ moved
        inverse.addmm_(inverse[:, inputs], moved, alpha=-1)
        # What has gone costs nothing more, and takes part in nothing.
        w[:, inputs], inverse[inputs], inverse[:, inputs] = 0, 0, 0
        inverse[inputs, inputs] = 1
        there[going] = False
        order.append(going)
        errors.append(total / power if power > 0 else 0.0)
    gone = torch.cat(order) if order else torch.empty(0, dtype=torch.long)
    return Removal(gone, np.cumsum([0, *parts]), np.asarray(errors))


def solved(weight: torch.Tensor, moments: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The weights of the inputs ``kept`` that change the output least: W H_:K H_KK⁻¹, ``(out, kept)``, float64."""
    factor = torch.linalg.cholesky(moments[kept][:, kept])
    transposed: torch.Tensor = torch.cholesky_solve((weight.double() @ moments[:, kept]).T, factor)
    return transposed.T


def members_of(groups: torch.Tensor, size: int) -> torch.Tensor:
    """Indices of the features of some groups of ``size`` neighbours."""
    return (groups[:, None] * size + torch.arange(size)).flatten()


def kept_groups(gone: torch.Tensor, count: int) -> torch.Tensor:
    """Indices of the groups, of ``count``, that have not gone; ascending."""
    there = torch.ones(count, dtype=torch.bool)
    there[gone] = False
    return there.nonzero().flatten()


def regular_moments(weight: torch.Tensor, gram: torch.Tensor, ridge: float) -> torch.Tensor:
    """The inputs' second moments, with the ridge, and as little more as makes them positive definite.

    Args:
        weight: W, ``(out, in)``.
        gram: X Xᵀ ``(in, in)`` over calibration tokens, float64; changed in place.
        ridge: white noise added to the inputs, relative to their mean power along W.

    Returns:
        The same tensor. Dead inputs, or fewer tokens than inputs, leave the Gram matrix singular.

    Raises:
        CayleyError: a weight or an activation is not finite.
    """
    w, moments = weight.double(), gram
    if not (torch.isfinite(w).all() and torch.isfinite(moments).all()):
        raise CayleyError(
            "a projection has weights or calibration activations that are not finite; is the model whole?"
        )
    power = float(((w @ moments) * w).sum())
    noise = ridge * (power / float(w.square().sum()) if power > 0 else 1.0)
    scale = float(moments.diagonal().mean()) or 1.0
    moments.diagonal().add_(noise)
    more = added = 1e-14 * scale
    while torch.linalg.cholesky_ex(moments).info:
        moments.diagonal().add_(more)
        added, more = more, 10 * more
    if added > max(noise, 1e-10 * scale):
        say(
            f"warning: calibration inputs depend on one another, so that a ridge of {ridge:g} leaves nothing to solve; "
            f"{added / scale:.0e} of their power was added. More calibration text would help (data.calibration_windows)"
        )
    return moments


def _costs(w: torch.Tensor, inverse: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """What removing each group alone costs."""
    if members.shape[1] == 1:
        return w.square().sum(0) / inverse.diagonal()
    blocks = inverse[members[:, :, None], members[:, None, :]]  # (groups, group, group)
    parts = w[:, members].permute(1, 2, 0)  # (groups, group, out)
    costs: torch.Tensor = (torch.linalg.solve(blocks, parts) * parts).sum((1, 2))
    return costs


def keep_outputs(linear: nn.Linear, rows: torch.Tensor) -> nn.Linear:
    """The projection with some of its outputs."""
    made = nn.Linear(linear.in_features, len(rows), linear.bias is not None, dtype=linear.weight.dtype)
    made.weight.data = linear.weight.data[rows].clone()
    if linear.bias is not None:
        made.bias.data = linear.bias.data[rows].clone()
    return made.requires_grad_(False).eval()


def keep_inputs(linear: nn.Linear, weight: torch.Tensor) -> nn.Linear:
    """The projection with other weights of fewer inputs."""
    made = nn.Linear(weight.shape[1], linear.out_features, linear.bias is not None, dtype=linear.weight.dtype)
    made.weight.data = weight.to(linear.weight.dtype).contiguous()
    if linear.bias is not None:
        made.bias.data = linear.bias.data.clone()
    return made.requires_grad_(False).eval()


class Width:
    """How a pruned projection is stored: as a plain matrix with fewer outputs, or inputs; the size is their number."""

    def empty(self, linear: nn.Linear, size: int, name: str) -> nn.Linear:
        """The module that pruning made, with any numbers: they are loaded into it."""
        outer = name.rsplit(".", 1)[-1] in OUTER
        inputs, outputs = (linear.in_features, size) if outer else (size, linear.out_features)
        return nn.Linear(inputs, outputs, linear.bias is not None, dtype=linear.weight.dtype)


METHOD = Width()
