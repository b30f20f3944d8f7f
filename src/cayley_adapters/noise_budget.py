"""Errors of a block's circuit on a device by their source, for trained blocks and for any number of qubits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cayley_adapters.ansatz import full
from cayley_adapters.block_circuits import BlockCircuits
from cayley_adapters.circuits import circuit_summary
from cayley_adapters.noise import SOURCES, DeviceNoise

__all__ = ["BUDGET_COLUMNS", "LARGEST_CIRCUIT", "Circuit", "circuit_errors", "device_circuit", "model_circuits"]

BUDGET_COLUMNS = [
    "compression_ratio", "block_dim", "qubits", "seed", "source", "gates", "infidelity", "depth", "cost", "cost_se",
]  # fmt: skip

MOST_QUBITS = 6
"""Circuits are described for blocks of up to so many qubits."""

LARGEST_CIRCUIT = 5
"""Qubits of the largest block that circuits are known for."""


@dataclass(frozen=True)
class Circuit:
    """The circuit of a block on a device, preparation included; means over blocks where their circuits differ.

    Attributes:
        qubits: n; the block dimension is 2ⁿ.
        two_qubit_gates, depth: of the circuit.
        errors: source (``cz``, ``sx``, ``readout``) → sum of −ln(1 − error) over its gates or qubits at noise scale 1.
        two_qubit_error: mean error of the couplers used, at noise scale 1; not a number for one qubit.
        counted: ``circuit`` if the gates are those of a synthesised circuit, ``parameter count`` if at least as many
            are needed for the block's number of parameters.
    """

    qubits: int
    two_qubit_gates: float
    depth: float
    errors: Mapping[str, float] = field(default_factory=dict)
    two_qubit_error: float = math.nan
    counted: str = "circuit"

    @property
    def block_dim(self) -> int:
        """d = 2ⁿ."""
        return 2**self.qubits

    @property
    def budget(self) -> float:
        """Sum of the errors of all sources."""
        return sum(self.errors.values())


def circuit_errors(circuits: Sequence[BlockCircuits], noise: DeviceNoise) -> dict[str, dict[str, float]]:
    """Gates, depth and errors of trained blocks' circuits, preparation included, means over all blocks.

    Args:
        circuits: the blocks of each projection.
        noise: the device; errors are those at its noise scale, on its first line of qubits.

    Returns:
        Source (``cz``, ``sx``, ``readout``, and ``all``) → ``gates`` (for readout the qubits), ``infidelity``, see
        :meth:`cayley_adapters.calibration.Line.errors`, and, for all, ``depth``.
    """
    ansatz = circuits[0].ansatz
    line = noise.line(ansatz.qubits)
    lengths, blocks = np.unique(np.concatenate([item.lengths for item in circuits]), return_counts=True)
    total = {source: {"gates": 0.0, "infidelity": 0.0} for source in (*SOURCES, "all")}
    total["all"]["depth"] = 0.0
    for length, share in zip(lengths, blocks / blocks.sum(), strict=True):
        shorter = ansatz.first(int(length))
        size, errors = circuit_summary(shorter), line.errors(shorter)
        counts = {"cz": size.cz, "sx": size.sx, "readout": size.qubits}
        for source in SOURCES:
            total[source]["gates"] += share * counts[source]
            total[source]["infidelity"] += share * errors[source]
        total["all"]["depth"] += share * size.depth
    for name in ("gates", "infidelity"):
        total["all"][name] = sum(total[source][name] for source in SOURCES)
    return total


def device_circuit(qubits: int, noise: DeviceNoise) -> Circuit:
    """The circuit of a full block on a device, for blocks that were not trained.

    Beyond :data:`LARGEST_CIRCUIT` qubits no circuit is known. At least (d(d − 1)/2 − n)/2 two-qubit gates are needed
    for a block, since each of them adds two rotations RY, and (d − 1 − n)/2 for the preparation of a slice; four SX a
    two-qubit gate follow, two for each RY. Errors are then the means over a line of :data:`LARGEST_CIRCUIT` qubits.

    Args:
        qubits: n, at least 1.
        noise: the device; errors are those at its noise scale.
    """
    known = min(qubits, LARGEST_CIRCUIT)
    line = noise.line(known)
    couplers = [coupler.cz_error for coupler in line.couplers]
    error = float(np.mean(couplers)) if couplers else math.nan
    if qubits == known:
        size = circuit_summary(full(qubits))
        return Circuit(qubits, size.cz, size.depth, line.errors(full(qubits)), error)
    d = 2**qubits
    cz = math.ceil((d * (d - 1) / 2 - qubits) / 2) + math.ceil((d - 1 - qubits) / 2)
    each = line.errors(full(known))
    counts = circuit_summary(full(known))
    errors = {
        "cz": cz * each["cz"] / counts.cz,
        "sx": (4 * cz + 2 * qubits) * each["sx"] / counts.sx,
        "readout": qubits * each["readout"] / known,
    }
    return Circuit(qubits, cz, math.nan, errors, error, "parameter count")


def model_circuits(budgets: pd.DataFrame, noise: DeviceNoise, ansatz: str) -> list[Circuit]:
    """The circuits of trained blocks, from the tables that their evaluations wrote, and those of other full blocks.

    Args:
        budgets: rows of :data:`BUDGET_COLUMNS`; those of several ratios and seeds are averaged.
        noise: the device.
        ansatz: of the trained blocks; with ``full``, and if there are any, blocks of all numbers of qubits up to
            :data:`MOST_QUBITS` are described.

    Returns:
        By number of qubits.
    """
    circuits = []
    for qubits, rows in budgets.groupby("qubits"):
        means = rows.groupby("source")[["gates", "infidelity", "depth"]].mean()
        errors = {source: float(means.infidelity.get(source, 0.0)) for source in SOURCES}
        couplers = [coupler.cz_error for coupler in noise.line(int(qubits)).couplers]
        gates = float(means.gates.get("cz", 0.0))
        error = float(np.mean(couplers)) if couplers else math.nan
        circuits.append(Circuit(int(qubits), gates, float(means.depth["all"]), errors, error))
    if circuits and ansatz == "full":
        known = {circuit.qubits for circuit in circuits}
        circuits += [device_circuit(n, noise) for n in range(1, MOST_QUBITS + 1) if n not in known]
    return sorted(circuits, key=lambda circuit: circuit.qubits)
