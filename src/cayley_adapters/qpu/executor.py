"""Blocks run on a processor, or its simulation, while a model is at work: each call is a workload of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.qpu.execution import frequencies, predicted
from cayley_adapters.qpu.workload import Workload, per_token_workload
from cayley_adapters.simulation.executors import NoisyExecutor
from cayley_adapters.simulation.measurement import sample

__all__ = ["QpuExecutor", "Runner", "simulation"]

Runner = Callable[[Workload], np.ndarray]
"""Takes a workload to its counts (N, d)."""


class QpuExecutor(NoisyExecutor):
    """The paper's readout, y_k = sign(x_k)·‖x‖·√p_k, of circuits that are run when they are needed.

    Args:
        blocks: Projection → trained blocks (B, d, d).
        circuits: Projection → their circuits.
        lines: Lines of qubits that run at once.
        noise: The processor's, which mitigation trusts.
        mitigation: ``none``, ``readout`` or ``readout+depolarizing``.
        run: What runs a workload.

    Example:
        >>> import torch
        >>> from cayley_adapters.qpu.executor import simulation
        >>> blocks = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]], dtype=torch.float64)
        >>> noise, circuits = DeviceNoise.from_backend("FakeFez"), synthesise(blocks.numpy())
        >>> runner = simulation(noise, shots=8192, seed=0)
        >>> run = QpuExecutor({"o_proj": blocks}, {"o_proj": circuits}, [[42]], noise, "none", runner)
        >>> run("o_proj", torch.tensor([[0.6, 0.8]])).round(decimals=1)
        tensor([[0.8000, 0.6000]])
    """

    def __init__(
        self,
        blocks: Mapping[str, torch.Tensor],
        circuits: Mapping[str, BlockCircuits],
        lines: Sequence[Sequence[int]],
        noise: DeviceNoise,
        mitigation: str,
        run: Runner,
    ) -> None:
        super().__init__({name: q.numpy() for name, q in blocks.items()})
        self._circuits, self._lines, self._noise = circuits, lines, noise
        self._kind, self._run = mitigation, run

    def probabilities(self, key: str, slices: np.ndarray) -> np.ndarray:
        """Return what is measured for slices (T, B, d) of a projection."""
        workload = per_token_workload(key, self._circuits[key], slices, self._lines, self._noise.name)
        counts = self._run(workload)
        return workload.arrange(frequencies(workload, counts, self._kind, self._noise)).astype(slices.dtype)


def simulation(noise: DeviceNoise, shots: int, seed: int) -> Runner:
    """Return what runs workloads in the batched simulator; the same seed gives the same counts."""
    generator = np.random.default_rng(seed)
    return lambda workload: np.rint(sample(predicted(workload, noise), shots, generator) * shots)
