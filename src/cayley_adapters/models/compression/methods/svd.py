"""Truncated singular value decomposition of the weights alone: the naive control."""

from __future__ import annotations

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.factored import FactoredLinear
from cayley_adapters.models.compression.methods.whitened_svd import WhitenedSvd

__all__ = ["METHOD"]


class Svd(WhitenedSvd):
    """See :class:`cayley_adapters.models.compression.methods.Method`; the size is the rank."""

    def fit(self, linear: nn.Linear, gram: torch.Tensor | None, size: int, ridge: float) -> tuple[nn.Module, float]:
        if not torch.isfinite(linear.weight).all():
            raise CayleyError("a projection has weights that are not finite; is the model whole?")
        u, s, vh = torch.linalg.svd(linear.weight.double(), full_matrices=False)
        layer = FactoredLinear.from_factors(u[:, :size], s[:size, None] * vh[:size], linear.bias)
        return layer, float(s[size:].norm() / s.norm().clamp(min=1e-300))


METHOD = Svd()
