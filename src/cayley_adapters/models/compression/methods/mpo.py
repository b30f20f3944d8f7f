"""Matrix product operators (tensor-train matrices), as in CompactifAI (arXiv:2401.14109), by TensorLy.

Inputs and outputs are split into two factors each, in = i₁ i₂ and out = o₁ o₂ with factors as equal as they come, and
W[(o₁ o₂), (i₁ i₂)] = Σ_c A[o₁, i₁, c] B[c, o₂, i₂] with a bond of dimension c ≤ χ. Truncation is that of the singular
values across the bond, without calibration.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.factored import CompressedLinear

__all__ = ["METHOD", "MpoLinear"]


def _split(features: int) -> tuple[int, int]:
    """The two factors of a number that are closest to each other, the larger one first."""
    small = next(k for k in range(math.isqrt(features), 0, -1) if features % k == 0)
    return features // small, small


class MpoLinear(CompressedLinear):
    """A linear map as a matrix product operator of two sites.

    Args:
        in_features, out_features: as of :class:`torch.nn.Linear`.
        bond: χ.
        bias: whether there is one.
    """

    def __init__(self, in_features: int, out_features: int, bond: int, bias: bool = False) -> None:
        super().__init__(in_features, out_features, bias)
        self.bond = bond
        (o1, o2), (i1, i2) = _split(out_features), _split(in_features)
        self.first = nn.Parameter(torch.zeros(o1, i1, bond))
        self.second = nn.Parameter(torch.zeros(bond, o2, i2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (o1, i1, bond), (_, o2, i2) = self.first.shape, self.second.shape
        tokens = x.numel() // self.in_features
        site_by_site = tokens * i1 * bond * o2 * (i2 + o1)
        if site_by_site > o1 * i1 * bond * o2 * i2 + tokens * self.in_features * self.out_features:
            return nn.functional.linear(x, self.product(), self.bias)  # many tokens: the product once is less work
        parts = x.reshape(-1, i1, i2)
        inner = torch.einsum("nab,cpb->nacp", parts, self.second)
        y = torch.einsum("nacp,oac->nop", inner, self.first).reshape(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def product(self) -> torch.Tensor:
        """The dense ``(out, in)`` matrix."""
        return torch.einsum("oac,cpb->opab", self.first, self.second).reshape(self.out_features, self.in_features)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bond={self.bond}"


class Mpo:
    """See :class:`cayley_adapters.models.compression.methods.Method`; the size is the bond dimension."""

    def size(self, inputs: int, outputs: int, parameters: float) -> int:
        (o1, o2), (i1, i2) = _split(outputs), _split(inputs)
        bond = min(math.floor(parameters / (o1 * i1 + o2 * i2) + 1e-9), o1 * i1, o2 * i2)
        if bond < 1:
            raise CayleyError(
                f"{parameters:.0f} parameters leave no bond for a {outputs}×{inputs} projection; "
                f"compress by at most {1 - (o1 * i1 + o2 * i2) / (inputs * outputs):.4f}"
            )
        return bond

    def parameters(self, inputs: int, outputs: int, size: int) -> int:
        (o1, o2), (i1, i2) = _split(outputs), _split(inputs)
        return size * (o1 * i1 + o2 * i2)

    def fit(self, linear: nn.Linear, gram: torch.Tensor | None, size: int, ridge: float) -> tuple[nn.Module, float]:
        import tensorly
        from tensorly.decomposition import tensor_train_matrix

        if not torch.isfinite(linear.weight).all():
            raise CayleyError("a projection has weights that are not finite; is the model whole?")
        (o1, o2), (i1, i2) = _split(linear.out_features), _split(linear.in_features)
        with tensorly.backend_context("pytorch"):
            train = tensor_train_matrix(linear.weight.detach().double().reshape(o1, o2, i1, i2), rank=[1, size, 1])
        first, second = train.factors
        layer = self.empty(linear, size)
        layer.first.data, layer.second.data = first[0].float(), second[..., 0].float()
        if linear.bias is not None:
            layer.bias.data = linear.bias.detach().clone()
        lost = torch.linalg.norm(layer.product() - linear.weight) / torch.linalg.norm(linear.weight).clamp(min=1e-30)
        return layer, float(lost)

    def empty(self, linear: nn.Linear, size: int, name: str = "") -> MpoLinear:
        return MpoLinear(linear.in_features, linear.out_features, size, linear.bias is not None)


METHOD = Mpo()
