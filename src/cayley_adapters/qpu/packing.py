"""How many blocks run on a processor at once, and how long one execution takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.noise.calibration import Calibration
from cayley_adapters.qpu.cost import Packing
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.service import seconds_per_execution
from cayley_adapters.qpu.template import packed_template

__all__ = ["packing_on"]


def packing_on(
    backend: Any, calibration: Calibration, n: int, spacing: str, quality: float
) -> tuple[Packing, tuple[tuple[int, ...], ...]]:
    """Pack blocks of n qubits.

    Args:
        backend: a processor or its snapshot.
        calibration: its figures.
        n: qubits of a block.
        spacing: ``dense``, or ``sparse`` where lines that run at once may not be neighbours.
        quality: share of the device's lines, the best first, that may be used.

    Returns:
        What the packing means for the cost, and its lines of qubits.
    """
    lines = disjoint_lines(calibration, n, quality, spacing == "sparse")
    errors = [coupler.cz_error for line in lines for coupler in calibration.line(line).couplers]
    once = seconds_per_execution(backend, packed_template(full(n), lines, backend).circuit)
    mean = float(np.mean(errors)) if errors else float("nan")
    return Packing(spacing, len(lines), mean, once), lines
