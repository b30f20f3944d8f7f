"""Device noise: calibrated figures of lines of qubits, their scaling, and the channels built from them.

What is scaled by the noise scale are the physical figures, before channels are built: a gate error e becomes
min(scale e, D/(D + 1)) with D = 2 or 4, the rates 1/T1 and 1/T2 are multiplied (T2 <= 2 T1), a readout flip r becomes
min(scale r, max(r, 1/2)). Scale 0 is exactly ideal, scale 1 the device as calibrated, even where it reads a qubit
wrongly more often than not.

RZ is virtual and noiseless, idle qubits have no noise unless ``idle=True`` puts delays into the circuits
(:mod:`cayley_adapters.circuits.noise.schedule`), over which they relax, and readout flips are asymmetric where the
backend reports both directions. The channels are those of :mod:`cayley_adapters.circuits.noise.channels`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cayley_adapters.circuits.noise.backends import calibration_named, calibration_of
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Line, Qubit
from cayley_adapters.circuits.noise.channels import aer_error, cz_channel, sx_channel
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say

if TYPE_CHECKING:
    from qiskit.providers import BackendV2
    from qiskit_aer.noise import NoiseModel

__all__ = ["DeviceNoise"]


@dataclass(frozen=True)
class DeviceNoise:
    """Noise of a device's lines of qubits at a noise scale.

    Attributes:
        calibration: The device's figures at scale 1.
        scale: Noise scale, at least 0.
        layout: ``median``, ``best``, or lines of qubits over which blocks are dealt in turn.
        idle: Whether qubits that wait for their neighbours relax.
        source: The only source of errors, one of :data:`SOURCES`; all if None.
        hidden: What the calibration does not say of the device that runs.
        known: Figures that mitigation, training and synthesis go by instead of the calibration; None for that itself.

    Example:
        >>> noise = DeviceNoise.from_backend("FakeFez", scale=0.5)
        >>> noise.name, noise.scaled(2.0).scale, len(noise.line(3).couplers)
        ('fake_fez', 2.0, 2)
    """

    calibration: Calibration
    scale: float = 1.0
    layout: str | tuple[tuple[int, ...], ...] = "median"
    idle: bool = False
    source: str | None = None
    hidden: Hidden = NOTHING
    known: Calibration | None = None

    def __post_init__(self) -> None:
        """Check the scale, the layout and the source."""
        if self.source is not None:
            SOURCES[self.source]  # or it says which are known
        if not (math.isfinite(self.scale) and self.scale >= 0):
            raise CayleyError(f"noise scale {self.scale} is not allowed; give a finite number of at least 0")
        if isinstance(self.layout, str):
            if self.layout not in ("median", "best"):
                raise CayleyError(f"layout '{self.layout}' is unknown; give 'median', 'best', qubits or lines of them")
        elif not self.layout or not all(self.layout):
            raise CayleyError("the layout names no qubits")
        else:
            for indices in self.layout:
                self.calibration.line(indices)

    @property
    def name(self) -> str:
        """Name of the device."""
        return self.calibration.name

    @classmethod
    def from_backend(
        cls,
        backend: BackendV2 | str,
        scale: float = 1.0,
        layout: str | Sequence[int] | Sequence[Sequence[int]] = "median",
        idle: bool = False,
    ) -> DeviceNoise:
        """Read the calibration of a backend with native rz, sx and cz gates, as :func:`calibration_of` says.

        Of a backend that is no snapshot it is told what was wrong with its figures, and what is assumed.

        Args:
            backend: A backend with a calibrated target, or the name of a snapshot in
                ``qiskit_ibm_runtime.fake_provider`` such as ``FakeFez``.
            scale: Noise scale, at least 0.
            layout: ``best`` and ``median`` pick, once the number n of qubits is known, the first and the middle one
                of all lines of n qubits ranked by :meth:`Line.infidelity`; a list of qubits is one line (its first n
                are used); blocks are dealt in turn over a list of lines.
            idle: Whether qubits that wait for their neighbours relax meanwhile.

        Raises:
            CayleyError: If the backend is unknown or has other gates, or the layout does not fit it.
        """
        if not isinstance(layout, str):
            nested = any(isinstance(line, Sequence) for line in layout)
            lines: Any = layout if nested else [layout]
            layout = tuple(tuple(int(q) for q in line) for line in lines)
        if isinstance(backend, str):
            return cls(calibration_named(backend), float(scale), layout, idle)
        calibration = calibration_of(backend)
        for note in calibration.notes:
            say(f"{calibration.name}: {note}")
        return cls(calibration, float(scale), layout, idle)

    @classmethod
    def depolarizing(cls, p1: float, p2: float, readout: float = 0.0, scale: float = 1.0) -> DeviceNoise:
        """Return a plain model: the same depolarising channel after every SX and CZ, symmetric readout flips.

        Args:
            p1: Depolarising parameter of SX, rho -> (1 - p1) rho + p1 I/2; 0 to 4/3.
            p2: Depolarising parameter of CZ, likewise; 0 to 16/15.
            readout: Probability to read a qubit wrongly; 0 to 1/2.
            scale: Noise scale, at least 0.

        Raises:
            CayleyError: If a figure is out of range.
        """
        for name, value, most in (("p1", p1, 4 / 3), ("p2", p2, 16 / 15), ("readout", readout, 0.5)):
            if not 0 <= value <= most:
                raise CayleyError(f"{name} = {value} is not allowed; give 0 to {most:.4g}")
        qubit = Qubit(math.inf, math.inf, p1 / 2, 0.0, readout, readout)
        pairs = {pair: Coupler(p2 * 3 / 4, 0.0) for a in range(7) for pair in ((a, a + 1), (a + 1, a))}
        calibration = Calibration("depolarizing", dict.fromkeys(range(8), qubit), pairs)
        return cls(calibration, float(scale), (tuple(range(8)),))

    def scaled(self, scale: float) -> DeviceNoise:
        """Return the same device at another noise scale (counted from the calibration, not from this scale)."""
        return replace(self, scale=float(scale))

    def only(self, source: str) -> DeviceNoise:
        """Return the same qubits with one source of errors and no other, see :meth:`Line.only`."""
        return replace(self, source=source)

    def lines(self, n: int) -> tuple[Line, ...]:
        """Return the lines of n qubits at this noise scale; block b runs on line b modulo their number.

        Raises:
            CayleyError: If a given line has fewer than n qubits, or the device has no such line.
        """
        actual = self.hidden.applied(self.calibration)
        lines = (replace(actual.line(indices[:n], self.scale), hidden=self.hidden) for indices in self._chosen(n))
        if self.source is not None:
            return tuple(line.only(self.source) for line in lines)
        return tuple(replace(line, idle=self.idle) for line in lines)

    def _chosen(self, n: int) -> tuple[tuple[int, ...], ...]:
        """Return the qubits of each line, as the calibration ranks them: nothing else is known when they are chosen."""
        if isinstance(self.layout, str):
            ranked = self.calibration.ranked(n)
            return (ranked[0 if self.layout == "best" else len(ranked) // 2],)
        for indices in self.layout:
            if len(indices) < n:
                raise CayleyError(f"layout {list(indices)} has {len(indices)} qubits, a block needs {n}")
        return self.layout

    def as_known(self, n: int) -> DeviceNoise:
        """Return what is known of the device: the same lines of n qubits with the known figures, and nothing hidden."""
        if not self.hidden and self.known is None:
            return self
        known = self.known or self.calibration
        return replace(self, calibration=known, layout=self._chosen(n), hidden=NOTHING, known=None)

    def line(self, n: int, block: int = 0) -> Line:
        """Return the line of n qubits on which a block runs, at this noise scale."""
        lines = self.lines(n)
        return lines[block % len(lines)]

    def to_aer(self, n: int, block: int = 0) -> NoiseModel:
        """Return this noise as a Qiskit Aer model on qubits 0 to n-1, built with Aer's own error functions.

        Args:
            n: Number of qubits.
            block: Index of the block, where blocks are dealt over several lines.
        """
        from qiskit.circuit import Delay
        from qiskit_aer.noise import NoiseModel, ReadoutError, RelaxationNoisePass

        line = self.line(n, block)
        model = NoiseModel(basis_gates=["rz", "sx", "cz"])
        for q, qubit in enumerate(line.qubits):
            over = sx_channel(line, q).turn, line.hidden.twirled
            error = aer_error(qubit.sx_error, qubit.sx_duration, [qubit], *over)
            model.add_quantum_error(error, "sx", [q], warnings=False)
            up, down = qubit.p1_given_0, qubit.p0_given_1
            if up or down:
                model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [q])
        for low, coupler in enumerate(line.couplers):
            for pair in ((low, low + 1), (low + 1, low)):
                qubits = [line.qubits[q] for q in pair]
                over = cz_channel(line, low).turn, line.hidden.twirled
                error = aer_error(coupler.cz_error, coupler.cz_duration, qubits, *over)
                model.add_quantum_error(error, "cz", pair)
        if line.idle and self.scale > 0:
            # Where Aer's own NoiseModel.from_backend keeps the relaxation during delays, too.
            times = [[getattr(qubit, key) for qubit in line.qubits] for key in ("t1", "t2")]
            model._custom_noise_passes.append(RelaxationNoisePass(*times, op_types=Delay))
        return model
