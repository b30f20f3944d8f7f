"""What runs the blocks of one arm of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.core.registry import load
from cayley_adapters.simulation.executors import ExactExecutor, Executor
from cayley_adapters.simulation.mitigations import mitigations_for
from cayley_adapters.simulation.simulators import SIMULATORS

__all__ = ["EXACT", "Arm", "make_executor"]


@dataclass(frozen=True)
class Arm:
    """One way of running a model's blocks.

    Attributes:
        executor: ``exact``, ``noisy`` or ``aer``; an exact one reads the readout alone.
        readout: how signs are had.
        noise_scale: λ.
        shots: a circuit; infinity is unlimited.
        mitigation: what is undone in measured frequencies.
        source: the only source of errors; all if None.
    """

    executor: str
    readout: str
    noise_scale: float = 0.0
    shots: float = math.inf
    mitigation: str = "none"
    source: str | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What tables say of it."""
        return {
            "noise_scale": self.noise_scale,
            "shots": self.shots,
            "readout": self.readout,
            "executor": self.executor,
            "mitigation": self.mitigation,
        }


EXACT = Arm("exact", "signed")
"""Exact arithmetic, with the signs of the result."""


def make_executor(
    arm: Arm,
    blocks: Mapping[str, Any],
    circuits: Mapping[str, BlockCircuits],
    device: DeviceNoise,
    seed: int | Sequence[int],
) -> Executor:
    """Make the executor of one arm.

    Args:
        arm: how blocks are run.
        blocks: projection → trained blocks ``(B, d, d)``, float64.
        circuits: projection → synthesised blocks; blocks without any are run on an ideal device.
        device: the device as calibrated.
        seed: of the shots.
    """
    if arm.executor == "exact":
        return ExactExecutor({name: q.float() for name, q in blocks.items()}, arm.readout)
    # The same seed for every noise scale: neighbouring cells differ by noise and not by luck.
    options: dict[str, Any] = {"shots": arm.shots, "seed": np.random.SeedSequence(seed)}
    device = replace(device, scale=arm.noise_scale, source=arm.source)
    undo = mitigations_for(arm.mitigation, circuits, device, arm.shots, seed)
    make = load(SIMULATORS[arm.executor].simulator_builder)(blocks, circuits, device)
    executor: Executor = load(str(READOUTS[arm.readout].readout_builder))(make, blocks, mitigation=undo, **options)
    return executor
