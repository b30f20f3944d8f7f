"""The circuits: one fixed skeleton for each number of qubits, in which slices and blocks only set RZ angles.

A slice x of dimension d = 2^n is amplitude-encoded on n qubits (element k is basis state k = sum_j k_j 2^j, qubit 0
least significant), a block q in SO(d) follows, then every qubit is measured. All of it is RY rotations and CZ gates
on the line 0-1-...-(n-1). :func:`skeleton` lists these gates, :func:`native_gates` lowers them to what a Heron device
executes, and both the Qiskit circuit and the simulator's program are read off these two lists, so they cannot differ.

Native RY. With RZ virtual and X' = SX, up to a global phase and in the order of time ::

    RY(t) = SX, RZ(t + pi), SX, RZ(pi)

(McKay et al., Phys. Rev. A 96, 022330 (2017), eq. 6 with phi = lambda = 0). The closing RZ(pi) is a Z, which commutes
with CZ and RZ and passes the next rotation of its qubit as RY(t) Z = Z RY(-t). It is therefore never executed: every
second RY of a qubit has its angle negated, and one closing RZ(pi) remains for a qubit with an odd number of them.
RY(pi/2)|0> is SX, RZ(pi/2).

The last RY layer of the preparation and the first one of the block act on the same qubits and are merged:
RY(b) RY(a) = RY(a + b), one RZ with the sum of two angles, the only gate in which slice and block meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from cayley_adapters.errors import CayleyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from qiskit import QuantumCircuit

    from cayley_adapters.noise import DeviceNoise

__all__ = [
    "CircuitSummary",
    "Gate",
    "block_circuit",
    "block_slots",
    "circuit_summary",
    "native_gates",
    "qubits_of",
    "skeleton",
]

BLOCK_LAYERS = {1: 0, 2: 2, 3: 14}
"""CZ gates of a block on n qubits: none for SO(2), 2 for SO(4) and 14 for SO(8)."""


@dataclass(frozen=True)
class Gate:
    """One gate of a skeleton.

    The angle of an ``ry`` or ``rz`` gate, in radians, is ``sign * (slice angle + block angle) + offset``, where a
    missing slot counts as 0.

    Attributes:
        name: ``ry``, ``plus`` (RY(pi/2) on |0>) and ``cz`` in :func:`skeleton`; ``rz``, ``sx`` and ``cz`` in
            :func:`native_gates`.
        qubits: The qubits acted on; the lower first.
        slice_slot: Index into the slice's preparation angles, or None.
        block_slot: Index into the block's angles, or None.
        sign: +1 or -1.
        offset: Constant part of the angle in radians.
    """

    name: Literal["ry", "plus", "rz", "sx", "cz"]
    qubits: tuple[int, ...]
    slice_slot: int | None = None
    block_slot: int | None = None
    sign: int = 1
    offset: float = 0.0

    def angle(self, slice_angles: np.ndarray, block_angles: np.ndarray) -> float:
        """Return the gate's angle in radians for given slice and block angles."""
        total = 0.0 if self.slice_slot is None else float(slice_angles[self.slice_slot])
        total += 0.0 if self.block_slot is None else float(block_angles[self.block_slot])
        return self.sign * total + self.offset


@dataclass(frozen=True)
class CircuitSummary:
    """Size of the native circuit for one slice and one block, preparation included.

    Attributes:
        qubits: Number of qubits n.
        cz: Two-qubit gates.
        sx: Square-root-of-X pulses.
        rz: Virtual Z rotations, which take no time and have no error.
        depth: What ``QuantumCircuit.depth()`` gives for the native circuit: RZ and the measurement are counted.
    """

    qubits: int
    cz: int
    sx: int
    rz: int
    depth: int


def qubits_of(d: int) -> int:
    """Return the number of qubits n of a block dimension d = 2^n.

    Raises:
        CayleyError: If circuits do not exist for this dimension.
    """
    sizes = {2**n: n for n in BLOCK_LAYERS}
    if d not in sizes:
        raise CayleyError(f"block dimension {d} cannot be run as a circuit; block dimensions 2, 4 and 8 can")
    return sizes[d]


def block_slots(n: int) -> int:
    """Return the number of angles of a block on n qubits: 1, 6 and 31 for n = 1, 2, 3."""
    return n + 2 * BLOCK_LAYERS[n]


