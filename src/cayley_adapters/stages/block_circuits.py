"""Circuits of blocks, trained or not, as a configuration asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.ansatz import ANSATZES, full
from cayley_adapters.circuits.gates import circuit_summary
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.circuits.synthesis import lengthened
from cayley_adapters.core.registry import load
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.trained_circuits import circuits_of, synthesis_named
from cayley_adapters.stages.common import device_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["identity_circuits", "qiskit_gates", "synthesis_of"]


def identity_circuits(
    thetas: Mapping[str, torch.Tensor], config: CayleyConfig, settings: Settings
) -> dict[str, BlockCircuits]:
    """Circuits of identity blocks, with the gates that trained blocks have, by projection.

    Of ``noise_aware`` synthesis, which would leave all gates of an identity out, they are the exact ones.

    Args:
        thetas: projection → parameters, all 0.
        config: of the blocks.
        settings: a job's.
    """
    synthesis = SYNTHESES[settings.transpile.synthesis]
    if not synthesis.circuits or not config.runs_as_circuit:
        return {}
    count = qiskit_gates(config, settings.transpile.compared_blocks) if synthesis.compared else 0
    found = {}
    for name, theta in thetas.items():
        exact = circuits_of(theta.double(), config, load(SYNTHESES["exact"].synthesis_builder))
        found[name] = lengthened(exact, count) if count else exact
    return found


def qiskit_gates(config: CayleyConfig, compared: int) -> int:
    """CZ gates that Qiskit's synthesis leaves for a block, less those of our preparation; 0 where it has none longer.

    Every block but special ones, such as the identity, needs as many; the mean over a few random blocks is taken, each
    of which takes Qiskit a tenth of a second and more.
    """
    from cayley_adapters.circuits.qiskit import qiskit_circuit

    d = config.dimension
    if d < 4 or ANSATZES[config.ansatz].circuits_builder or not compared:
        return 0
    rng, exact = np.random.default_rng(0), full(qubits_that_hold(d))
    blocks = cayley(torch.from_numpy(rng.normal(size=(compared, d * (d - 1) // 2)))).numpy()
    mean = np.mean([qiskit_circuit(q, rng.normal(size=d)).count_ops().get("cz", 0) for q in blocks])
    return round(float(mean)) - circuit_summary(exact).cz + len(exact.couplers)


def synthesis_of(settings: Settings, qubits: int) -> Callable[[np.ndarray], BlockCircuits]:
    """What turns blocks of so many qubits into circuits, as configured."""

    def device() -> DeviceNoise:
        return device_noise(settings.noise, settings.transpile.noise_scale)

    return synthesis_named(settings.transpile.synthesis, device, qubits)
