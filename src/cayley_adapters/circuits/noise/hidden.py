"""What a device does that its calibration does not say: figures that have drifted, and errors that are coherent.

The device that runs and the calibration that is known are two objects. From the calibration lines of qubits are
chosen, blocks trained and mitigation made; the device runs with the figures that :meth:`Hidden.applied` makes of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from cayley_adapters.circuits.noise.calibration import Calibration

__all__ = ["NOTHING", "Hidden", "known_instead"]

_DRIFT, _SIGN = range(2)
"""What is drawn of a qubit or a coupler."""


@dataclass(frozen=True)
class Hidden:
    """What the calibration of a device does not know; false if that is nothing.

    Attributes:
        drift: Standard deviation of the logarithm of the factor that the figures of each qubit, and the CZ error of
            each coupler, have taken on since they were calibrated. Half of the factors are above 1.
        shared: By how much all figures have moved besides, as a share: 0.2 is a fifth more.
        coherent: Share of the average error of each SX and CZ that is over-rotation, about X and ZZ: 0 to 1, but no
            more than relaxation leaves. The average error stays what it is.
        seed: Of the factors, and of the signs of over-rotations, one of each qubit and coupler.
        twirled: Whether every SX and CZ stands between random Paulis, others in each shot, that leave the circuit what
            it is. Of an over-rotation only the average over them is left, a Pauli error of the same average error.

    Raises:
        CayleyError: A figure is out of range.

    Example:
        >>> hidden = Hidden(drift=0.2, seed=1)
        >>> hidden.factor(3) == hidden.factor(3), hidden.factor(3) == hidden.factor(3, 4), bool(Hidden())
        (True, False, False)
    """

    drift: float = 0.0
    shared: float = 0.0
    coherent: float = 0.0
    seed: int = 0
    twirled: bool = False

    def __post_init__(self) -> None:
        """Check all figures."""
        for name, value, low, high in (
            ("drift", self.drift, 0, 2),
            ("shared", self.shared, -0.99, 10),
            ("coherent", self.coherent, 0, 1),
        ):
            if not low <= value <= high:
                raise CayleyError(f"{name} = {value} is not allowed; give {low} to {high}")

    def __bool__(self) -> bool:
        return bool(self.drift or self.shared or self.coherent)

    @property
    def figures(self) -> tuple[float, float, float, int]:
        """All that is a device's own, in the order in which they are given."""
        return self.drift, self.shared, self.coherent, self.seed

    def factor(self, *qubits: int) -> float:
        """Return what the figures of a qubit, or the error of the coupler of two, are multiplied with."""
        return (1 + self.shared) * math.exp(self.drift * self._generator(_DRIFT, qubits).standard_normal())

    def share(self, *qubits: int) -> float:
        """Return the share of a gate's error that is over-rotation, negative where it rotates too little."""
        if not self.coherent:
            return 0.0
        return math.copysign(self.coherent, self._generator(_SIGN, qubits).random() - 0.5)

    def _generator(self, what: int, qubits: tuple[int, ...]) -> np.random.Generator:
        """Return a source that knows the qubits alone, so that devices drift alike whatever is left out of them."""
        return np.random.default_rng([self.seed, what, len(qubits), *sorted(qubits)])

    @lru_cache(maxsize=32)  # noqa: B019 (few devices, each asked for at every noise scale)
    def applied(self, calibration: Calibration) -> Calibration:
        """Return the figures that a calibrated device really has."""
        if not (self.drift or self.shared):
            return calibration
        qubits = {q: figures.scaled(self.factor(q)) for q, figures in calibration.qubits.items()}
        couplers = {pair: figures.scaled(self.factor(*pair)) for pair, figures in calibration.couplers.items()}
        return replace(calibration, qubits=qubits, couplers=couplers)


NOTHING = Hidden()
"""Of a device that is as its calibration says."""


@lru_cache(maxsize=32)
def known_instead(calibration: Calibration, other: Calibration) -> Calibration:
    """Return what is known of a device when another's figures are taken for it, where the other has them."""
    qubits = {q: other.qubits.get(q, figures) for q, figures in calibration.qubits.items()}
    couplers = {pair: other.couplers.get(pair, figures) for pair, figures in calibration.couplers.items()}
    return replace(other, qubits=qubits, couplers=couplers, notes=())
