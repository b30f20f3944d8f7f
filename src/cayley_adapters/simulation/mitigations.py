"""The mitigations: what may be undone in measured frequencies, by what is known or measured of the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cayley_adapters.core.registry import Entry, Registry, load

if TYPE_CHECKING:
    import numpy as np

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["MITIGATIONS", "MitigationKind", "Undo", "circuits_spent", "mitigation_for", "mitigations_for"]

Undo = Callable[["np.ndarray"], "np.ndarray"]
"""Measured probabilities (T, B, d) of a projection's blocks to mitigated ones."""


@dataclass(frozen=True, kw_only=True)
class MitigationKind(Entry):
    """A mitigation.

    Attributes:
        mitigation_builder: ``(circuits, noise)`` → :data:`Undo`, for blocks on a device that is not ideal; None
            undoes nothing.
        undoes: whether it undoes anything.
        measures: whether it runs circuits of its own instead of knowing what is to be undone.
        measured_builder: ``(circuits by projection, noise, shots, generator)`` → projection → :data:`Undo`, of one that
            measures.
        counted: ``(circuits by projection, lines)`` → how many circuits those are.
    """

    mitigation_builder: str | None = None
    undoes: bool = True
    measures: bool = False
    measured_builder: str | None = None
    counted: str | None = None


MITIGATIONS = Registry(
    "mitigation",
    [
        MitigationKind(name="none", title="none", sentence="nothing", undoes=False),
        MitigationKind(
            name="readout",
            title="readout",
            sentence="each qubit's readout flips",
            mitigation_builder="cayley_adapters.simulation.measurement:readout_undone",
        ),
        MitigationKind(
            name="readout+depolarizing",
            title="readout and background",
            sentence="each qubit's readout flips, and the uniform background that gate errors leave",
            mitigation_builder="cayley_adapters.simulation.measurement:background_undone",
        ),
        MitigationKind(
            name="measured",
            title="readout and background, measured",
            sentence="both, as circuits with known answers show them instead of the calibration",
            measures=True,
            measured_builder="cayley_adapters.simulation.known_answers:measured",
            counted="cayley_adapters.simulation.known_answers:circuits_of_mitigation",
        ),
    ],
)
"""Name → mitigation."""


def mitigation_for(kind: str, circuits: BlockCircuits, noise: DeviceNoise) -> Undo | None:
    """Return what undoes errors of blocks on a device, None where there is nothing to undo.

    Args:
        kind: One of :data:`MITIGATIONS`.
        circuits: The blocks.
        noise: The device, of which mitigation knows what :meth:`DeviceNoise.as_known` says.

    Raises:
        CayleyError: If the kind is unknown.
    """
    found = MITIGATIONS[kind].mitigation_builder
    if found is None or noise.scale == 0:
        return None
    undo: Undo = load(found)(circuits, noise.as_known(circuits.ansatz.qubits))
    return undo


def mitigations_for(
    kind: str, circuits: Mapping[str, BlockCircuits], noise: DeviceNoise, shots: float, seed: int | Sequence[int]
) -> dict[str, Undo | None]:
    """Return what undoes errors of each projection's blocks, measured once for all of them where it is measured.

    Args:
        kind: One of :data:`MITIGATIONS`.
        circuits: Projection → blocks.
        noise: The device.
        shots: Measurements of each circuit that the mitigation runs.
        seed: Of these; they are others than those of the blocks.

    Raises:
        CayleyError: If the kind is unknown.
    """
    measured = MITIGATIONS[kind].measured_builder
    if measured is None or noise.scale == 0 or not circuits:
        return {name: mitigation_for(kind, item, noise) for name, item in circuits.items()}
    import numpy as np

    found: dict[str, Undo | None] = load(measured)(
        circuits, noise, shots, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    )
    return found


def circuits_spent(kind: str, circuits: Mapping[str, BlockCircuits], noise: DeviceNoise) -> int:
    """Return how many circuits a mitigation runs on a device, beside those of the blocks."""
    counted = MITIGATIONS[kind].counted
    if counted is None or noise.scale == 0 or not circuits:
        return 0
    lines = noise.lines(next(iter(circuits.values())).ansatz.qubits)
    count: int = load(counted)(circuits, len(lines))
    return count
