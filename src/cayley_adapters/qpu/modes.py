"""Both modes side by side: what each costs on the processor, and how far its answers are from the blocks' own.

The error of a mode is the root mean square of |y - Q x| / |x| over the slices of a text, with y what the mode gives. It
is found by the simulator on the processor's lines; a processor's own answers differ from it by shots and by whatever
the calibration does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.qpu.cost import Cost, Packing, preparations
from cayley_adapters.qpu.execution import measured_maps, predicted
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import Workload, characterise_workload, per_token_workload
from cayley_adapters.simulation.measurement import preparation_slices, sample

if TYPE_CHECKING:
    import torch

__all__ = ["MODE_COLUMNS", "mode_rows"]

MODE_COLUMNS = [
    *("mode", "projection", "blocks", "tokens", "pairs", "circuits", "executions", "shots", "error"),
    *("error_unlimited_shots", "error_ideal_preparation", "error_without_noise"),
]


def mode_rows(
    projection: str,
    blocks: Mapping[str, torch.Tensor],
    circuits: Mapping[str, BlockCircuits],
    slices: np.ndarray,
    lines: tuple[tuple[int, ...], ...],
    noise: DeviceNoise,
    sampling: Sampling,
) -> list[dict[str, Any]]:
    """Compare both modes on the slices of one projection.

    Args:
        projection: Its name.
        blocks: Projection → trained blocks (B, d, d).
        circuits: Projection → their circuits.
        slices: (T, B, d).
        lines: Lines of qubits that run at once.
        noise: The processor's.
        sampling: Shots.

    Returns:
        One row a mode: its circuits for these T tokens, and its error with so many shots, with unlimited shots, with
        these and an ideal preparation, and with these on an ideal processor, when only the readout is left.
    """
    q, mine = blocks[projection].numpy(), circuits[projection]
    tokens, count, d = slices.shape
    groups = [len(same) for _, same in mine.groups()]
    exact = np.einsum("bij,tbj->tbi", q, slices)
    norms = np.maximum(np.linalg.norm(slices, axis=-1, keepdims=True), 1e-30)
    used = np.linalg.norm(slices, axis=-1) > 0

    def error(y: np.ndarray) -> float:
        return float(np.sqrt(np.square((y - exact) / norms).sum(axis=-1)[used].mean()))

    def by_token(workload: Workload, p: np.ndarray) -> np.ndarray:
        return np.where(slices < 0, -1, 1) * norms * np.sqrt(workload.arrange(p))

    def by_maps(workload: Workload, p: np.ndarray) -> np.ndarray:
        maps = measured_maps(workload, p, dict(blocks))[projection].numpy()
        return np.einsum("bij,tbj->tbi", maps, slices)

    modes: list[tuple[Workload, Callable[[Workload, np.ndarray], np.ndarray], int | None, int]] = [
        (per_token_workload(projection, mine, slices, lines, noise.name), by_token, tokens, tokens),
        (
            characterise_workload({projection: mine}, preparation_slices(d), lines, noise.name),
            by_maps,
            None,
            preparations(d),
        ),
    ]
    rows = []
    for workload, answers, served, run in modes:
        limits = sampling.executions_per_circuit, sampling.executions_per_job, 0.0
        cost = Cost(groups, served, run, Packing("", len(lines), 0.0, 0.0), *limits)
        noisy = predicted(workload, noise)
        drawn = sample(noisy, sampling.executions_per_circuit, np.random.default_rng(0))
        rows.append(
            {
                "mode": workload.mode,
                "projection": projection,
                "blocks": count,
                "tokens": served,
                "pairs": cost.pairs,
                "circuits": cost.circuits,
                "executions": cost.executions,
                "shots": sampling.executions_per_circuit,
                "error": error(answers(workload, drawn)),
                "error_unlimited_shots": error(answers(workload, noisy)),
                "error_ideal_preparation": error(answers(workload, predicted(workload, noise, ideal_preparation=True))),
                "error_without_noise": error(answers(workload, predicted(workload, noise.scaled(0.0)))),
            }
        )
    return rows
