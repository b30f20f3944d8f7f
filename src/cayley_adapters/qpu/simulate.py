"""What a device returns for a quantum program, found with Qiskit Aer: whole packed circuits, shot by shot.

A packed circuit has more qubits than any density matrix, but most of them never meet. It is therefore split into its
unconnected parts, each a few qubits with the device's noise of exactly these: gates followed by depolarisation and
relaxation and delays by relaxation as in Aer's ``NoiseModel.from_backend``, readout flips asymmetric where the
device's properties give both directions (``from_backend`` reads the target, which has their mean only). Barriers
order what is done, and connect nothing.

Aer gives the exact probabilities of a part's outcomes, for all sets of parameters at once; shots are drawn from them
here, a hundred times faster than by Aer. Parts are independent, so shots of different parts are drawn independently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.gate_noise import confusions, gate_noise

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import CircuitInstruction, Parameter
    from qiskit.providers import BackendV2
    from qiskit_aer import AerSimulator
    from qiskit_ibm_runtime.quantum_program import QuantumProgram
    from samplomatic.quantum_program import QuantumProgramItem

__all__ = ["LARGEST_PART", "run_program"]

LARGEST_PART = 10
"""Qubits of the largest connected part that is simulated: its density matrix has 4^10 entries."""

_SETS = 4096  # parameter sets that Aer is given at once, which bounds the memory of its results


@dataclass(frozen=True)
class Running:
    """A device as it runs.

    Attributes:
        backend: With a calibrated target.
        hidden: How it differs from its calibration.
    """

    backend: BackendV2
    hidden: Hidden


@dataclass(frozen=True)
class Part:
    """Qubits of a circuit that never meet the others, and what is done to them.

    Attributes:
        qubits: Their numbers on the device.
        instructions: Gates and delays before the measurement, in the order of time.
        measured: The measured ones of the qubits, as places in ``qubits``.
        clbits: Numbers of the classical bits that they are measured into.
    """

    qubits: tuple[int, ...]
    instructions: tuple[CircuitInstruction, ...]
    measured: tuple[int, ...]
    clbits: tuple[int, ...]


def run_program(
    program: QuantumProgram, backend: BackendV2, seed: int, split: bool = True, hidden: Hidden = NOTHING
) -> list[dict[str, np.ndarray]]:
    """Run a program as the device would, with its calibrated noise, and with what its calibration does not say.

    Args:
        program: Items with circuits in the backend's native gates, which are measured once, at their end.
        backend: A device with a calibrated target.
        seed: Of the shots and of the twirling; the same seed gives the same results.
        split: Whether unconnected parts are simulated apart; if not, Aer runs all qubits in use at once and draws the
            shots itself, which takes long from about 10 of them.
        hidden: How the device differs from its calibration.

    Returns:
        For each item what the device returns: for each classical register (item's shape, shots, bits) bool, bit 0
        first, and for twirled items what undoes the twirling (``measurement_flips.…``).

    Raises:
        CayleyError: If a circuit cannot be simulated here: it has other gates, measures before its end, or connects
            more than 10 qubits.
    """
    if program.meas_level != "classified":
        raise CayleyError(f"measurement level '{program.meas_level}' is not simulated; only 'classified' is")
    generator = np.random.default_rng(seed)
    results = []
    for item in program.items:
        values, extra = _parameter_values(item, generator)
        run = _run_split if split else _run_whole
        bits = run(item.circuit, values, program.shots, Running(backend, hidden), generator)
        shaped = {name: array.reshape(*item.shape, *array.shape[1:]) for name, array in bits.items()}
        results.append(extra | shaped)
    return results


def _parameter_values(
    item: QuantumProgramItem, generator: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return (sets, parameters) of an item, and what its twirling adds to the results."""
    from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample
    from samplomatic.quantum_program import SamplexItem

    extra: dict[str, np.ndarray] = {}
    if isinstance(item, SamplexItem):
        extra = broadcast_sample(item.samplex, item.samplex_arguments, item.shape, generator)
        values = extra.pop("parameter_values")
    else:
        values = item.circuit_arguments
    return values.reshape(math.prod(item.shape), -1), extra


def _run_split(
    circuit: QuantumCircuit, values: np.ndarray, shots: int, device: Running, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Simulate the parts of a circuit one by one."""
    out = {r.name: np.zeros((len(values), shots, r.size), dtype=bool) for r in circuit.cregs}
    places = [circuit.find_bit(bit).registers for bit in circuit.clbits]
    for part in _parts(circuit):
        outcomes = _draw(_probabilities(circuit, part, values, device), len(values), shots, generator)
        for j, clbit in enumerate(part.clbits):
            for register, index in places[clbit]:
                out[register.name][..., index] = outcomes >> j & 1
    return out


def _run_whole(
    circuit: QuantumCircuit, values: np.ndarray, shots: int, device: Running, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Leave all qubits in use at once, and the drawing of shots, to Aer's own sampler."""
    from qiskit import QuantumCircuit, QuantumRegister
    from qiskit_aer import AerSimulator
    from qiskit_aer.primitives import SamplerV2

    used = [instruction for instruction in circuit.data if instruction.operation.name != "barrier"]
    qubits = sorted({circuit.find_bit(qubit).index for instruction in used for qubit in instruction.qubits})
    place = {circuit.qubits[q]: i for i, q in enumerate(qubits)}
    small = QuantumCircuit(QuantumRegister(len(qubits)), *circuit.cregs)
    for instruction in used:
        small.append(instruction.operation, [place[qubit] for qubit in instruction.qubits], instruction.clbits)
    names = {_native(circuit, instruction, device.backend) for instruction in used}
    noise = gate_noise(device.backend, tuple(qubits), names, device.hidden)
    for qubit, table in enumerate(confusions(device.backend, device.hidden)[qubits]):
        noise.add_readout_error(table.T, [qubit])
    simulator = AerSimulator(method="density_matrix", noise_model=noise)
    sampler = SamplerV2.from_backend(simulator, seed=int(generator.integers(2**31)))
    data = sampler.run([(small, values)], shots=shots).result()[0].data
    return {name: array.to_bool_array(order="little") for name, array in data.items()}


def _parts(circuit: QuantumCircuit) -> list[Part]:
    """Split a circuit into its unconnected parts; those that are not measured are left out."""
    import rustworkx

    number = {bit: i for i, bit in enumerate([*circuit.qubits, *circuit.clbits])}
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(len(number)))
    used = [instruction for instruction in circuit.data if instruction.operation.name != "barrier"]
    for instruction in used:
        first, *others = [number[bit] for bit in (*instruction.qubits, *instruction.clbits)]
        graph.add_edges_from_no_data([(first, other) for other in others])
    groups = sorted(sorted(nodes) for nodes in rustworkx.connected_components(graph))
    owner = {node: i for i, nodes in enumerate(groups) for node in nodes}
    contents: list[list[CircuitInstruction]] = [[] for _ in groups]
    for instruction in used:
        contents[owner[number[instruction.qubits[0]]]].append(instruction)
    return [
        _part(circuit, tuple(node for node in nodes if node < circuit.num_qubits), content)
        for nodes, content in zip(groups, contents, strict=True)
        if any(instruction.operation.name == "measure" for instruction in content)
    ]


def _part(circuit: QuantumCircuit, qubits: tuple[int, ...], content: list[CircuitInstruction]) -> Part:
    """Tell a part's gates from its measurements, which must come last on their qubits."""
    if len(qubits) > LARGEST_PART:
        raise CayleyError(
            f"the circuit connects {len(qubits)} qubits ({qubits[0]}, {qubits[1]}, ...); parts of up to {LARGEST_PART} "
            "are simulated: pack lines that no gate joins"
        )
    gates, measured = [], {}
    for instruction in content:
        name, place = instruction.operation.name, circuit.find_bit(instruction.qubits[0]).index
        over = any(circuit.find_bit(bit).index in measured for bit in instruction.qubits)
        if name == "measure" and not over:
            measured[place] = circuit.find_bit(instruction.clbits[0]).index
        elif over and name != "delay":
            raise CayleyError(f"qubit {place} has a '{name}' after its measurement; only final ones are simulated")
        elif not over:
            gates.append(instruction)
    if len(set(measured.values())) < len(measured):
        raise CayleyError("two qubits are measured into one classical bit; give each its own")
    return Part(qubits, tuple(gates), tuple(qubits.index(q) for q in measured), tuple(measured.values()))


def _probabilities(circuit: QuantumCircuit, part: Part, values: np.ndarray, device: Running) -> np.ndarray:
    """Return what a part's measurements give, (sets, 2^measured), or (1, …) where it has no parameters."""
    from qiskit import QuantumCircuit

    small = QuantumCircuit(len(part.qubits))
    place = {circuit.qubits[q]: i for i, q in enumerate(part.qubits)}
    for instruction in part.instructions:
        small.append(instruction.operation, [place[qubit] for qubit in instruction.qubits])
    names = {_native(circuit, instruction, device.backend) for instruction in part.instructions}
    small.save_probabilities(part.measured)
    columns = {parameter: i for i, parameter in enumerate(circuit.parameters) if parameter in small.parameters}
    simulator = _simulator(device, part.qubits, tuple(sorted(names)))
    p = np.concatenate(
        [
            _run_sets(
                simulator, small, {parameter: values[start : start + _SETS, i] for parameter, i in columns.items()}
            )
            for start in (range(0, len(values), _SETS) if columns else [0])
        ]
    )
    for j, q in enumerate(part.measured):
        confusion = confusions(device.backend, device.hidden)[part.qubits[q]]
        p = np.einsum("ab,shbl->shal", confusion, p.reshape(len(p), -1, 2, 2**j))
    return p.reshape(len(p), -1)


def _run_sets(simulator: AerSimulator, circuit: QuantumCircuit, binds: Mapping[Parameter, np.ndarray]) -> np.ndarray:
    """Return the saved probabilities (sets, outcomes) of a circuit for all sets of its parameters."""
    values = {parameter: column.tolist() for parameter, column in binds.items()}
    result = simulator.run(circuit, parameter_binds=[values] if values else None, shots=1).result()
    if not result.success:
        raise CayleyError(f"Aer failed: {result.status}")
    return np.array([entry.data.probabilities for entry in result.results])


def _draw(p: np.ndarray, sets: int, shots: int, generator: np.random.Generator) -> np.ndarray:
    """Draw outcomes (sets, shots), in random order, from probabilities (sets, outcomes) or (1, outcomes)."""
    p = np.broadcast_to(np.maximum(p, 0), (sets, p.shape[1]))
    counts = generator.multinomial(shots, p / p.sum(axis=1, keepdims=True))
    outcomes = np.tile(np.arange(p.shape[1], dtype=np.uint16), sets)
    return generator.permuted(np.repeat(outcomes, counts.ravel()).reshape(sets, shots), axis=1)


def _native(circuit: QuantumCircuit, instruction: CircuitInstruction, backend: BackendV2) -> str:
    """Return an instruction's name, and refuse what the device cannot do: Aer would run it, without noise."""
    qubits = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
    name: str = instruction.operation.name
    if hasattr(instruction.operation, "blocks") or not backend.target.instruction_supported(name, qubits):
        raise CayleyError(
            f"{backend.name} has no native '{name}' on qubits {list(qubits)}; transpile the circuit for it"
        )
    return name


@lru_cache(maxsize=1024)
def _simulator(device: Running, qubits: tuple[int, ...], names: tuple[str, ...]) -> AerSimulator:
    """Return a simulator of some of a device's qubits, with the noise of the named gates."""
    from qiskit_aer import AerSimulator

    return AerSimulator(
        method="density_matrix",
        noise_model=gate_noise(device.backend, qubits, names, device.hidden),
        runtime_parameter_bind_enable=True,
        max_parallel_threads=1,
    )
