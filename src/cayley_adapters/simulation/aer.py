"""The same circuits in Qiskit Aer, in its fastest exact use: the referee of the batched simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.gates import native_gates
from cayley_adapters.circuits.noise.schedule import scheduled
from cayley_adapters.circuits.preparation import preparation_angles
from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["aer_probabilities"]


def aer_probabilities(circuits: BlockCircuits, x: np.ndarray, noise: DeviceNoise) -> np.ndarray:
    """Return what an infinite number of shots gives, from Aer's density matrices.

    One parametrised circuit for each block, with the slices' and the block's angles bound at run time
    (``runtime_parameter_bind_enable``), a noise model of just the qubits that it uses, and the readout's confusion
    applied afterwards, which Aer's ``save_probabilities`` leaves out.

    Args:
        circuits: B synthesised blocks.
        x: Slices, (T, B, d).
        noise: The device.

    Returns:
        Probabilities, (T, B, d) float64.

    Raises:
        CayleyError: If Aer reports a failure.
    """
    out = np.empty(x.shape)
    for block in range(len(circuits)):
        out[:, block] = _one_block(circuits[block : block + 1], x[:, block], noise, block)
    return out


def _one_block(circuits: BlockCircuits, x: np.ndarray, noise: DeviceNoise, block: int) -> np.ndarray:
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit_aer import AerSimulator

    n, line = circuits.ansatz.qubits, noise.line(circuits.ansatz.qubits, block)
    gates = scheduled(native_gates(circuits.ansatz.first(int(circuits.lengths[0]))), line)
    turns = [gate for gate in gates if gate.name == "rz"]
    parameters = ParameterVector("t", len(turns))
    circuit, free = QuantumCircuit(n), iter(parameters)
    for gate in gates:
        if gate.name == "rz":
            circuit.rz(next(free), gate.qubits[0])
        elif gate.name == "delay":
            circuit.delay(gate.offset, gate.qubits[0], unit="s")
        else:
            getattr(circuit, gate.name)(*gate.qubits)
    circuit.save_probabilities()
    units = np.angle(preparation_angles(x))
    values = np.array([[gate.angle(unit, circuits.angles[0]) for gate in turns] for unit in units])
    simulator = AerSimulator(
        method="density_matrix", noise_model=noise.to_aer(n, block), runtime_parameter_bind_enable=True
    )
    binds = [{parameter: values[:, index].tolist() for index, parameter in enumerate(parameters)}]
    result = simulator.run(circuit, parameter_binds=binds).result()
    if not result.success:
        raise CayleyError(f"Aer failed: {result.status}")
    p = np.array([result.data(index)["probabilities"] for index in range(len(x))])
    return p @ line.confusion().T
