"""Width pruning: whole inputs of a projection go, and the weights of the others are solved again.

Let H = X Xᵀ be the second moments of the inputs X of a projection W. If the inputs S are removed and the others, K, get
the weights that change W X least (least squares), those are W_K' = W H_:K H_KK⁻¹, and the squared error is
tr(W_S ([H⁻¹]_SS)⁻¹ W_Sᵀ): the optimal brain surgeon (Hassibi and Stork, NIPS 5 (1992)) for a layer's own output, in
groups. Inputs go a few at a time, the cheapest first, and after each few the costs of the others are exact again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError

__all__ = ["METHOD", "OUTER", "Pruned", "keep_inputs", "keep_outputs", "prune_inputs"]

OUTER = ("gate_proj", "up_proj", "q_proj", "k_proj", "v_proj")
"""Projections that lose outputs; ``down_proj`` and ``o_proj`` lose the inputs that those were."""

STEPS = 40
"""In how many steps inputs are removed, at most: what more of them buy is within a tenth of a percent."""


@dataclass(frozen=True)
class Pruned:
    """What is left of a projection's inputs.

    Attributes:
        kept: indices of the groups that stay, ascending.
        weight: ``(out, kept inputs)``, float64.
        removed: numbers of groups removed after each step.
        errors: ‖W X − W' X_K‖² / ‖W X‖² after each step.
    """

    kept: torch.Tensor
    weight: torch.Tensor
    removed: np.ndarray
    errors: np.ndarray


def prune_inputs(
    weight: torch.Tensor, gram: torch.Tensor, remove: int, ridge: float, *, group: int = 1, steps: int = STEPS
) -> Pruned:
    """Remove groups of inputs, those whose loss costs least once the others make up for it.

    Args:
        weight: W, ``(out, in)``.
        gram: X Xᵀ ``(in, in)`` over calibration tokens.
        remove: groups to remove, at least 0 and fewer than there are.
        ridge: white noise added to the inputs, relative to their mean power along W.
        group: neighbouring inputs that go together.
        steps: in how many steps, at most.

    Raises:
        CayleyError: a weight or an activation is not finite.

    Example:
        >>> weight, gram = torch.tensor([[3.0, 1.0, 2.0]]), torch.eye(3)
        >>> pruned = prune_inputs(weight, gram, 1, ridge=0.0)
        >>> pruned.kept.tolist(), pruned.weight.tolist(), [round(float(error), 3) for error in pruned.errors]
        ([0, 2], [[3.0, 2.0]], [0.071])
    """
    w, g = weight.double().clone(), gram.double()
    if not (torch.isfinite(w).all() and torch.isfinite(g).all()):
        raise CayleyError(
            "a projection has weights or calibration activations that are not finite; is the model whole?"
        )
    power = ((w @ g) * w).sum()  # ‖WX‖²
    noise = ridge * (power / w.square().sum() if power > 0 else 1.0)
    moments = _regular(g + noise * torch.eye(len(g), dtype=g.dtype))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments))
    count = len(g) // group
    there, removed, errors = torch.ones(count, dtype=torch.bool), [], []
    members = torch.arange(len(g)).view(count, group)
    total = 0.0
    for number in _few(remove, steps):
        costs = torch.where(there, _costs(w, inverse, members), torch.inf)
        going = torch.topk(costs, number, largest=False).indices
        inputs = members[going].flatten()
        inner = torch.linalg.inv(inverse[inputs][:, inputs])
        lost = w[:, inputs]
        total += float(((lost @ inner) * lost).sum())
        moved = inner @ inverse[inputs]
        w -= lost @ moved
        inverse -= inverse[:, inputs] @ moved
        # What has gone costs nothing more, and takes part in nothing.
        w[:, inputs], inverse[inputs], inverse[:, inputs] = 0, 0, 0
        inverse[inputs, inputs] = 1
        there[going] = False
        removed.append(number)
        errors.append(total / float(power) if power > 0 else 0.0)
    kept = there.nonzero().flatten()
    columns = members[kept].flatten()
    # Once more from the moments themselves: a hundred updates of the inverse have lost digits.
    factor = torch.linalg.cholesky(moments[columns][:, columns])
    solved = torch.cholesky_solve((weight.double() @ moments[:, columns]).T, factor).T if remove else weight.double()
    return Pruned(kept, solved, np.cumsum(removed), np.asarray(errors))


def _regular(moments: torch.Tensor) -> torch.Tensor:
    """The second moments, with as little noise more as makes them positive definite: dead inputs, or few tokens."""
    noise, eye = 0.0, torch.eye(len(moments), dtype=moments.dtype)
    scale = float(moments.diagonal().mean()) or 1.0
    while torch.linalg.cholesky_ex(moments + noise * eye).info:
        noise = max(10 * noise, 1e-14 * scale)
    return moments + noise * eye


def _few(remove: int, steps: int) -> list[int]:
    """Numbers of groups that go at once, as equal as they come."""
    return [len(part) for part in np.array_split(np.arange(remove), min(remove, steps)) if len(part)] if remove else []


def _costs(w: torch.Tensor, inverse: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """What removing each group alone costs."""
    if members.shape[1] == 1:
        return w.square().sum(0) / inverse.diagonal()
    blocks = inverse[members[:, :, None], members[:, None, :]]  # (groups, group, group)
    parts = w[:, members].permute(1, 2, 0)  # (groups, group, out)
    return (torch.linalg.solve(blocks, parts) * parts).sum((1, 2))


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
