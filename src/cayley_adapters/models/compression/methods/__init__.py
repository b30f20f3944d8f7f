"""The compression methods, each with a module of its own, which is imported when the method is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cayley_adapters.core.registry import Entry, Registry, load

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["METHODS", "CompressionMethod", "Method", "method_named"]


class Method(Protocol):
    """How one projection is replaced by a smaller module.

    Attributes:
        of_inputs: whether the Gram matrix is to be that of the inputs for projections of every shape.
    """

    of_inputs: bool

    def size(self, inputs: int, outputs: int, parameters: float) -> int:
        """The largest size (rank, bond dimension) that stores at most so many numbers.

        Raises:
            CayleyError: there is none.
        """
        ...

    def parameters(self, inputs: int, outputs: int, size: int) -> int:
        """Numbers stored at a size."""
        ...

    def fit(self, linear: nn.Linear, gram: torch.Tensor | None, size: int, ridge: float) -> tuple[nn.Module, float]:
        """The smaller module, and the relative error ‖(W − W')X‖ / ‖WX‖.

        X are the calibration inputs, or white ones for a method that is not ``calibrated``: ‖W − W'‖ / ‖W‖.

        Args:
            linear: the projection.
            gram: X Xᵀ of its inputs where in < out or if ``of_inputs``, else Y Yᵀ of its outputs without
                bias; None if not ``calibrated``.
            size: its size.
            ridge: white noise added to the inputs, relative to their mean power along W.

        Raises:
            CayleyError: a weight or an activation is not finite.
        """
        ...

    def empty(self, linear: nn.Linear, size: int, name: str) -> nn.Module:
        """The module that :meth:`fit` would make of the projection ``name``, with any numbers: others are loaded."""
        ...


@dataclass(frozen=True, kw_only=True)
class CompressionMethod(Entry):
    """A compression method, as its users know it before it runs.

    Attributes:
        method_builder: its :class:`Method`.
        calibrated: whether it needs the Gram matrix of calibration activations.
        spectrum: for ``allocation=sensitivity``: ``(weight, gram)`` → what each further unit of size adds to ‖WX‖²;
            None where sizes cannot be dealt out so.
        shared: whether ``allocation=sensitivity`` can deal out its sizes.
        structured: whether it takes whole neurons and heads out of a layer, in place of a projection at a time.
    """

    method_builder: str
    calibrated: bool = False
    spectrum: str | None = None
    structured: bool = False
    shared: bool = False


COMPACTIFAI = {
    "compactifai": (
        "Tomut et al.: CompactifAI: Extreme Compression of Large Language Models using Quantum-Inspired Tensor "
        "Networks (2024)",
        "https://arxiv.org/abs/2401.14109",
    )
}

METHODS = Registry(
    "compression method",
    [
        CompressionMethod(
            name="mpo",
            title="matrix product operators",
            sentence="matrix product operators of two sites{compactifai}, their cores fitted to calibration "
            "activations by alternating least squares{als}, without retraining",
            method_builder="cayley_adapters.models.compression.methods.mpo:METHOD",
            calibrated=True,
            shared=True,
            spectrum="cayley_adapters.models.compression.methods.mpo:bond_spectrum",
            literature=COMPACTIFAI
            | {
                "als": (
                    "Holtz, Rohwedder and Schneider: The Alternating Linear Scheme for Tensor Optimization in the "
                    "Tensor Train Format (2012)",
                    "https://doi.org/10.1137/100818893",
                ),
            },
        ),
        CompressionMethod(
            name="mpo_plain",
            title="plain matrix product operators",
            sentence="matrix product operators of two sites{compactifai} of the weights alone, by TensorLy{tensorly}",
            method_builder="cayley_adapters.models.compression.methods.mpo_plain:METHOD",
            literature=COMPACTIFAI
            | {
                "tensorly": (
                    "Kossaifi et al.: TensorLy: Tensor Learning in Python (2016)",
                    "https://arxiv.org/abs/1610.09555",
                ),
            },
        ),
        CompressionMethod(
            name="svd",
            title="SVD",
            sentence="plain truncated singular value decomposition",
            method_builder="cayley_adapters.models.compression.methods.svd:METHOD",
        ),
        CompressionMethod(
            name="whitened_svd",
            title="whitened SVD",
            sentence="singular value decomposition, truncated after whitening by calibration activations{svd_llm}",
            method_builder="cayley_adapters.models.compression.methods.whitened_svd:METHOD",
            calibrated=True,
            shared=True,
            spectrum="cayley_adapters.models.compression.methods.whitened_svd:whitened_spectrum",
            literature={
                "svd_llm": (
                    "Wang et al.: SVD-LLM: Truncation-aware Singular Value Decomposition for Large Language Model "
                    "Compression (2024)",
                    "https://arxiv.org/abs/2403.07378",
                ),
            },
        ),
        CompressionMethod(
            name="width",
            title="width pruning",
            sentence="width pruning of MLP neurons and key–value groups by the optimal brain surgeon{obs}, the weights "
            "that read what stays solved again",
            method_builder="cayley_adapters.models.compression.methods.width:METHOD",
            calibrated=True,
            shared=True,
            structured=True,
            literature={
                "obs": (
                    "Hassibi and Stork: Second order derivatives for network pruning: Optimal Brain Surgeon (1992)",
                    "https://proceedings.neurips.cc/paper/1992/hash/303ed4c69846ab36c2904d3ba8573050-Abstract.html",
                ),
            },
        ),
    ],
)
"""Name → compression method."""


def method_named(name: str) -> Method:
    """What a method does.

    Raises:
        CayleyError: there is none of that name.
    """
    method: Method = load(METHODS[name].method_builder)
    return method
