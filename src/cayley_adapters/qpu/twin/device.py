"""What the server knows of a device, and what it checks and reckons before it accepts a job for it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.circuits.noise.backends import snapshot
from cayley_adapters.qpu.limits import MAX_EXECUTIONS
from cayley_adapters.qpu.twin.replies import Refusal

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.providers import BackendV2
    from qiskit_ibm_runtime.quantum_program import QuantumProgram
    from samplomatic.quantum_program import CircuitItem, SamplexItem

__all__ = [
    "JOB_SECONDS",
    "MAX_SECONDS",
    "Device",
    "Work",
    "decode_program",
    "device_named",
    "work_of",
]

MAX_SECONDS = 10_800.0
"""Quantum seconds after which the service ends any job: three hours."""

JOB_SECONDS = 2.0
"""Quantum seconds charged for loading a job, whatever it holds."""

SCHEMA = "v2.0"
"""The version of the executor's parameters that the installed Sampler sends."""


@dataclass(frozen=True, eq=False)
class Device:
    """A snapshot of a processor as its server describes it.

    Attributes:
        backend: The snapshot.
        configuration: What ``GET /backends/{name}/configuration`` answers.
        properties: What ``GET /backends/{name}/properties`` answers.
    """

    backend: BackendV2
    configuration: dict[str, Any]
    properties: dict[str, Any]

    @property
    def name(self) -> str:
        """The name under which the service knows it, such as ``fake_fez``."""
        return str(self.configuration["backend_name"])

    def shot_seconds(self, circuit: QuantumCircuit, rep_delay: float | None) -> float:
        """Return what one execution takes, in seconds: the circuit and the delay before the next."""
        delay = self.configuration["default_rep_delay"] * 1e-6 if rep_delay is None else rep_delay
        return float(delay + circuit.estimate_duration(self.backend.target, unit="s"))


@dataclass(frozen=True)
class Work:
    """What a job asks for.

    Attributes:
        executions: Bound circuits times shots, randomisations included.
        quantum_seconds: What a full run is charged.
        seed: Seed of its counts: the same content and service seed give the same.
    """

    executions: int
    quantum_seconds: float
    seed: int


@lru_cache(maxsize=8)
def device_named(name: str) -> Device:
    """Return the device of a snapshot such as ``FakeFez``.

    Raises:
        CayleyError: If there is no such snapshot.
    """
    backend = snapshot(name)
    configuration = backend._load_json(backend.conf_filename) | {"backend_name": backend.name}
    return Device(backend, configuration, backend._load_json(backend.props_filename) | {"backend_name": backend.name})


def decode_program(params: dict[str, Any]) -> tuple[QuantumProgram, float | None]:
    """Return the quantum program that a job's parameters describe, and its repetition delay in seconds.

    Raises:
        Refusal: If they do not describe one.
    """
    from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

    version = params.get("schema_version")
    if version != SCHEMA:
        raise Refusal(400, f"schema version {version!r} is not supported; send {SCHEMA}", 1215)
    converter = QUANTUM_PROGRAM_PARAMS_CONVERTERS[SCHEMA]
    try:
        program, options = converter.decoder(converter.model.model_validate(params))
    except Exception as error:  # whatever a damaged payload raises in three libraries' decoders
        raise Refusal(400, f"the parameters cannot be decoded: {error}", 1215) from error
    for item in program.items:
        if hasattr(item, "samplex"):
            item.samplex.finalize()  # a samplex that has travelled cannot be sampled before
    return program, options.execution.rep_delay


def work_of(params: dict[str, Any], device: Device, seed: int) -> Work:
    """Check a job's parameters against a device and the service's limits, and reckon what it takes.

    Args:
        params: The executor's parameters as JSON.
        device: The device that is to run it.
        seed: The service's seed.

    Raises:
        Refusal: If the service would not run it.
    """
    from qiskit_ibm_runtime.utils.utils import is_isa_circuit

    program, rep_delay = decode_program(params)
    if not program.items:
        raise Refusal(400, "the program is empty", 1215)
    if program.meas_level != "classified":
        raise Refusal(400, f"the measurement level {program.meas_level!r} is not supported; ask for 'classified'", 1215)
    most = device.configuration["max_shots"]
    if program.shots > most:
        raise Refusal(400, f"{program.shots} shots are more than the {most} that {device.name} allows", 1215)
    executions, seconds = 0, JOB_SECONDS
    for item in program.items:
        if problem := is_isa_circuit(item.circuit, device.backend.target):
            raise Refusal(400, f"{problem} Transpile the circuit for {device.name}.", 1517)
        if not all(np.isfinite(array).all() for _, array in _arrays(item)):
            raise Refusal(400, "a parameter is not finite", 1215)
        times = math.prod(item.shape) * program.shots
        executions += times
        seconds += times * device.shot_seconds(item.circuit, rep_delay)
    if executions > MAX_EXECUTIONS:
        raise Refusal(400, f"{executions} executions are more than the {MAX_EXECUTIONS} that a job may hold", 1216)
    return Work(executions, seconds, _seed_of(program, device.name, seed))


def _arrays(item: CircuitItem | SamplexItem) -> Iterable[tuple[str, np.ndarray]]:
    """Return the numbers that are bound to an item, by name."""
    if hasattr(item, "samplex_arguments"):
        given = {
            spec.name: item.samplex_arguments[spec.name]
            for spec in item.samplex_arguments.specs
            if spec.name in item.samplex_arguments
        }
        return [(name, value) for name, value in sorted(given.items()) if isinstance(value, np.ndarray)]
    return [] if item.circuit_arguments is None else [("circuit_arguments", item.circuit_arguments)]


def _seed_of(program: QuantumProgram, device: str, seed: int) -> int:
    """Hash what is measured: names of circuits and registers' identities differ between processes and do not count."""
    digest = hashlib.sha256(f"{seed} {device} {program.shots}".encode())
    for item in program.items:
        circuit = item.circuit
        digest.update(f"{tuple(item.shape)} {[(register.name, register.size) for register in circuit.cregs]}".encode())
        for instruction in circuit.data:
            operation = instruction.operation
            qubits = [circuit.find_bit(bit).index for bit in instruction.qubits]
            clbits = [circuit.find_bit(bit).index for bit in instruction.clbits]
            digest.update(f"{operation.name} {[str(p) for p in operation.params]} {qubits} {clbits}\n".encode())
        for name, array in _arrays(item):
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return int.from_bytes(digest.digest()[:8], "big") % 2**31
