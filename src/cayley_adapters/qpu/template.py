"""One circuit for a whole device: the same native gates on many disjoint lines, RZ angles its only parameters.

An item is one slice with one block. With k lines, item i runs in parameter set i // k on line i % k. Since slice and
block only set RZ angles, every item of an ansatz runs in the same circuit, which is transpiled once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz
from cayley_adapters.circuits.gates import Gate, native_gates
from cayley_adapters.circuits.preparation import preparation_angles
from cayley_adapters.core.errors import CayleyError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.primitives import BitArray
    from qiskit.providers import BackendV2

    from cayley_adapters.circuits.blocks import BlockCircuits

__all__ = ["REGISTER", "PackedTemplate", "packed_template"]

REGISTER = "meas"
"""Name of the classical register: qubit j of line i is measured into bit i·n + j."""

_CHUNK = 1 << 23  # shots times lines that are counted at once
_templates: dict[tuple[str, Ansatz, tuple[tuple[int, ...], ...]], PackedTemplate] = {}


@dataclass(frozen=True, eq=False)
class PackedTemplate:
    """A packed circuit with free angles.

    Attributes:
        ansatz: The circuit of one line.
        lines: k disjoint lines of n qubits of the device.
        circuit: The circuit on all the device's qubits, in its native gates, with k·p parameters: the p free angles of
            line 0, of line 1, and so on.
    """

    ansatz: Ansatz
    lines: tuple[tuple[int, ...], ...]
    circuit: QuantumCircuit

    def sets(self, items: int) -> int:
        """Return how many parameter sets so many items take."""
        return -(-items // len(self.lines))

    def values(self, slices: np.ndarray, circuits: BlockCircuits, blocks: np.ndarray) -> np.ndarray:
        """Return the parameters under which the circuit runs given items.

        Args:
            slices: (N, d), of any norm; a zero slice is run as |0...0>.
            circuits: Synthesised blocks of the template's ansatz.
            blocks: (N,) which of them each slice goes through.

        Returns:
            (sets, k·p) float64, radians in [−π, π]. Lines without an item, at the end of the last set, run a zero
            slice through block angles 0.

        Raises:
            CayleyError: If shapes do not fit, or a block has another ansatz.
        """
        n, lines = self.ansatz.qubits, len(self.lines)
        slices, blocks = np.asarray(slices), np.asarray(blocks)
        if slices.ndim != 2 or slices.shape[1] != 2**n or blocks.shape != slices.shape[:1]:
            raise CayleyError(
                f"items of {n} qubits are slices (N, {2**n}) and block numbers (N,), "
                f"not {slices.shape} and {blocks.shape}"
            )
        lengths = np.unique(circuits.lengths[blocks])
        if any(circuits.ansatz.first(int(length)) != self.ansatz for length in lengths):
            raise CayleyError(
                f"blocks with {', '.join(map(str, lengths))} CZ gates do not fit this circuit, which has "
                f"{len(self.ansatz.couplers)}; give each group of BlockCircuits.groups() a template of its own"
            )
        free = _free_gates(self.ansatz)
        count = self.sets(len(slices)) * lines
        prepared = np.empty((count, max(gate.slice_slot or 0 for gate in free) + 1))
        prepared[: len(slices)] = np.angle(preparation_angles(slices))
        prepared[len(slices) :] = np.angle(preparation_angles(np.zeros((1, 2**n))))
        turned = np.zeros((count, self.ansatz.angles))
        turned[: len(slices)] = circuits.angles[blocks, : self.ansatz.angles]
        angles = np.empty((count, len(free)))
        for column, gate in zip(angles.T, free, strict=True):
            column[:] = gate.offset
            if gate.slice_slot is not None:
                column += gate.sign * prepared[:, gate.slice_slot]
            if gate.block_slot is not None:
                column += gate.sign * turned[:, gate.block_slot]
        return (np.pi - np.mod(np.pi - angles, 2 * np.pi)).reshape(-1, lines * len(free))

    def counts(self, bits: BitArray, items: int) -> np.ndarray:
        """Count what was measured.

        Args:
            bits: Of shape (sets,), k·n bits, with any number of shots.
            items: N, the number of items that were asked for.

        Returns:
            (N, d) int64; entry k of an item is how often its line read sum_j k_j 2^j.

        Raises:
            CayleyError: If the bits are not those of this circuit and so many items.
        """
        n, lines = self.ansatz.qubits, len(self.lines)
        if bits.shape != (self.sets(items),) or bits.num_bits != lines * n:
            raise CayleyError(
                f"{items} items on {lines} lines of {n} qubits give {self.sets(items)} sets of {lines * n} bits, "
                f"not {bits.shape} of {bits.num_bits}"
            )
        out = np.empty((len(bits.array), lines, 2**n), dtype=np.int64)
        step = max(1, _CHUNK // max(1, lines * bits.num_shots))
        for start in range(0, len(out), step):
            out[start : start + step] = _count(bits.array[start : start + step], lines, n)
        return out.reshape(-1, 2**n)[:items]


def packed_template(ansatz: Ansatz, lines: Iterable[Iterable[int]], backend: BackendV2) -> PackedTemplate:
    """Build and transpile the circuit of an ansatz on a device's lines, once for each device, ansatz and lines.

    Qiskit's pass manager checks and translates it for the device without routing, and its gates come out as they went
    in: RZ, SX and CZ of :func:`cayley_adapters.circuits.gates.native_gates` on each line.

    Args:
        ansatz: The circuit of a line.
        lines: Disjoint lines of neighbouring qubits.
        backend: The device.

    Raises:
        CayleyError: If lines overlap, have another length, or the device has no native gates on them.
    """
    own = tuple(tuple(int(q) for q in line) for line in lines)
    key = (backend.name, ansatz, own)
    if key not in _templates:
        _templates[key] = PackedTemplate(ansatz, own, _transpiled(_build(ansatz, own, backend), backend))
    return _templates[key]


def _free_gates(ansatz: Ansatz) -> list[Gate]:
    """Return the RZ gates of a line whose angles depend on the slice or the block."""
    return [gate for gate in native_gates(ansatz) if not (gate.slice_slot is None and gate.block_slot is None)]


def _build(ansatz: Ansatz, lines: tuple[tuple[int, ...], ...], backend: BackendV2) -> QuantumCircuit:
    from qiskit import QuantumCircuit
    from qiskit.circuit import ClassicalRegister, ParameterVector, QuantumRegister

    n, used = ansatz.qubits, [q for line in lines for q in line]
    if not lines or any(len(line) != n for line in lines) or len(set(used)) < len(used):
        raise CayleyError(f"a packed circuit needs disjoint lines of {n} qubits, not {[list(line) for line in lines]}")
    needed: list[tuple[int, ...]] = [(q,) for q in used]
    for qubits in [*needed, *(pair for line in lines for pair in pairwise(line))]:
        name = "cz" if len(qubits) == 2 else "sx"
        if not any(backend.target.instruction_supported(name, order) for order in (qubits, qubits[::-1])):
            raise CayleyError(f"{backend.name} has no native {name} on qubits {list(qubits)}; give other lines")
    circuit = QuantumCircuit(QuantumRegister(backend.num_qubits, "q"), ClassicalRegister(n * len(lines), REGISTER))
    free = iter(ParameterVector("angle", len(lines) * len(_free_gates(ansatz))))
    for line in lines:
        for gate in native_gates(ansatz):
            qubits = tuple(line[q] for q in gate.qubits)
            if gate.name == "rz":
                constant = gate.slice_slot is None and gate.block_slot is None
                circuit.rz(gate.offset if constant else next(free), *qubits)
            else:
                getattr(circuit, gate.name)(*qubits)
    circuit.measure(used, range(len(used)))
    return circuit


def _transpiled(circuit: QuantumCircuit, backend: BackendV2) -> QuantumCircuit:
    from qiskit.transpiler import generate_preset_pass_manager

    manager = generate_preset_pass_manager(
        optimization_level=0, backend=backend, initial_layout=list(range(backend.num_qubits)), routing_method="none"
    )
    out = manager.run(circuit)
    if _gates(out) != _gates(circuit):
        raise CayleyError(f"{backend.name} has other native gates than rz, sx and cz: transpiling changed the circuit")
    return out


def _gates(circuit: QuantumCircuit) -> Counter[tuple[str, frozenset[int]]]:
    """Count a circuit's gates on each set of qubits."""
    return Counter(
        (item.operation.name, frozenset(circuit.find_bit(bit).index for bit in item.qubits)) for item in circuit.data
    )


def _count(packed: np.ndarray, lines: int, n: int) -> np.ndarray:
    """Count outcomes (sets, lines, d) in packed bits (sets, shots, bytes), the last byte's lowest bit first."""
    (sets, _, size), d = packed.shape, 2**n
    out = np.empty((sets, lines, d), dtype=np.int64)
    base = d * np.arange(sets)[:, None]
    for line in range(lines):
        byte, shift = divmod(line * n, 8)
        word = packed[..., size - 1 - byte].astype(np.int64)
        if shift + n > 8:
            word |= packed[..., size - 2 - byte].astype(np.int64) << 8
        outcomes = (word >> shift & (d - 1)) + base
        out[:, line] = np.bincount(outcomes.ravel(), minlength=sets * d).reshape(sets, d)
    return out