@cache
def skeleton(n: int) -> tuple[Gate, ...]:
    """Return the circuit on n qubits as RY and CZ gates in the order of time.

    The preparations are those of :mod:`cayley_adapters.preparation`, the blocks those of
    :mod:`cayley_adapters.synthesis`.

    Args:
        n: Number of qubits, 1 to 3.

    Returns:
        The gates ``plus``, ``ry`` and ``cz``, the same for every slice and every block.
    """
    qubits_of(2**n)
    ry, cz = _ry, _cz
    gates = [Gate("plus", (q,)) for q in range(1, n)]
    if n == 2:
        gates += [ry(0, 0), cz(0)]
    elif n == 3:
        gates += [ry(0, 0), cz(0), ry(1, 1), cz(1), ry(1, 2), ry(2, 3), cz(1)]
    used = sum(gate.slice_slot is not None for gate in gates)
    gates += [ry(q, used + q, q) for q in range(n)]
    for layer in range(BLOCK_LAYERS[n]):
        low = layer % (n - 1)
        gates += [cz(low), ry(low, None, n + 2 * layer), ry(low + 1, None, n + 2 * layer + 1)]
    return tuple(gates)


def _ry(qubit: int, slice_slot: int | None, block_slot: int | None = None) -> Gate:
    return Gate("ry", (qubit,), slice_slot, block_slot)


def _cz(low: int) -> Gate:
    return Gate("cz", (low, low + 1))


@cache
def native_gates(n: int) -> tuple[Gate, ...]:
    """Return the circuit on n qubits as RZ, SX and CZ gates in the order of time.

    All gates before the merged RZ gates (those with a slice and a block slot, which stand together) depend on the
    slice alone, all gates after them on the block alone.

    Args:
        n: Number of qubits, 1 to 3.

    Returns:
        The native gates, the same for every slice and every block.
    """
    sign = [1] * n
    before, merged, after = [], [], []
    for gate in skeleton(n):
        (qubit, *_), part = gate.qubits, after if merged else before
        sx = Gate("sx", gate.qubits)
        if gate.name == "cz":
            part.append(gate)
        elif gate.name == "plus":
            part += [sx, Gate("rz", gate.qubits, offset=math.pi / 2)]
        else:
            turn = Gate("rz", gate.qubits, gate.slice_slot, gate.block_slot, sign[qubit], math.pi)
            sign[qubit] = -sign[qubit]
            if gate.slice_slot is not None and gate.block_slot is not None:
                before.append(sx)
                merged.append(turn)
                after.append(sx)
            else:
                part += [sx, turn, sx]
    after += [Gate("rz", (q,), offset=math.pi) for q in range(n) if sign[q] < 0]
    return (*before, *merged, *after)


@cache
def circuit_summary(n: int) -> CircuitSummary:
    """Count the gates of the native circuit on n qubits.

    Args:
        n: Number of qubits, 1 to 3.

    Returns:
        Gate counts and depth, preparation, block and measurement included.
    """
    gates = native_gates(n)
    level = [0] * n
    for gate in gates:
        top = 1 + max(level[q] for q in gate.qubits)
        for q in gate.qubits:
            level[q] = top
    names = [gate.name for gate in gates]
    return CircuitSummary(n, names.count("cz"), names.count("sx"), names.count("rz"), max(level) + 1)


def block_circuit(q: ArrayLike, x: ArrayLike, noise: DeviceNoise | None = None) -> QuantumCircuit:
    """Build the circuit that prepares a slice, applies a block and measures every qubit.

    Args:
        q: Block, (d, d), orthogonal with determinant +1, acting as ``q @ x``; d = 2, 4 or 8. A float32 block stands
            for the nearest orthogonal matrix.
        x: Slice, (d,), real, of any norm; only x/|x| matters, and a zero slice is run as |0...0>.
        noise: With a device the circuit has its native gates rz, sx and cz: the very circuit that the simulator
            runs. Without one it has ry and cz gates.

    Returns:
        A circuit on qubits 0 to n-1, measured into classical bits 0 to n-1.

    Raises:
        CayleyError: If the shapes do not fit, the block is no rotation or its dimension has no circuit.
    """
    from qiskit import QuantumCircuit

    from cayley_adapters.preparation import preparation_angles
    from cayley_adapters.synthesis import block_angles

    q, x = np.asarray(q), np.asarray(x)
    if x.ndim != 1 or q.shape != (x.size, x.size):
        raise CayleyError(f"a circuit needs a block (d, d) and a slice (d,), not {q.shape} and {x.shape}")
    n = qubits_of(x.size)
    units = preparation_angles(x[None])[0]
    angles = np.angle(units), block_angles(q[None])[0]
    circuit = QuantumCircuit(n, n)
    for gate in skeleton(n) if noise is None else native_gates(n):
        if gate.name == "plus":
            circuit.ry(math.pi / 2, gate.qubits[0])
        elif gate.name in ("ry", "rz"):
            getattr(circuit, gate.name)(gate.angle(*angles), gate.qubits[0])
        else:
            getattr(circuit, gate.name)(*gate.qubits)
    circuit.measure(range(n), range(n))
    return circuit
