"""The mitigations: what may be undone in measured frequencies, from the calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cayley_adapters.core.registry import Entry, Registry, load

if TYPE_CHECKING:
    import numpy as np

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["MITIGATIONS", "MitigationKind", "Undo", "mitigation_for"]

Undo = Callable[["np.ndarray"], "np.ndarray"]
"""Measured probabilities (T, B, d) of a projection's blocks to mitigated ones."""


@dataclass(frozen=True, kw_only=True)
class MitigationKind(Entry):
    """A mitigation.

    Attributes:
        mitigation_builder: ``(circuits, noise)`` → :data:`Undo`, for blocks on a device that is not ideal; None
            undoes nothing.
        undoes: whether it undoes anything.
    """

    mitigation_builder: str | None = None
    undoes: bool = True


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
    ],
)
"""Name → mitigation."""


def mitigation_for(kind: str, circuits: BlockCircuits, noise: DeviceNoise) -> Undo | None:
    """Return what undoes errors of blocks on a device, None where there is nothing to undo.

    Args:
        kind: One of :data:`MITIGATIONS`.
        circuits: The blocks.
        noise: The device.

    Raises:
        CayleyError: If the kind is unknown.
    """
    found = MITIGATIONS[kind].mitigation_builder
    if found is None or noise.scale == 0:
        return None
    undo: Undo = load(found)(circuits, noise)
    return undo
