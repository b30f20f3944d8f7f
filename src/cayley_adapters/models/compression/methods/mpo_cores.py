"""The cores of a matrix product operator that change a projection's outputs least: min ‖(W − Ŵ)X‖ for inputs X.

With G = X Xᵀ the error is tr((W − Ŵ) G (W − Ŵ)ᵀ). G couples the two factors of the input index, so that no singular
value decomposition gives the optimum. If G were a Kronecker product G₁ ⊗ G₂, W (S₁ ⊗ S₂) with S Sᵀ = G₁, G₂ would still
be split between the sites: its truncated decomposition, taken back by S₁⁻¹ and S₂⁻¹, would be the optimum. So cores are
started with the Kronecker product nearest in likelihood (Dutilleul, J. Stat. Comput. Simul. 64, 105 (1999)), and then
each in turn solves its least-squares problem for the true G (alternating least squares; Holtz, Rohwedder and Schneider,
SIAM J. Sci. Comput. 34, A683 (2012)), by conjugate gradients, for which the same product is a preconditioner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from cayley_adapters.models.compression.methods.mpo_layers import Sites

__all__ = ["Whitening", "fitted_cores", "kronecker_factors", "rearranged_spectrum"]

Map = Callable[[torch.Tensor], torch.Tensor]

FLIP_FLOPS = 10
"""Turns in which the factors of the Kronecker product are found; they converge within five."""


def kronecker_factors(gram: torch.Tensor, sites: Sites) -> tuple[torch.Tensor, torch.Tensor]:
    """G₁ ``(i1, i1)`` and G₂ ``(i2, i2)`` whose Kronecker product is the likeliest covariance behind G.

    Args:
        gram: G, positive definite.
        sites: how inputs are split.
    """
    parts = gram.reshape(sites.i1, sites.i2, sites.i1, sites.i2)
    one = torch.eye(sites.i1, dtype=gram.dtype)
    for _ in range(FLIP_FLOPS if min(sites.i1, sites.i2) > 1 else 1):
        two = torch.einsum("abcd,ca->bd", parts, torch.linalg.inv(one)) / sites.i1
        one = torch.einsum("abcd,db->ac", parts, torch.linalg.inv(two)) / sites.i2
    return one, two


@dataclass(frozen=True)
class Whitening:
    """Coordinates of the inputs in which their second moments are nearly the identity, and sites are still apart.

    Attributes:
        sites: how indices are split.
        one, two: S₁ and S₂.
    """

    sites: Sites
    one: torch.Tensor
    two: torch.Tensor

    @classmethod
    def of(cls, gram: torch.Tensor, sites: Sites) -> Whitening:
        """For G, positive definite."""
        return cls(sites, *(torch.linalg.cholesky(factor) for factor in kronecker_factors(gram, sites)))

    def moments(self, gram: torch.Tensor) -> torch.Tensor:
        """(S₁ ⊗ S₂)⁻¹ G (S₁ ⊗ S₂)⁻ᵀ."""
        both = torch.kron(self.one, self.two)
        half = torch.linalg.solve_triangular(both, gram, upper=False)
        moments: torch.Tensor = torch.linalg.solve_triangular(both, half.T, upper=False)
        return moments

    def inwards(self, rearranged: torch.Tensor) -> torch.Tensor:
        """R of W → R of W (S₁ ⊗ S₂)."""
        s = self.sites
        parts = rearranged.reshape(s.o1, s.i1, s.o2, s.i2)
        return torch.einsum("oapb,ac,bd->ocpd", parts, self.one, self.two).reshape(s.first, s.second)

    def outwards(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cores of the whitened weight → cores of the weight."""
        s, bond = self.sites, first.shape[1]
        one = torch.einsum("oac,ab->obc", first.reshape(s.o1, s.i1, bond), torch.linalg.inv(self.one))
        two = torch.einsum("cpa,ab->cpb", second.reshape(bond, s.o2, s.i2), torch.linalg.inv(self.two))
        return one.reshape(s.first, bond), two.reshape(bond, s.second)


def rearranged_spectrum(weight: torch.Tensor, gram: torch.Tensor, sites: Sites) -> torch.Tensor:
    """Squared singular values across the bond of the whitened weight, descending."""
    r = Whitening.of(gram, sites).inwards(sites.split(weight))
    spectrum: torch.Tensor = torch.linalg.eigvalsh(r.T @ r if sites.second <= sites.first else r @ r.T)
    return spectrum.flip(0).clamp(min=0)


def fitted_cores(
    weight: torch.Tensor, gram: torch.Tensor, sites: Sites, bond: int, sweeps: int, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A ``(o1 i1, χ)`` and B ``(χ, o2 i2)`` of the operator nearest to W in the inputs' norm, float64.

    Args:
        weight: W ``(out, in)``, float64.
        gram: X Xᵀ ``(in, in)``, positive definite, float64.
        sites: how indices are split.
        bond: χ.
        sweeps: how often each core is solved for.
        steps: of conjugate gradients, each time.
    """
    white = Whitening.of(gram, sites)
    r = white.inwards(sites.split(weight))
    if sites.second <= sites.first:
        second = torch.linalg.eigh(r.T @ r).eigenvectors[:, -bond:].T
        first = r @ second.T
    else:
        first = torch.linalg.eigh(r @ r.T).eigenvectors[:, -bond:]
        second = first.T @ r
    if min(sites.i1, sites.i2) > 1:  # else G is a Kronecker product, and this is the optimum
        first, second = _swept(r, white.moments(gram).float(), sites, first, second, sweeps, steps)
    return white.outwards(first, second)


def _swept(
    r: torch.Tensor,
    gram: torch.Tensor,
    sites: Sites,
    first: torch.Tensor,
    second: torch.Tensor,
    sweeps: int,
    steps: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each core solved for in turn, the other one orthonormal: then the preconditioner is the identity."""

    def weighted(rearranged: torch.Tensor) -> torch.Tensor:
        return sites.split(sites.join(rearranged) @ gram)

    wanted = weighted(r.float())
    first, second = first.float(), second.float()
    for _ in range(sweeps):
        first, upper = torch.linalg.qr(first)
        second = _solved(lambda b: first.T @ weighted(first @ b), first.T @ wanted, upper @ second, steps)  # noqa: B023
        second, upper = (part.T for part in torch.linalg.qr(second.T))
        first = _solved(lambda a: weighted(a @ second) @ second.T, wanted @ second.T, first @ upper, steps)  # noqa: B023
    return first.double(), second.double()


def _solved(operator: Map, right: torch.Tensor, start: torch.Tensor, steps: int) -> torch.Tensor:
    """Conjugate gradients from a start: no step makes the squared error larger."""
    x, residual = start, right - operator(start)
    direction, size = residual, residual.square().sum()
    for _ in range(steps):
        if size == 0:
            break
        image = operator(direction)
        length = size / (direction * image).sum()
        x, residual = x + length * direction, residual - length * image
        before, size = size, residual.square().sum()
        direction = residual + size / before * direction
    return x
