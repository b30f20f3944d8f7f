"""When gates run: explicit delays on qubits that wait for a neighbour.

Gates start as late as possible, so that qubits stay in |0> as long as they can, and all qubits are measured at once.
RZ takes no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cayley_adapters.circuits.gates import Gate
    from cayley_adapters.circuits.noise.calibration import Line

__all__ = ["scheduled"]


def scheduled(gates: Sequence[Gate], line: Line) -> tuple[Gate, ...]:
    """Put a ``delay`` wherever a qubit waits between two of its gates, or between its last gate and the measurement.

    Args:
        gates: Native gates in the order of time.
        line: Figures of the qubits; if its idle qubits have no noise, the gates come back as they are.

    Returns:
        The gates with delays, in the order of time. A delay always follows a CZ gate, for only these let a qubit wait.
    """
    if not line.idle:
        return tuple(gates)
    free = [0.0] * len(line.qubits)  # how long before the measurement each qubit's next gate starts
    out: list[Gate] = []
    for gate in reversed(gates):
        end = max(free[q] for q in gate.qubits)
        for q in gate.qubits:
            if free[q] < end:
                out.append(type(gate)("delay", (q,), offset=end - free[q]))
            free[q] = end + _duration(gate, line)
        out.append(gate)
    return tuple(reversed(out))


def _duration(gate: Gate, line: Line) -> float:
    """Return how long a gate takes, in seconds."""
    if gate.name == "cz":
        return line.couplers[gate.qubits[0]].cz_duration
    return line.qubits[gate.qubits[0]].sx_duration if gate.name == "sx" else 0.0
