"""Calibrated figures of a device's qubits and couplers, and the lines of qubits found on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz, full
from cayley_adapters.circuits.gates import native_gates
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.circuits.noise.snapshots import UNUSABLE
from cayley_adapters.core.errors import CayleyError

__all__ = ["Calibration", "Coupler", "Line", "Qubit"]


@dataclass(frozen=True)
class Qubit:
    """Figures of one qubit: T1, T2 and the SX duration in seconds (T = inf: no relaxation), errors in [0, 1]."""

    t1: float
    t2: float
    sx_error: float
    sx_duration: float
    p1_given_0: float
    p0_given_1: float

    def scaled(self, scale: float) -> Qubit:
        """Return the figures at a noise scale."""
        return Qubit(
            math.inf if scale == 0 else self.t1 / scale,
            math.inf if scale == 0 else self.t2 / scale,
            min(scale * self.sx_error, 2 / 3),
            self.sx_duration,
            _scaled_flip(self.p1_given_0, scale),
            _scaled_flip(self.p0_given_1, scale),
        )

    def fault(self) -> str | None:
        """Say what no qubit can have, if anything."""
        times = {"T1": self.t1, "T2": self.t2}
        for name, value in times.items():
            if not value > 0:
                return f"{name} is {value}"
        shares = {"the SX error": self.sx_error, "p(1|0)": self.p1_given_0, "p(0|1)": self.p0_given_1}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                return f"{name} is {value}"
        if self.t2 > 2 * self.t1 * (1 + 1e-9):
            return f"T2 is {self.t2}, more than twice T1"
        return None if 0 <= self.sx_duration < math.inf else f"the SX duration is {self.sx_duration}"


def _scaled_flip(flip: float, scale: float) -> float:
    """Return a readout flip at a noise scale: at most 1/2, or what is calibrated where that is more."""
    return min(scale * flip, max(flip, 0.5))


@dataclass(frozen=True)
class Coupler:
    """Figures of one coupler: average error and duration in seconds of its CZ gate."""

    cz_error: float
    cz_duration: float

    def scaled(self, scale: float) -> Coupler:
        """Return the figures at a noise scale."""
        return Coupler(min(scale * self.cz_error, 4 / 5), self.cz_duration)

    def fault(self) -> str | None:
        """Say what no coupler can have, if anything."""
        if not 0 <= self.cz_error <= 1:
            return f"the CZ error is {self.cz_error}"
        return None if 0 <= self.cz_duration < math.inf else f"the CZ duration is {self.cz_duration}"


@dataclass(frozen=True)
class Line:
    """Figures of n neighbouring qubits, at a noise scale.

    Attributes:
        indices: The device's numbers of the qubits, in the order of the circuit's qubits 0 to n-1.
        qubits: Their figures.
        couplers: The figures of the n-1 couplers between them.
        idle: Whether qubits that wait relax, too.
        hidden: What gates do that these figures do not say: of what share of their errors is over-rotation.
    """

    indices: tuple[int, ...]
    qubits: tuple[Qubit, ...]
    couplers: tuple[Coupler, ...]
    idle: bool = False
    hidden: Hidden = NOTHING

    def errors(self, ansatz: Ansatz) -> dict[str, float]:
        """Estimate what each source adds to the infidelity of a circuit, preparation included.

        Returns:
            Sums of -log(1 - error) over its ``cz`` and its ``sx`` gates, and of its qubits' mean ``readout`` flips.
        """
        total = {"cz": 0.0, "sx": 0.0}
        for gate in native_gates(ansatz):
            if gate.name == "sx":
                total["sx"] -= math.log1p(-self.qubits[gate.qubits[0]].sx_error)
            elif gate.name == "cz":
                total["cz"] -= math.log1p(-self.couplers[gate.qubits[0]].cz_error)
        return total | {"readout": sum((qubit.p1_given_0 + qubit.p0_given_1) / 2 for qubit in self.qubits)}

    def infidelity(self) -> float:
        """Estimate the infidelity of a full block's circuit, the sum of its :meth:`errors`."""
        return sum(self.errors(full(len(self.qubits))).values())

    def only(self, source: str) -> Line:
        """Return the line with one source of errors, ``cz``, ``sx`` or ``readout``, and no other.

        Relaxation during a gate belongs to the gate; qubits that wait are left in peace.
        """
        qubits = [replace(qubit, p1_given_0=0.0, p0_given_1=0.0) for qubit in self.qubits]
        if source == "readout":
            qubits = list(self.qubits)
        if source != "sx":
            qubits = [replace(qubit, sx_error=0.0, sx_duration=0.0) for qubit in qubits]
        couplers = self.couplers if source == "cz" else tuple(Coupler(0.0, 0.0) for _ in self.couplers)
        return Line(self.indices, tuple(qubits), couplers, hidden=self.hidden)

    def confusion(self) -> np.ndarray:
        """Return p(read | true) of the qubits, (2^n, 2^n)."""
        whole = np.ones((1, 1))
        for qubit in self.qubits:
            up, down = qubit.p1_given_0, qubit.p0_given_1
            whole = np.kron(np.array([[1 - up, down], [up, 1 - down]]), whole)
        return whole

    def survival(self, ansatz: Ansatz) -> float:
        """Estimate the factor by which a circuit's gate errors shrink all but the uniform background.

        With the gates' average errors e, on D = 2 or 4 dimensions each, the circuit's process fidelity is about
        F = prod(1 - e (D + 1)/D); a depolarising channel of that fidelity shrinks by f = (4^n F - 1)/(4^n - 1).

        Returns:
            f, at least 1e-3.
        """
        log = 0.0
        for gate in native_gates(ansatz):
            if gate.name == "sx":
                log += math.log1p(-1.5 * min(self.qubits[gate.qubits[0]].sx_error, 2 / 3 - 1e-9))
            elif gate.name == "cz":
                log += math.log1p(-1.25 * min(self.couplers[gate.qubits[0]].cz_error, 4 / 5 - 1e-9))
        size = 4**ansatz.qubits
        shared: float = (size * math.exp(log) - 1) / (size - 1)
        return max(shared, 1e-3)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Usable qubits and couplers of a device (a coupler under both orders of its qubits).

    Attributes:
        name: Of the device.
        qubits: Number → figures.
        couplers: Two numbers → figures.
        notes: What was left out of what the device states, or taken to be symmetric.

    Raises:
        CayleyError: A figure is none that a device can have (not a number, negative, a probability above 1).
    """

    name: str
    qubits: dict[int, Qubit]
    couplers: dict[tuple[int, int], Coupler]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check all figures."""
        named = [(f"qubit {q}", figures.fault()) for q, figures in self.qubits.items()]
        named += [(f"coupler {a}-{b}", figures.fault()) for (a, b), figures in self.couplers.items()]
        if wrong := [f"{what}: {fault}" for what, fault in named if fault]:
            raise CayleyError(f"the calibration of {self.name} cannot be right: {'; '.join(wrong[:5])}")

    def symmetric(self) -> Calibration:
        """Return the device with both readout flips of a qubit at their mean, which is what twirled readout sees."""
        mean = {q: (figures.p1_given_0 + figures.p0_given_1) / 2 for q, figures in self.qubits.items()}
        qubits = {q: replace(figures, p1_given_0=mean[q], p0_given_1=mean[q]) for q, figures in self.qubits.items()}
        return replace(self, qubits=qubits)

    def line(self, indices: Sequence[int], scale: float = 1.0) -> Line:
        """Return the figures of a line of qubits at a noise scale.

        Raises:
            CayleyError: If a qubit or coupler is missing or unusable.
        """
        indices = tuple(indices)
        pairs = list(pairwise(indices))
        for missing in [q for q in indices if q not in self.qubits] + [p for p in pairs if p not in self.couplers]:
            what = f"coupler {missing}" if isinstance(missing, tuple) else f"qubit {missing}"
            raise CayleyError(
                f"layout {list(indices)}: {self.name} has no usable {what} (it does not exist, is not calibrated, or "
                f"has a gate error of {UNUSABLE} or more); give neighbouring qubits, 'best' or 'median'"
            )
        if len(set(indices)) < len(indices):
            raise CayleyError(f"layout {list(indices)} names a qubit twice")
        return Line(
            indices,
            tuple(self.qubits[q].scaled(scale) for q in indices),
            tuple(self.couplers[pair].scaled(scale) for pair in pairs),
        )

    @lru_cache  # noqa: B019 (calibrations are few and small)
    def ranked(self, n: int) -> tuple[tuple[int, ...], ...]:
        """Return all lines of n qubits, the one with the least estimated infidelity first.

        Raises:
            CayleyError: If the device has no such line.
        """
        lines: list[tuple[int, ...]] = [(q,) for q in self.qubits]
        for _ in range(n - 1):
            lines = [(*line, b) for line in lines for a, b in self.couplers if a == line[-1] and b not in line]
        if not lines:
            raise CayleyError(f"{self.name} has no line of {n} usable qubits")
        return tuple(sorted(lines, key=lambda line: (self.line(line).infidelity(), line)))
