"""Qiskit's synthesis of the same blocks, and the figures by which circuits are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from cayley_adapters.circuits.noise.calibration import Line

__all__ = ["circuit_figures", "qiskit_circuit"]


def qiskit_circuit(q: np.ndarray, x: np.ndarray) -> QuantumCircuit:
    """Return Qiskit's circuit for a block and a slice: optimisation level 3, native gates, a line of qubits.

    Args:
        q: Block, (d, d) float64.
        x: Slice, (d,).
    """
    from qiskit import QuantumCircuit, transpile
    from qiskit.circuit.library import StatePreparation, UnitaryGate
    from qiskit.transpiler import CouplingMap

    n = x.size.bit_length() - 1
    circuit = QuantumCircuit(n)
    circuit.append(StatePreparation(x / np.linalg.norm(x)), range(n))
    circuit.append(UnitaryGate(q), range(n))
    circuit.measure_all()
    return transpile(
        circuit,
        basis_gates=["rz", "sx", "cz"],
        coupling_map=CouplingMap.from_line(n) if n > 1 else None,
        initial_layout=list(range(n)),
        optimization_level=3,
        seed_transpiler=0,
    )


def circuit_figures(circuit: QuantumCircuit, line: Line) -> dict[str, float]:
    """Count a native circuit's gates and estimate the fidelity that they leave on a line of qubits.

    Returns:
        ``cz``, ``sx``, ``rz``, ``depth`` (RZ and the measurement counted) and ``gate_fidelity``, the product of 1 -
        error over the gates.
    """
    counts, fidelity = circuit.count_ops(), 1.0
    for item in circuit:
        qubits = [circuit.find_bit(bit).index for bit in item.qubits]
        if item.operation.name == "sx":
            fidelity *= 1 - line.qubits[qubits[0]].sx_error
        elif item.operation.name == "cz":
            fidelity *= 1 - line.couplers[min(qubits)].cz_error
    sizes = {key: int(counts.get(key, 0)) for key in ("cz", "sx", "rz")}
    return sizes | {"depth": circuit.depth(), "gate_fidelity": fidelity}
