"""Types of block dimensions: numbers, and the whole input of a projection."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from cayley_adapters.circuits.sizes import WHOLE
from cayley_adapters.settings.fields import as_whole, axis

__all__ = ["LARGEST_BLOCK", "BlockDim", "BlockDims", "Dimension", "block_size"]

LARGEST_BLOCK = 65_536


def _block_dim(value: Any) -> int | str:
    return (
        WHOLE if value == WHOLE else _block_number(value, f", or {WHOLE} for one block of all inputs of a projection")
    )


def _block_number(value: Any, other: str = "") -> int:
    whole = as_whole(value)
    if whole is None or not 2 <= whole <= LARGEST_BLOCK:
        raise ValueError(f"must be a whole number between 2 and {LARGEST_BLOCK}{other}")
    return whole


def block_size(d: int | str) -> float:
    """What block dimensions are sorted by; ``input`` is the largest."""
    return math.inf if d == WHOLE else float(d)


Dimension = Annotated[int, BeforeValidator(_block_number)]
"""A block dimension d that is a number."""

BlockDim = Annotated[int | Literal["input"], BeforeValidator(_block_dim)]
"""A block dimension d, or the text ``input``: one block for each projection's whole input."""

BlockDims = Annotated[tuple[BlockDim, ...], axis(order=block_size)]
"""Block dimensions, ``input`` last."""
