"""Linear maps stored as matrix product operators of two sites.

Outputs and inputs are split into two factors each, out = o₁ o₂ and in = i₁ i₂, and W[(o₁ o₂), (i₁ i₂)] = Σ_c A[o₁, i₁,
c] B[c, o₂, i₂] with a bond of dimension c ≤ χ (arXiv:2401.14109). Rearranged as a matrix R[(o₁ i₁), (o₂ i₂)], W is any
matrix of rank χ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.factored import CompressedLinear, factored_parameters, factored_rank

__all__ = ["MpoLinear", "PivotedMpoLinear", "Sites", "even_sites", "largest_bond", "stored"]


@dataclass(frozen=True)
class Sites:
    """How indices are split between two sites.

    Attributes:
        o1, o2: factors of the outputs, the slower index first.
        i1, i2: factors of the inputs.
    """

    o1: int
    o2: int
    i1: int
    i2: int

    @property
    def first(self) -> int:
        """Numbers of the first core, for each unit of the bond."""
        return self.o1 * self.i1

    @property
    def second(self) -> int:
        """Numbers of the second core, for each unit of the bond."""
        return self.o2 * self.i2

    def split(self, weight: torch.Tensor) -> torch.Tensor:
        """W ``(out, in)`` → R ``(o1 i1, o2 i2)``, whose singular values are those across the bond."""
        return weight.reshape(self.o1, self.o2, self.i1, self.i2).transpose(1, 2).reshape(self.first, self.second)

    def join(self, rearranged: torch.Tensor) -> torch.Tensor:
        """R ``(o1 i1, o2 i2)`` → W ``(out, in)``."""
        parts = rearranged.reshape(self.o1, self.i1, self.o2, self.i2).transpose(1, 2)
        return parts.reshape(self.o1 * self.o2, self.i1 * self.i2)


def even_sites(inputs: int, outputs: int) -> Sites:
    """Factors as equal as they come, the larger one first.

    Example:
        >>> even_sites(576, 1536)
        Sites(o1=48, o2=32, i1=24, i2=24)
    """

    def halves(features: int) -> tuple[int, int]:
        small = next(k for k in range(math.isqrt(features), 0, -1) if features % k == 0)
        return features // small, small

    return Sites(*halves(outputs), *halves(inputs))


class MpoLinear(CompressedLinear):
    """A linear map as a matrix product operator of two sites, in as many numbers as its two cores have.

    Args:
        sites: how its indices are split.
        bond: χ.
        bias: whether there is one.
    """

    def __init__(self, sites: Sites, bond: int, bias: bool = False) -> None:
        super().__init__(sites.i1 * sites.i2, sites.o1 * sites.o2, bias)
        self.sites, self.bond = sites, bond
        self._store()

    def _store(self) -> None:
        self.first = nn.Parameter(torch.zeros(self.sites.o1, self.sites.i1, self.bond))
        self.second = nn.Parameter(torch.zeros(self.bond, self.sites.o2, self.sites.i2))

    def cores(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A ``(o1, i1, χ)`` and B ``(χ, o2, i2)``."""
        return self.first, self.second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s, tokens = self.sites, x.numel() // self.in_features
        site_by_site = tokens * s.i1 * self.bond * s.o2 * (s.i2 + s.o1)
        if site_by_site > s.first * self.bond * s.second + tokens * self.in_features * self.out_features:
            return nn.functional.linear(x, self.product(), self.bias)  # many tokens: the product once is less work
        first, second = self.cores()
        inner = torch.einsum("nab,cpb->nacp", x.reshape(-1, s.i1, s.i2), second)
        y = torch.einsum("nacp,oac->nop", inner, first).reshape(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def product(self) -> torch.Tensor:
        """The dense ``(out, in)`` matrix."""
        first, second = self.cores()
        return self.sites.join(first.flatten(0, 1) @ second.flatten(1))

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bond={self.bond}, {self.sites}"


class PivotedMpoLinear(MpoLinear):
    """The same, in no more numbers than a rearranged matrix of rank χ has.

    A and B are as good as A M and M⁻¹ B for any invertible M ``(χ, χ)``, so that χ rows of A can be made those of the
    identity and need not be stored: χ(o₁i₁ + o₂i₂ − χ) numbers remain, as in :class:`.FactoredLinear`.
    """

    order: torch.Tensor

    def _store(self) -> None:
        self.rest = nn.Parameter(torch.zeros(self.sites.first - self.bond, self.bond))
        self.second = nn.Parameter(torch.zeros(self.bond, self.sites.o2, self.sites.i2))
        self.register_buffer("order", torch.arange(self.sites.first, dtype=torch.int32))

    @classmethod
    def from_cores(
        cls, sites: Sites, first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None = None
    ) -> PivotedMpoLinear:
        """Store the operator with two cores.

        Args:
            sites: how indices are split.
            first: A ``(o1 i1, χ)``, of full column rank, float64.
            second: B ``(χ, o2 i2)``, float64.
            bias: ``(out)`` or None.
        """
        bond = first.shape[1]
        permutation, lower, upper = torch.linalg.lu(first)  # A = P L U, L unit lower trapezoidal
        top = lower[:bond]
        layer = cls(sites, bond, bias is not None)
        layer.second.data = (top @ (upper @ second)).float().reshape(bond, sites.o2, sites.i2)
        rest = torch.linalg.solve_triangular(top, lower[bond:], upper=False, left=False, unitriangular=True)
        layer.rest.data = rest.float()
        layer.order = torch.argsort(permutation.argmax(dim=0)).int()
        if bias is not None:
            layer.bias.data = bias.detach().clone()
        return layer

    def cores(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A ``(o1, i1, χ)`` and B ``(χ, o2, i2)``."""
        identity = torch.eye(self.bond, dtype=self.rest.dtype, device=self.rest.device)
        first = torch.cat([identity, self.rest]).index_select(0, self.order)
        return first.view(self.sites.o1, self.sites.i1, self.bond), self.second


def largest_bond(sites: Sites, parameters: float, *, pivoted: bool) -> int:
    """The largest bond dimension that is stored in at most so many numbers.

    Raises:
        CayleyError: not even 1 is.
    """
    total, dense = sites.first + sites.second, sites.first * sites.second
    smallest = total - 1 if pivoted else total
    if parameters < smallest * (1 - 1e-12):
        raise CayleyError(
            f"{parameters:.0f} parameters leave no bond for a {sites.o1 * sites.o2}×{sites.i1 * sites.i2} projection; "
            f"compress by at most {1 - smallest / dense:.4f}"
        )
    if pivoted:
        return factored_rank(sites.first, sites.second, parameters)
    return min(math.floor(parameters / total + 1e-9), sites.first, sites.second)


def stored(sites: Sites, bond: int, *, pivoted: bool) -> int:
    """Numbers stored at a bond dimension, the bias and the order of a core's rows left out."""
    total = sites.first + sites.second
    return factored_parameters(sites.first, sites.second, bond) if pivoted else bond * total
