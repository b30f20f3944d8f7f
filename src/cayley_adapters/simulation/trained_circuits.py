"""The circuits of trained blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.adapters.cayley.layer import blocks_of
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.registry import load

if TYPE_CHECKING:
    import torch

    from cayley_adapters.adapters.cayley.config import CayleyConfig
    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["circuits_of", "synthesis_named"]


def synthesis_named(name: str, device: Callable[[], DeviceNoise], qubits: int) -> Callable[[np.ndarray], BlockCircuits]:
    """What turns blocks of so many qubits into circuits; a processor takes exact ones where the map has none.

    Args:
        name: one of :data:`cayley_adapters.circuits.syntheses.SYNTHESES`.
        device: gives that whose noise, as it is known, circuits are made for; asked only where they are ``directed``.
        qubits: of a block.
    """
    synthesis = SYNTHESES[name]
    make: Callable[..., BlockCircuits] = load(synthesis.synthesis_builder)
    return partial(make, line=device().as_known(qubits).line(qubits)) if synthesis.directed else make


def circuits_of(
    theta: torch.Tensor, config: CayleyConfig, synthesise: Callable[[np.ndarray], BlockCircuits]
) -> BlockCircuits:
    """The circuits of a projection's blocks.

    Raises:
        CayleyError: They are no rotations.
    """
    if ANSATZES[config.ansatz].circuit_of is None:
        raise CayleyError(f"no circuit applies blocks of ansatz {config.ansatz}; train with train.ansatz=full")
    if closed := ANSATZES[config.ansatz].circuits_builder:
        # Products of two-qubit rotations are short already: there is nothing to search for, and nothing to leave out.
        rotations = cayley(theta).numpy()
        made: BlockCircuits = load(closed)(rotations, qubits_that_hold(config.dimension), config.brickwork_depth)
        return made
    # Blocks that training never turned are all the same, and one search does for them.
    q, places = np.unique(blocks_of(theta, config).numpy(), axis=0, return_inverse=True)
    return synthesise(q)[places]
