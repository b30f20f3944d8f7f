"""Errors of a block's circuit on a device by their source, for trained blocks and for any number of qubits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cayley_adapters.circuits.ansatz import Ansatz, full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.gates import circuit_summary, native_gates
from cayley_adapters.circuits.noise.calibration import Line
from cayley_adapters.circuits.noise.channels import delay_channel
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.schedule import scheduled
from cayley_adapters.core.tables import read_table

__all__ = [
    "BUDGET_COLUMNS",
    "LARGEST_CIRCUIT",
    "MOST_QUBITS",
    "Circuit",
    "circuit_errors",
    "coupler_error",
    "device_circuit",
    "model_circuits",
    "read_budgets",
]

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
        errors: source (``cz``, ``sx``, ``readout``, and ``idle`` where qubits that wait relax) → sum of −ln(1 − error)
            over its gates, or of its qubits' mean flips, at noise scale 1.
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
        return 1 << self.qubits

    @property
    def budget(self) -> float:
        """Sum of the errors of all sources."""
        return sum(self.errors.values())


def circuit_errors(circuits: Sequence[BlockCircuits], noise: DeviceNoise) -> dict[str, dict[str, float]]:
    """Gates, depth and errors of trained blocks' circuits, preparation included, means over all blocks.

    Args:
        circuits: the blocks of each projection.
        noise: the device; errors are those at its noise scale, means over its lines of qubits.

    Returns:
        Source (``cz``, ``sx``, ``readout``, ``idle`` where qubits that wait relax, and ``all``) → ``gates`` (for
        readout the qubits), ``infidelity``, see :class:`Circuit`, and, for all, ``depth``.
    """
    ansatz = circuits[0].ansatz
    lengths, blocks = np.unique(np.concatenate([item.lengths for item in circuits]), return_counts=True)
    total: dict[str, dict[str, float]] = {}
    for length, share in zip(lengths, blocks / blocks.sum(), strict=True):
        shorter = ansatz.first(int(length))
        size, errors = circuit_summary(shorter), _errors(shorter, noise)
        counts = {"cz": size.cz, "sx": size.sx, "readout": size.qubits}
        for source, error in errors.items():
            entry = total.setdefault(source, {"gates": 0.0, "infidelity": 0.0})
            entry["gates"] += share * counts.get(source, 0)
            entry["infidelity"] += share * error
        entry = total.setdefault("all", {"gates": 0.0, "infidelity": 0.0, "depth": 0.0})
        entry["gates"] += share * sum(counts.values())
        entry["infidelity"] += share * sum(errors.values())
        entry["depth"] += share * size.depth
    return total


def _errors(ansatz: Ansatz, noise: DeviceNoise) -> dict[str, float]:
    """Errors of a circuit by source, means over the lines of qubits that blocks are dealt over."""
    lines = noise.lines(ansatz.qubits)
    found = [line.errors(ansatz) | ({"idle": _waiting(ansatz, line)} if line.idle else {}) for line in lines]
    return {source: float(np.mean([errors[source] for errors in found])) for source in found[0]}


def _waiting(ansatz: Ansatz, line: Line) -> float:
    """Sum of −ln F over all delays, F the average gate fidelity of one qubit's relaxation."""
    total = 0.0
    for gate in scheduled(native_gates(ansatz), line):
        if gate.name == "delay":
            channel = delay_channel(line, gate.qubits[0], gate.offset)
            process = (1 + 2 * channel.transverse[0] + channel.longitudinal[0]) / 4
            total -= math.log((2 * process + 1) / 3)
    return total


def read_budgets(paths: Sequence[Path]) -> pd.DataFrame:
    """Read the tables of :data:`BUDGET_COLUMNS` that evaluations wrote, as one.

    Raises:
        CayleyError: one is missing or damaged.
    """
    numbers = ("compression_ratio", "block_dim", "qubits", "seed", "gates", "infidelity")
    return pd.concat([read_table(path, BUDGET_COLUMNS, numbers) for path in paths], ignore_index=True)


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
    size, errors = circuit_summary(full(known)), _errors(full(known), noise)
    if qubits == known:
        return Circuit(qubits, size.cz, size.depth, errors, coupler_error(known, noise))
    d = 2**qubits
    cz = math.ceil((d * (d - 1) / 2 - qubits) / 2) + math.ceil((d - 1 - qubits) / 2)
    more = {"cz": cz / size.cz, "sx": (4 * cz + 2 * qubits) / size.sx, "readout": qubits / known, "idle": cz / size.cz}
    errors = {source: more[source] * error for source, error in errors.items()}
    return Circuit(qubits, cz, math.nan, errors, coupler_error(known, noise), "parameter count")


def coupler_error(qubits: int, noise: DeviceNoise) -> float:
    """Mean error of the couplers used; not a number for one qubit."""
    couplers = [coupler.cz_error for line in noise.lines(qubits) for coupler in line.couplers]
    return float(np.mean(couplers)) if couplers else math.nan


def model_circuits(budgets: pd.DataFrame, noise: DeviceNoise, ansatz: str) -> list[Circuit]:
    """The circuits of trained blocks, from the tables that their evaluations wrote, and those of other full blocks.

    Args:
        budgets: rows of :data:`BUDGET_COLUMNS`; those of several ratios and seeds are averaged.
        noise: the device.
        ansatz: of the trained blocks; with ``full``, and if there are any, blocks of all numbers of qubits up to
            :data:`MOST_QUBITS` that the layout has room for are described.

    Returns:
        By number of qubits.
    """
    circuits = []
    for qubits, rows in budgets.groupby("qubits"):
        means = rows.groupby("source")[["gates", "infidelity", "depth"]].mean()
        errors = means.infidelity.drop("all").to_dict()
        gates, depth = float(means.gates.get("cz", 0.0)), float(means.depth["all"])
        circuits.append(Circuit(int(qubits), gates, depth, errors, coupler_error(int(qubits), noise)))
    if circuits and ansatz == "full":
        room = LARGEST_CIRCUIT if isinstance(noise.layout, str) else min(map(len, noise.layout))
        most = MOST_QUBITS if room >= LARGEST_CIRCUIT else room
        known = {circuit.qubits for circuit in circuits}
        circuits += [device_circuit(n, noise) for n in range(1, most + 1) if n not in known]
    return sorted(circuits, key=lambda circuit: circuit.qubits)
