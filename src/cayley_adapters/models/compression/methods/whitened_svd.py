"""Truncated singular value decomposition, whitened by calibration activations.

With the Gram matrix G = X Xᵀ of a projection's inputs X (in, tokens), the W' of rank r that minimises ‖(W − W')X‖ is
U Uᵀ W, where U holds the leading eigenvectors of W G Wᵀ, the outputs' Gram matrix: truncated SVD of the whitened weight
W·L, G = L Lᵀ, as in SVD-LLM (arXiv:2403.07378).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.factored import FactoredLinear, factored_parameters, factored_rank
from cayley_adapters.models.compression.ridges import LEAST_RIDGE, with_ridge

__all__ = ["METHOD", "whitened_factors", "whitened_spectrum"]


def whitened_factors(
    weight: torch.Tensor, gram: torch.Tensor, rank: int, ridge: float
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Best rank-``rank`` factors of ``weight`` for its calibration data.

    Args:
        weight: W, ``(out, in)``.
        gram: over calibration tokens, X Xᵀ ``(in, in)`` of the inputs where in < out, else Y Yᵀ ``(out, out)`` of the
            outputs Y = WX: whichever is the smaller says all that is needed.
        rank: 1 … min(in, out).
        ridge: white noise added to the inputs, relative to their mean power along W, so that directions which
            calibration never excites keep a little weight.

    Returns:
        up ``(out, rank)``, down ``(rank, in)``, both float64, and the relative error ‖(W − W')X‖ / ‖WX‖.

    Raises:
        CayleyError: a weight or an activation is not finite, or no ridge lets the data be factored.
    """
    w, g = weight.detach().double(), gram.double()
    if not (torch.isfinite(w).all() and torch.isfinite(g).all()):
        raise CayleyError(
            "a projection has weights or calibration activations that are not finite; is the model whole?"
        )
    return with_ridge(partial(_factors, w, g, rank), ridge, w)


def _factors(w: torch.Tensor, g: torch.Tensor, rank: int, ridge: float) -> tuple[torch.Tensor, torch.Tensor, float]:
    """See :func:`whitened_factors`; all is float64."""
    of_inputs = w.shape[1] < w.shape[0]
    power = ((w @ g) * w).sum() if of_inputs else g.trace()  # ‖WX‖²
    noise = ridge * (power / w.square().sum() if power > 0 else 1.0)
    if of_inputs:
        # Right singular vectors of the whitened weight W·L, with L Lᵀ = G + noise, from its (in, in) Gram matrix.
        whitened = w @ torch.linalg.cholesky(g + noise * torch.eye(len(g), dtype=g.dtype))
        right = torch.linalg.eigh(whitened.T @ whitened).eigenvectors[:, -rank:]
        basis = torch.linalg.qr(whitened @ right).Q
    else:
        basis = torch.linalg.eigh(g + noise * w @ w.T).eigenvectors[:, -rank:]
    down = basis.T @ w
    kept = ((down @ g) * down).sum() if of_inputs else ((g @ basis) * basis).sum()  # ‖W'X‖²
    error = float(torch.sqrt(torch.clamp(1 - kept / power, min=0.0))) if power > 0 else 0.0
    return basis, down, error


def whitened_spectrum(weight: torch.Tensor, gram: torch.Tensor) -> np.ndarray:
    """Squared singular values of the whitened weight, descending: what each rank adds to ‖WX‖²."""
    w, g = weight.detach().double(), gram.double()
    return with_ridge(partial(_spectrum, w, g), LEAST_RIDGE, w)


def _spectrum(w: torch.Tensor, g: torch.Tensor, ridge: float) -> np.ndarray:
    """See :func:`whitened_spectrum`; all is float64."""
    if w.shape[1] < w.shape[0]:
        # The eigenvalues of L^T W^T W L for G = L L^T.
        noise = ridge * (float(g.diagonal().mean()) or 1.0)
        left = torch.linalg.cholesky(g + noise * torch.eye(len(g), dtype=g.dtype))
        g = left.T @ (w.T @ w) @ left
    spectrum: np.ndarray = np.maximum(torch.linalg.eigvalsh(g).flip(0).numpy(), 0)
    return spectrum


class WhitenedSvd:
    """See :class:`cayley_adapters.models.compression.methods.Method`; the size is the rank."""

    of_inputs = False
    size = staticmethod(factored_rank)
    parameters = staticmethod(factored_parameters)

    def fit(self, linear: nn.Linear, gram: torch.Tensor, size: int, ridge: float) -> tuple[nn.Module, float]:
        up, down, error = whitened_factors(linear.weight, gram, size, ridge)
        return FactoredLinear.from_factors(up, down, linear.bias), error

    def empty(self, linear: nn.Linear, size: int, name: str) -> FactoredLinear:
        return FactoredLinear(linear.in_features, linear.out_features, size, linear.bias is not None)


METHOD = WhitenedSvd()
