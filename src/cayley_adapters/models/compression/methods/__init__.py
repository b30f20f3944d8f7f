"""The compression methods: one module each, found by its name.

A module defines ``METHOD``, an object with the attributes of :class:`Method`. Adding a method is adding a module here
and a file of the same name to ``conf/compress``.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Protocol

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["Method", "method_named", "method_names"]


class Method(Protocol):
    """How one projection is replaced by a smaller module.

    Attributes:
        calibrated: whether it needs the Gram matrix of calibration activations.
    """

    calibrated: bool

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
            gram: X Xᵀ of its inputs where in < out, else Y Yᵀ of its outputs without bias; None if not ``calibrated``.
            size: its size.
            ridge: white noise added to the inputs, relative to their mean power along W.

        Raises:
            CayleyError: a weight or an activation is not finite.
        """
        ...

    def empty(self, linear: nn.Linear, size: int) -> nn.Module:
        """The module that :meth:`fit` would make, with any numbers: they are loaded into it."""
        ...


def method_names() -> list[str]:
    """Names of all methods."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def method_named(name: str) -> Method:
    """The method of a name.

    Raises:
        CayleyError: there is none.
    """
    known = method_names()
    if name not in known:
        raise CayleyError(f"compression method {name!r} is unknown{nearest(name, known)}; known: {', '.join(known)}")
    method: Method = import_module(f"{__name__}.{name}").METHOD
    return method
