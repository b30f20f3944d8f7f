"""Mitigation that measures what it undoes, on the device that is to be mitigated, by circuits with known answers.

Readout: all qubits of a line are prepared in 0, and then, by two SX each, in 1; how often each is read wrongly gives
its flips. The errors of the SX count as readout's.

Background: a block's own circuit runs the slice that the block turns into a basis state, Q^T e_k. Its answer is k with
certainty, and with the readout undone it comes with probability 1/d + f (1 - 1/d), where f is the share of runs that
no gate error hit. Gates and their order are those of any other slice; only angles of RZ, which has no noise, differ.
So whatever errors there are, coherent ones among them, count as they do in use, which the sum of calibrated errors
does not see. A line has one f, the mean over :data:`CIRCUITS` of its blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.simulation.compiled import noisy_probabilities
from cayley_adapters.simulation.measurement import Mitigation, inverse_confusion, sample
from cayley_adapters.simulation.programs import all_in_one, readout_effects

if TYPE_CHECKING:
    from cayley_adapters.circuits.ansatz import Ansatz
    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.calibration import Line
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["CIRCUITS", "circuits_of_mitigation", "measured"]

CIRCUITS = 8
"""Circuits with known answers that a line runs for each length of its blocks' circuits, beside the two of readout."""

LEAST = 1e-3
"""A smaller share of runs without errors is not told from this: nothing could be undone."""


def measured(
    circuits: Mapping[str, BlockCircuits], noise: DeviceNoise, shots: float, generator: np.random.Generator
) -> dict[str, Mitigation]:
    """Measure the readout flips and the background of each line, once for all projections.

    Args:
        circuits: Projection → its blocks, all of one number of qubits.
        noise: The device, with all that its calibration does not say.
        shots: Measurements of each circuit; ``inf`` for none of their noise.
        generator: Of the shots.

    Returns:
        Projection → what undoes both.
    """
    n = next(iter(circuits.values())).ansatz.qubits
    lines = noise.lines(n)
    inverse = [inverse_confusion(_confusion(line, shots, generator)) for line in lines]
    undo = {name: Mitigation(np.stack(inverse), np.ones(len(item))) for name, item in circuits.items()}
    for i, line in enumerate(lines):
        alone = replace(noise, layout=(line.indices,))
        for _, mine in _on_line(circuits, i, len(lines)):
            share = _share(circuits, mine, alone, inverse[i], shots, generator)
            for name, block in mine:
                undo[name].background[block] = share
    return undo


def circuits_of_mitigation(circuits: Mapping[str, BlockCircuits], lines: int) -> int:
    """Count the circuits that :func:`measured` runs on so many lines."""
    groups = [min(len(mine), CIRCUITS) for i in range(lines) for _, mine in _on_line(circuits, i, lines)]
    return sum(groups) + 2 * lines


def _on_line(
    circuits: Mapping[str, BlockCircuits], line: int, lines: int
) -> Iterator[tuple[Ansatz, list[tuple[str, int]]]]:
    """Yield each circuit that a line runs, and the blocks that have it: projection and index."""
    found: dict[Ansatz, list[tuple[str, int]]] = {}
    for name, item in circuits.items():
        for ansatz, blocks in item.groups():
            found.setdefault(ansatz, []).extend((name, int(b)) for b in blocks[blocks % lines == line])
    yield from ((ansatz, mine) for ansatz, mine in found.items() if mine)


def _share(
    circuits: Mapping[str, BlockCircuits],
    mine: list[tuple[str, int]],
    noise: DeviceNoise,
    inverse: np.ndarray,
    shots: float,
    generator: np.random.Generator,
) -> float:
    """Measure the share f of runs without gate errors on a line, with circuits of some of its blocks."""
    places = np.unique(np.linspace(0, len(mine) - 1, CIRCUITS).round().astype(int))
    right = []
    for turn, place in enumerate(places):
        name, block = mine[place]
        one = circuits[name][block : block + 1]
        answer = turn % len(inverse)
        p = noisy_probabilities(one, one.unitaries()[:, answer][None], noise)
        right.append((sample(p, shots, generator)[0, 0] @ inverse.T)[answer])
    d = len(inverse)
    return float(np.clip((np.mean(right) - 1 / d) / (1 - 1 / d), LEAST, 1))


def _confusion(line: Line, shots: float, generator: np.random.Generator) -> np.ndarray:
    """Measure p(read | true), (d, d), of a line's qubits from two preparations."""
    n, d = len(line.qubits), 2 ** len(line.qubits)
    states = np.stack([all_in_one(line, turns) for turns in (0, 2)])
    read = sample(states @ readout_effects(n, line).T, shots, generator)
    whole = np.ones((1, 1))
    for q in range(n):
        one = (np.arange(d) >> q) & 1 == 1
        up, down = read[0, one].sum(), read[1, ~one].sum()
        whole = np.kron(np.array([[1 - up, down], [up, 1 - down]]), whole)
    return whole
