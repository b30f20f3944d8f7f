"""What a packed circuit should measure: the batched simulator for the same items on the same lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.simulator import noisy_probabilities

if TYPE_CHECKING:
    from cayley_adapters.block_circuits import BlockCircuits
    from cayley_adapters.noise import DeviceNoise
    from cayley_adapters.qpu.template import PackedTemplate

__all__ = ["predicted"]

_ITEMS = 1 << 16  # items whose blocks are compiled at once, which bounds the memory of their effects


def predicted(
    template: PackedTemplate, slices: np.ndarray, circuits: BlockCircuits, blocks: np.ndarray, noise: DeviceNoise
) -> np.ndarray:
    """Return the probabilities of each item's outcomes on its line.

    Args:
        template: The packed circuit, whose lines items are dealt over in turn.
        slices: (N, d).
        circuits: Synthesised blocks.
        blocks: (N,) which of them each slice goes through.
        noise: The device; its own layout is not used.

    Returns:
        (N, d), of the slices' precision.
    """
    noise = replace(noise, layout=template.lines)
    step = max(1, _ITEMS // len(template.lines)) * len(template.lines)
    parts = [
        noisy_probabilities(circuits[blocks[start : start + step]], slices[None, start : start + step], noise)[0]
        for start in range(0, max(len(slices), 1), step)
    ]
    return np.concatenate(parts)
