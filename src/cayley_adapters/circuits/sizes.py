"""Sizes of blocks: how many a projection has, and on how many qubits one is run."""

from __future__ import annotations

__all__ = [
    "LARGE_BLOCK",
    "WHOLE",
    "block_count",
    "dimension_of",
    "largest_block",
    "qubits_that_hold",
    "runs_as_circuit",
]

WHOLE = "input"
"""The size that is no number: one block for the whole input of each projection."""

LARGEST_NOISY_BLOCK = 16
"""Block dimensions above this are not run as noisy circuits."""

LARGE_BLOCK = 64
"""Above this dimension blocks are multiplied by a library, as fast as weights are."""


def dimension_of(block_dim: int | str, inputs: int) -> int:
    """The dimension d of a projection's blocks: a given number, or all of its inputs.

    Example:
        >>> dimension_of(4, 576), dimension_of("input", 576)
        (4, 576)
    """
    return inputs if block_dim == WHOLE else int(block_dim)


def block_count(inputs: int, d: int) -> int:
    """Blocks of dimension d on a projection: the last slice is filled up with zeros where d does not divide the inputs.

    Example:
        >>> block_count(576, 4), block_count(576, 512)
        (144, 2)
    """
    return -(-inputs // d)


def largest_block(block_dim: int | str, inputs: list[int]) -> int:
    """The largest d among projections with so many inputs: what tables call the block dimension of ``input``."""
    return max(dimension_of(block_dim, width) for width in inputs)


def qubits_that_hold(d: int) -> int:
    """The fewest qubits n whose 2ⁿ states hold a slice of d numbers.

    Example:
        >>> qubits_that_hold(4), qubits_that_hold(576)
        (2, 10)
    """
    return (d - 1).bit_length()


def runs_as_circuit(block_dim: int | str) -> bool:
    """Whether blocks of this size are run as noisy circuits: powers of two up to :data:`LARGEST_NOISY_BLOCK`."""
    return isinstance(block_dim, int) and block_dim <= LARGEST_NOISY_BLOCK and block_dim & (block_dim - 1) == 0
