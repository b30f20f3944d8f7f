"""Matrix product operators fitted to calibration activations: what those of CompactifAI (arXiv:2401.14109) can do.

The cores are those that change the projection's outputs least, and no number is stored twice. How indices are split
between two sites is free; the error of all splits tried was least where outputs stay whole and inputs are split so that
the rearranged matrix is as square as it can be. For projections with no more inputs than outputs they then stay whole
as well, and the operator is the truncated singular value decomposition of the whitened weight: one split among others.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods.mpo_cores import fitted_cores, rearranged_spectrum
from cayley_adapters.models.compression.methods.mpo_layers import (
    PivotedMpoLinear,
    Sites,
    largest_bond,
    stored,
)
from cayley_adapters.models.compression.ridges import LEAST_RIDGE, with_ridge

__all__ = ["METHOD", "bond_spectrum"]

SWEEPS, STEPS = 2, 4
"""Twice as many of both lower the error by less than a hundredth of itself."""


def sites_of(inputs: int, outputs: int) -> Sites:
    """How the indices of a projection are split.

    Example:
        >>> sites_of(1536, 576)
        Sites(o1=576, o2=1, i1=2, i2=768)
        >>> sites_of(576, 1536)
        Sites(o1=1536, o2=1, i1=1, i2=576)
    """
    groups = [count for count in range(1, math.isqrt(inputs) + 1) if inputs % count == 0]
    count = min(groups, key=lambda count: abs(math.log(outputs * count * count / inputs)))
    return Sites(outputs, 1, count, inputs // count)


def _noisy(weight: torch.Tensor, gram: torch.Tensor, ridge: float) -> torch.Tensor:
    """The inputs' second moments with white noise, relative to their mean power along W."""
    power = float(((weight @ gram) * weight).sum())
    noise = max(ridge, LEAST_RIDGE) * (power / float(weight.square().sum()) if power > 0 else 1.0)
    return gram + noise * torch.eye(len(gram), dtype=gram.dtype)


def bond_spectrum(weight: torch.Tensor, gram: torch.Tensor) -> np.ndarray:
    """Squared singular values across the bond of the whitened weight, descending."""
    w, g = weight.detach().double(), gram.double()
    sites = sites_of(w.shape[1], w.shape[0])

    def spectrum(ridge: float) -> np.ndarray:
        values: np.ndarray = rearranged_spectrum(w, _noisy(w, g, ridge), sites).numpy()
        return values

    return with_ridge(spectrum, LEAST_RIDGE, w)


class Mpo:
    """See :class:`cayley_adapters.models.compression.methods.Method`; the size is the bond dimension."""

    of_inputs = True

    def size(self, inputs: int, outputs: int, parameters: float) -> int:
        return largest_bond(sites_of(inputs, outputs), parameters, pivoted=True)

    def parameters(self, inputs: int, outputs: int, size: int) -> int:
        return stored(sites_of(inputs, outputs), size, pivoted=True)

    def fit(self, linear: nn.Linear, gram: torch.Tensor, size: int, ridge: float) -> tuple[nn.Module, float]:
        w, g = linear.weight.detach().double(), gram.double()
        if not (torch.isfinite(w).all() and torch.isfinite(g).all()):
            raise CayleyError(
                "a projection has weights or calibration activations that are not finite; is the model whole?"
            )
        sites = sites_of(linear.in_features, linear.out_features)
        first, second = with_ridge(
            lambda raised: fitted_cores(w, _noisy(w, g, raised), sites, size, SWEEPS, STEPS), ridge, w
        )
        layer = PivotedMpoLinear.from_cores(sites, first, second, linear.bias)
        lost, power = w - sites.join(first @ second), float(((w @ g) * w).sum())
        error = math.sqrt(max(float(((lost @ g) * lost).sum()) / power, 0.0)) if power > 0 else 0.0
        return layer, error

    def empty(self, linear: nn.Linear, size: int, name: str) -> PivotedMpoLinear:
        sites = sites_of(linear.in_features, linear.out_features)
        return PivotedMpoLinear(sites, size, linear.bias is not None)


METHOD = Mpo()
