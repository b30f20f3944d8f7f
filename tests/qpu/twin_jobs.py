"""Small jobs for the twin: a parametric circuit on two qubits of FakeFez, and samplers in and outside a batch."""

from __future__ import annotations

import numpy as np
from qiskit.circuit import ClassicalRegister, ParameterVector, QuantumCircuit, QuantumRegister
from qiskit_ibm_runtime.executor_sampler import Sampler

TAG = "cayley-0123456789abcdef"


def circuit() -> QuantumCircuit:
    """Return a native circuit on qubits 0 and 1 of the device, with two parameters and the register ``meas``."""
    theta = ParameterVector("theta", 2)
    built = QuantumCircuit(QuantumRegister(156), ClassicalRegister(2, "meas"))
    for q in (0, 1):
        built.sx(q)
        built.rz(theta[q], q)
        built.sx(q)
    built.cz(0, 1)
    built.sx(1)
    built.measure([0, 1], [0, 1])
    return built


def values(sets: int = 3) -> np.ndarray:
    """Return parameter values (sets, 2) in radians."""
    return np.linspace(0.1, 2.9, 2 * sets).reshape(sets, 2)


def sampler(mode, tag: str = TAG) -> Sampler:
    """Return a sampler on a backend or batch that tags its jobs."""
    made = Sampler(mode=mode)
    made.options.environment.job_tags = [tag]
    return made


def send(mode, tag: str = TAG, sets: int = 3, shots: int = 50):
    """Submit a job."""
    return sampler(mode, tag).run([(circuit(), values(sets), shots)])
