"""A larger ridge where the asked one is too small for the arithmetic.

Calibration inputs that depend on one another – fewer tokens than features, one text again and again, features that
never change – have a singular Gram matrix, and rounding decides whether it can be factored. A ridge is white noise
added to the inputs, and a large enough one always helps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say

__all__ = ["LEAST_RIDGE", "with_ridge"]

T = TypeVar("T")

LEAST_RIDGE = 1e-9
"""Inputs that never occur have no second moments to whiten with; this is enough, and too little to be seen."""

LARGER = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)
"""Ridges that are tried in place of one that is too small."""


def with_ridge(factor: Callable[[float], T], ridge: float, weight: torch.Tensor) -> T:
    """Factor with a ridge, and with larger ones as long as that fails; a larger one is said.

    Args:
        factor: what factors, given a ridge relative to the inputs' mean power.
        ridge: to start with.
        weight: of the projection, ``(out, in)``, whose shape is said.

    Raises:
        CayleyError: no ridge helps.
    """
    name = f"a projection of {weight.shape[1]} inputs and {weight.shape[0]} outputs"
    for raised in (ridge, *(larger for larger in LARGER if larger > ridge)):
        try:
            found = factor(raised)
        except torch.linalg.LinAlgError:
            continue
        if raised > ridge:
            say(
                f"warning: {name}: its calibration inputs depend on one another, so that a ridge of {ridge:g} leaves "
                f"nothing to factor; {raised:g} was taken. More calibration text would help (data.calibration_windows)"
            )
        return found
    raise CayleyError(
        f"{name}: its calibration inputs cannot be factored, even with a ridge of {max(ridge, *LARGER):g}; give more "
        "and other calibration text (data.calibration_windows), or type compress.method=svd, which takes none"
    )
