"""What packed circuits should measure: the batched simulator for the same pairs on the same lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.simulation.compiled import compile_blocks, probabilities
from cayley_adapters.simulation.programs import preparation_of

if TYPE_CHECKING:
    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["predicted_on"]

_PAIRS = 1 << 16  # pairs whose blocks are compiled at once, which bounds the memory of their effects


def predicted_on(
    lines: Sequence[Sequence[int]],
    slices: np.ndarray,
    circuits: BlockCircuits,
    blocks: np.ndarray,
    noise: DeviceNoise,
    ideal_preparation: bool = False,
) -> np.ndarray:
    """Return the probabilities of each pair's outcomes on its line, without shots.

    Args:
        lines: k lines of qubits; pair i runs on line i % k.
        slices: (N, d).
        circuits: Synthesised blocks, all of one length.
        blocks: (N,) which of them each slice goes through.
        noise: The device; its own layout is not used.
        ideal_preparation: Whether slices are prepared without noise.

    Returns:
        (N, d) float64.
    """
    device = replace(noise, layout=tuple(tuple(line) for line in lines))
    step, parts = max(1, _PAIRS // len(lines)) * len(lines), []
    for start in range(0, max(len(slices), 1), step):
        chosen = circuits[blocks[start : start + step]]
        # The simulator deals blocks over lines as pairs are dealt: each pair counts as a block of its own.
        compiled = compile_blocks(chosen, device)
        if ideal_preparation:
            ideal = (preparation_of(chosen.ansatz, None),) * len(compiled.preparations)
            compiled = replace(compiled, preparations=ideal)
        parts.append(probabilities(compiled, slices[None, start : start + step].astype(np.float64))[0])
    return np.concatenate(parts)
