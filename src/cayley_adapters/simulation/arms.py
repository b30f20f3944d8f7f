"""What runs the blocks of one arm of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import AerExecutor, ExactExecutor, Executor, NoisyExecutor, characterised
from cayley_adapters.simulation.measurement import mitigation_for

__all__ = ["make_executor"]


def make_executor(
    arm: Mapping[str, Any],
    blocks: Mapping[str, Any],
    circuits: Mapping[str, BlockCircuits],
    noise: Mapping[str, Any],
    seed: int | Sequence[int],
) -> Executor:
    """Make the executor of one arm.

    Args:
        arm: ``executor`` (``exact``, ``noisy`` or ``aer``), ``readout``, ``noise_scale``, ``shots`` and ``mitigation``;
            of an exact arm only the first two are read; a ``source`` that is not None is the only one of errors.
        blocks: projection → trained blocks ``(B, d, d)``, float64.
        circuits: projection → synthesised blocks; blocks without any are run on an ideal device.
        noise: the ``noise`` group of the configuration.
        seed: of the shots.
    """
    if arm["executor"] == "exact":
        return ExactExecutor({name: q.float() for name, q in blocks.items()}, arm["readout"])
    # The same seed for every noise scale: neighbouring cells differ by noise and not by luck.
    options: dict[str, Any] = {"shots": arm["shots"], "seed": np.random.SeedSequence(seed)}
    device = DeviceNoise.from_backend(scale=arm["noise_scale"], **noise)
    if arm.get("source"):
        device = device.only(arm["source"])
    undo = {name: mitigation_for(arm["mitigation"], item, device) for name, item in circuits.items()}
    if arm["readout"] == "ideal_sign":
        options["ideal"] = {name: q.float() for name, q in blocks.items()}
    if arm["executor"] == "aer":
        return AerExecutor(circuits, device, mitigation=undo, **options)
    # Blocks too large for circuits are run on an ideal device, the only one that the settings allow them.
    compiled = {
        name: compile_blocks(circuits[name], device) if name in circuits else q.numpy() for name, q in blocks.items()
    }
    executor = NoisyExecutor(compiled, mitigation=undo, **options)
    return characterised(executor, blocks, undo, **options) if arm["readout"] == "characterised" else executor
