"""What IBM's service takes in one job, checked while it is planned, so that nothing waits in a queue to be refused.

The figures are those of the guide "Job limits" (https://quantum.cloud.ibm.com/docs/guides/job-limits), as it stood in
2026, and, for the size of what is sent, of "Maximum execution time" (…/guides/max-execution-time, "Inputs to jobs").
The guide names no limit on the number of parameters but what the size of their values sets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from cayley_adapters.qpu.payload import Work

__all__ = ["LIMITS", "MAX_EXECUTIONS", "Limit", "check_limits", "demands"]

GUIDE = "https://quantum.cloud.ibm.com/docs/guides/job-limits"
INPUTS = "https://quantum.cloud.ibm.com/docs/guides/max-execution-time"
MAX_EXECUTIONS = 10_000_000


@dataclass(frozen=True)
class Limit:
    """The most that a job, a circuit or a qubit may have of something, what to lower, and where it is written."""

    most: int
    what: str
    lower: str
    source: str


LIMITS: Mapping[str, Limit] = {
    "executions": Limit(MAX_EXECUTIONS, "executions in a job", "qpu.executions_per_job", GUIDE),
    "instructions": Limit(26_800_000, "control instructions on a qubit", "qpu.executions_per_job", GUIDE),
    "cz": Limit(5_000_000, "two-qubit gates in a circuit", "qpu.quality", GUIDE),
    "rz": Limit(30_000_000, "RZ gates in a circuit", "qpu.quality", GUIDE),
    "sx": Limit(20_000_000, "SX gates in a circuit", "qpu.quality", GUIDE),
    "bytes": Limit(64_000_000, "bytes of parameter values in a job", "qpu.executions_per_job", INPUTS),
}

_CONTROL = {"rz": 1, "delay": 1, "sx": 2, "x": 2, "cz": 5, "measure": 10, "reset": 17}
_INIT = 50
"""Control instructions that one of a circuit takes, and the initialisation of each qubit (the guide's table)."""


def demands(work: Work, versions: int = 1, pulses: int = 0) -> dict[str, int]:
    """Return what a job asks for, by the names of :data:`LIMITS`.

    Args:
        work: The job.
        versions: Random versions of each circuit, which are circuits of their own.
        pulses: Gates that dynamical decoupling may add on a qubit between two of its gates.
    """
    found = dict.fromkeys(LIMITS, 0)
    for circuit, values, shots in work.pubs:
        sets = max(1, math.prod(values.shape[:-1]))
        gates = circuit.count_ops()
        found["executions"] += sets * shots
        found["instructions"] += sets * versions * _instructions(circuit, pulses)
        found["bytes"] += 8 * values.size
        for name in ("cz", "rz", "sx"):
            found[name] = max(found[name], int(gates.get(name, 0)))
    return found


def _instructions(circuit: QuantumCircuit, pulses: int) -> int:
    """Return the control instructions of the qubit that has the most of them."""
    total: Counter[int] = Counter()
    for step in circuit.data:
        name = step.operation.name
        if name != "barrier":
            for qubit in step.qubits:
                total[circuit.find_bit(qubit).index] += _CONTROL.get(name, 5) + pulses * _CONTROL["x"]
    return _INIT + max(total.values(), default=0)


def check_limits(work: Work, versions: int = 1, pulses: int = 0) -> None:
    """Check that the service would take a job.

    Raises:
        CayleyError: It asks for more of something than IBM documents as the most.
    """
    for name, asked in demands(work, versions, pulses).items():
        limit = LIMITS[name]
        if asked > limit.most:
            raise CayleyError(
                f"'{work.label}' has {asked:,} {limit.what}, and the service takes {limit.most:,} ({limit.source}); "
                f"lower {limit.lower}"
            )
