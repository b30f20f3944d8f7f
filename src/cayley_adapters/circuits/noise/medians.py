"""Devices of which only medians are known: every qubit and every coupler has the same errors, and nothing relaxes."""

from __future__ import annotations

import math

from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.snapshots import MEDIAN_QUBITS

__all__ = ["median_calibration", "median_noise"]


def median_calibration(name: str, sx_error: float, cz_error: float, readout_error: float) -> Calibration:
    """The figures of a device of medians.

    Args:
        name: of the device.
        sx_error: average error of SX, 0 to 1.
        cz_error: average error of CZ, 0 to 1.
        readout_error: probability to read a qubit wrongly, the same both ways, 0 to 1.

    Raises:
        CayleyError: a figure is none that a device can have.
    """
    qubit = Qubit(math.inf, math.inf, sx_error, 0.0, readout_error, readout_error)
    pairs = [pair for a in range(MEDIAN_QUBITS - 1) for pair in ((a, a + 1), (a + 1, a))]
    notes = ("medians alone are known of it: all qubits are alike, in a line, and do not relax",)
    return Calibration(
        name, dict.fromkeys(range(MEDIAN_QUBITS), qubit), dict.fromkeys(pairs, Coupler(cz_error, 0.0)), notes
    )


def median_noise(
    name: str,
    sx_error: float,
    cz_error: float,
    readout_error: float,
    scale: float = 1.0,
    layout: str | tuple[tuple[int, ...], ...] = "median",
) -> DeviceNoise:
    """The noise of a device of medians, depolarisation after each gate and readout flips.

    Args:
        name, sx_error, cz_error, readout_error: as of :func:`median_calibration`.
        scale: noise scale, at least 0.
        layout: ``median``, ``best``, or lines of qubits over which blocks are dealt in turn; all lines are alike.

    Raises:
        CayleyError: a figure or the scale is out of range.

    Example:
        >>> noise = median_noise("ibm_basquecountry", sx_error=2.45e-4, cz_error=1.78e-3, readout_error=6.8e-3)
        >>> line = noise.line(10)
        >>> len(line.qubits), line.couplers[8].cz_error
        (10, 0.00178)
    """
    lines = (tuple(range(MEDIAN_QUBITS)),) if isinstance(layout, str) else layout
    return DeviceNoise(median_calibration(name, sx_error, cz_error, readout_error), float(scale), lines)
