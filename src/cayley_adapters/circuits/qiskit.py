"""Circuits of blocks for Qiskit, Qiskit's own synthesis of the same blocks, and the figures that compare them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.gates import native_gates, skeleton
from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from qiskit import QuantumCircuit

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.calibration import Line
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["block_circuit", "circuit_figures", "qiskit_circuit"]


def block_circuit(q: ArrayLike | BlockCircuits, x: ArrayLike, noise: DeviceNoise | None = None) -> QuantumCircuit:
    """Build the circuit that prepares a slice, applies a block and measures every qubit.

    Args:
        q: Block, (d, d), orthogonal with determinant +1, acting as ``q @ x``; d = 2 to 32. A float32 block stands
            for the nearest orthogonal matrix. Or one synthesised block.
        x: Slice, (d,), real, of any norm; only x/|x| matters, and a zero slice is run as |0...0>.
        noise: With a device the circuit has its native gates rz, sx and cz: the very circuit that the simulator
            runs, with explicit delays where the device's idle qubits have noise. Without one it has ry and cz gates.

    Returns:
        A circuit on qubits 0 to n-1, measured into classical bits 0 to n-1.

    Raises:
        CayleyError: If the shapes do not fit, the block is no rotation or its dimension has no circuit.

    Example:
        >>> circuit = block_circuit([[0.0, -1.0], [1.0, 0.0]], [0.6, 0.8])
        >>> dict(circuit.count_ops())
        {'ry': 1, 'measure': 1}
    """
    from qiskit import QuantumCircuit

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.schedule import scheduled
    from cayley_adapters.circuits.preparation import preparation_angles
    from cayley_adapters.circuits.synthesis import synthesise

    x = np.asarray(x)
    if not isinstance(q, BlockCircuits):
        q = np.asarray(q)
        if x.ndim != 1 or q.shape != (x.size, x.size):
            raise CayleyError(f"a circuit needs a block (d, d) and a slice (d,), not {q.shape} and {x.shape}")
        q = synthesise(q[None])
    elif len(q) != 1 or x.shape != (2**q.ansatz.qubits,):
        raise CayleyError(f"a circuit needs one block and its slice (d,), not {len(q)} blocks and {x.shape}")
    ansatz = q.ansatz.first(int(q.lengths[0]))
    angles = np.angle(preparation_angles(x[None])[0]), q.angles[0]
    circuit = QuantumCircuit(ansatz.qubits, ansatz.qubits)
    gates = skeleton(ansatz) if noise is None else scheduled(native_gates(ansatz), noise.line(ansatz.qubits))
    for gate in gates:
        if gate.name == "plus":
            circuit.ry(math.pi / 2, gate.qubits[0])
        elif gate.name in ("ry", "rz"):
            getattr(circuit, gate.name)(gate.angle(*angles), gate.qubits[0])
        elif gate.name == "delay":
            circuit.delay(gate.offset, gate.qubits[0], unit="s")
        else:
            getattr(circuit, gate.name)(*gate.qubits)
    circuit.measure(range(ansatz.qubits), range(ansatz.qubits))
    return circuit


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
