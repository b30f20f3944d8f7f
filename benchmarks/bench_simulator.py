"""Blocks a second of the batched simulator, beside Aer in its fastest exact use, on the same noisy circuits.

    python benchmarks/bench_simulator.py

Aer: density matrix, native circuits, a noise model of just those qubits, parameters bound at run time.
"""

from __future__ import annotations

import platform
import time

import numpy as np
import psutil

from cayley_adapters.circuits import native_gates
from cayley_adapters.noise import DeviceNoise
from cayley_adapters.preparation import preparation_angles
from cayley_adapters.simulator import compile_angles, probabilities
from cayley_adapters.synthesis import block_angles

INPUTS, TOKENS, AER_CIRCUITS = 576, 1024, 2000


def rotations(count: int, d: int) -> np.ndarray:
    """Random rotations."""
    q, r = np.linalg.qr(np.random.default_rng(0).normal(size=(count, d, d)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    q[:, :, 0] *= np.sign(np.linalg.det(q))[:, None]
    return q


def ours(n: int, noise: DeviceNoise) -> float:
    """Blocks a second of one projection's blocks over many tokens, effects compiled before."""
    blocks = INPUTS // 2**n
    compiled = compile_angles(block_angles(rotations(blocks, 2**n)), noise)
    x = np.random.default_rng(1).normal(size=(TOKENS, blocks, 2**n)).astype(np.float32)
    probabilities(compiled, x)  # compiles the kernel
    times = []
    for _ in range(5):
        start = time.perf_counter()
        probabilities(compiled, x)
        times.append(time.perf_counter() - start)
    return TOKENS * blocks / float(np.median(times))


def aer(n: int, noise: DeviceNoise) -> float:
    """Circuits a second."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit_aer import AerSimulator

    gates = native_gates(n)
    angles = ParameterVector("t", sum(gate.name == "rz" for gate in gates))
    circuit, free = QuantumCircuit(n), iter(angles)
    for gate in gates:
        if gate.name == "rz":
            circuit.rz(next(free), gate.qubits[0])
        else:
            getattr(circuit, gate.name)(*gate.qubits)
    circuit.save_probabilities()
    x = np.random.default_rng(1).normal(size=(AER_CIRCUITS, 2**n))
    units, turns = np.angle(preparation_angles(x)), block_angles(rotations(1, 2**n))[0]
    values = np.array([[gate.angle(unit, turns) for gate in gates if gate.name == "rz"] for unit in units])
    simulator = AerSimulator(method="density_matrix", noise_model=noise.to_aer(n), runtime_parameter_bind_enable=True)
    binds = [{parameter: values[:, index].tolist() for index, parameter in enumerate(angles)}]
    simulator.run(circuit, parameter_binds=[{p: v[:10] for p, v in binds[0].items()}]).result()
    start = time.perf_counter()
    result = simulator.run(circuit, parameter_binds=binds).result()
    assert result.success, result.status
    return AER_CIRCUITS / (time.perf_counter() - start)


def main() -> None:
    noise = DeviceNoise.from_backend("FakeFez")
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, noise of FakeFez, float32, exact probabilities")
    print("qubits   ours (blocks/s)   Aer (blocks/s)   ratio")
    for n in (1, 2, 3):
        mine, referee = ours(n, noise), aer(n, noise)
        print(f"{n:6d}   {mine:15.3g}   {referee:14.3g}   {mine / referee:5.0f}")


if __name__ == "__main__":
    main()
