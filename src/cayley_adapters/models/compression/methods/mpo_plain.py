"""Matrix product operators (tensor-train matrices) as in CompactifAI (arXiv:2401.14109): the naive control.

By TensorLy. Sites are as equal as they come, truncation is that of the singular values across the bond, and nothing is
known of the inputs.
"""

from __future__ import annotations

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods.mpo_layers import MpoLinear, even_sites, largest_bond, stored

__all__ = ["METHOD"]


class PlainMpo:
    """See :class:`cayley_adapters.models.compression.methods.Method`; the size is the bond dimension."""

    of_inputs = False

    def size(self, inputs: int, outputs: int, parameters: float) -> int:
        return largest_bond(even_sites(inputs, outputs), parameters, pivoted=False)

    def parameters(self, inputs: int, outputs: int, size: int) -> int:
        return stored(even_sites(inputs, outputs), size, pivoted=False)

    def fit(self, linear: nn.Linear, gram: torch.Tensor | None, size: int, ridge: float) -> tuple[nn.Module, float]:
        import tensorly
        from tensorly.decomposition import tensor_train_matrix

        if not torch.isfinite(linear.weight).all():
            raise CayleyError("a projection has weights that are not finite; is the model whole?")
        sites = even_sites(linear.in_features, linear.out_features)
        weight = linear.weight.detach().double().reshape(sites.o1, sites.o2, sites.i1, sites.i2)
        with tensorly.backend_context("pytorch"):
            train = tensor_train_matrix(weight, rank=[1, size, 1])
        first, second = train.factors
        layer = self.empty(linear, size, "")
        layer.first.data, layer.second.data = first[0].float(), second[..., 0].float()
        if linear.bias is not None:
            layer.bias.data = linear.bias.detach().clone()
        lost = torch.linalg.norm(layer.product() - linear.weight) / torch.linalg.norm(linear.weight).clamp(min=1e-30)
        return layer, float(lost)

    def empty(self, linear: nn.Linear, size: int, name: str) -> MpoLinear:
        return MpoLinear(even_sites(linear.in_features, linear.out_features), size, linear.bias is not None)


METHOD = PlainMpo()
