"""Executors of what a processor measured, and of what our simulator says that it would measure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.qpu.prediction import predicted_on
from cayley_adapters.qpu.workload import Workload
from cayley_adapters.simulation.executors import ExactExecutor, Executor, NoisyExecutor
from cayley_adapters.simulation.measurement import maps_of
from cayley_adapters.simulation.mitigations import mitigation_for

__all__ = ["MeasuredExecutor", "executor_of", "frequencies", "measured_maps", "predicted"]


def predicted(workload: Workload, noise: DeviceNoise, ideal_preparation: bool = False) -> np.ndarray:
    """Return what unlimited shots give for each pair on its line, by the batched simulator.

    Args:
        workload: N pairs.
        noise: The processor's; its layout is replaced by the workload's lines.
        ideal_preparation: Whether slices are prepared without noise.

    Returns:
        Probabilities (N, d), float64.
    """
    out = np.empty(workload.slices.shape)
    for _, pairs in workload.parts():
        out[pairs] = predicted_on(
            workload.lines, workload.slices[pairs], workload.circuits, workload.blocks[pairs], noise, ideal_preparation
        )
    return out


def frequencies(workload: Workload, counts: np.ndarray, kind: str, noise: DeviceNoise) -> np.ndarray:
    """Return relative frequencies (N, d) of counts (N, d) of any number of shots, mitigated.

    Args:
        workload: N pairs.
        counts: What was counted.
        kind: ``none``, ``readout`` or ``readout+depolarizing``.
        noise: The calibration that mitigation trusts; its layout is replaced by the workload's lines.
    """
    p = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for _, pairs in workload.parts():
        circuits = workload.circuits[workload.blocks[pairs]]
        if undo := mitigation_for(kind, circuits, replace(noise, layout=workload.lines)):
            p[pairs] = undo(p[None, pairs])[0]
    return p


class MeasuredExecutor(NoisyExecutor):
    """The paper's readout of frequencies that were measured for one text: y_k = sign(x_k)·‖x‖·√p_k.

    Args:
        blocks: Projection → trained blocks (B, d, d).
        measured: (T, B, d) of the first T positions; later ones, which are not scored, are run exactly.
    """

    def __init__(self, blocks: dict[str, torch.Tensor], measured: np.ndarray) -> None:
        super().__init__({name: q.numpy() for name, q in blocks.items()})
        self._measured = measured

    def probabilities(self, key: str, slices: np.ndarray) -> np.ndarray:
        """Return what was measured."""
        p = super().probabilities(key, slices)
        p[: len(self._measured)] = self._measured[: len(p)]
        return p


def measured_maps(workload: Workload, p: np.ndarray, blocks: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the maps (B, d, d) of each projection that were measured once.

    Args:
        workload: Of mode characterise.
        p: Frequencies (N, d) of its pairs.
        blocks: Projection → trained blocks (B, d, d), from which the rows' signs are taken.
    """
    trained = np.concatenate([blocks[name].numpy() for name in workload.projections])
    maps = maps_of(workload.arrange(p), trained)
    ends = np.cumsum(list(workload.projections.values()))[:-1]
    parts = dict(zip(workload.projections, np.split(maps, ends), strict=True))
    return {name: torch.from_numpy(part).float() for name, part in parts.items()}


def executor_of(workload: Workload, p: np.ndarray, blocks: dict[str, torch.Tensor]) -> Executor:
    """Return what runs a model's blocks with measured frequencies.

    Args:
        workload: What was measured.
        p: Frequencies (N, d) of its pairs.
        blocks: Projection → trained blocks (B, d, d).
    """
    if workload.mode == "characterise":
        return ExactExecutor(measured_maps(workload, p, blocks), "signed")
    return MeasuredExecutor(blocks, workload.arrange(p))
