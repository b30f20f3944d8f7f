"""Circuits of blocks: ansatz, gates, preparation, synthesis and, in ``noise``, their errors."""

__all__ = ["LARGEST_NOISY_BLOCK"]

LARGEST_NOISY_BLOCK = 16
"""Block dimensions above this are not run as noisy circuits."""
