"""The circuits: one fixed skeleton for each ansatz, in which slices and blocks only set RZ angles.

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
from typing import Literal

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz, full

__all__ = ["CircuitSummary", "Gate", "circuit_summary", "native_gates", "skeleton"]


@dataclass(frozen=True)
class Gate:
    """One gate of a skeleton.

    The angle of an ``ry`` or ``rz`` gate, in radians, is ``sign * (slice angle + block angle) + offset``, where a
    missing slot counts as 0.

    Attributes:
        name: ``ry``, ``plus`` (RY(pi/2) on |0>) and ``cz`` in :func:`skeleton`; ``rz``, ``sx`` and ``cz`` in
            :func:`native_gates`, and ``delay`` in a scheduled circuit.
        qubits: The qubits acted on; the lower first.
        slice_slot: Index into the slice's preparation angles, or None.
        block_slot: Index into the block's angles, or None.
        sign: +1 or -1.
        offset: Constant part of the angle in radians; the duration of a delay in seconds.
    """

    name: Literal["ry", "plus", "rz", "sx", "cz", "delay"]
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


def _ry(qubit: int, slice_slot: int | None = None, block_slot: int | None = None, offset: float = 0.0) -> Gate:
    return Gate("ry", (qubit,), slice_slot, block_slot, 1, offset)


def _cz(low: int) -> Gate:
    return Gate("cz", (low, low + 1))


def _so4(low: int, slots: range, offsets: tuple[float, float] = (0.0, 0.0)) -> list[Gate]:
    """Return a rotation of two qubits but for its closing RY layer; the offsets add to its first one."""
    a0, b0, a1, b1 = slots
    first = [_ry(low, a0, None, offsets[0]), _ry(low + 1, b0, None, offsets[1])]
    return [*first, _cz(low), _ry(low, a1), _ry(low + 1, b1), _cz(low)]


def _so8(low: int, slot: int, offsets: tuple[float, float]) -> list[Gate]:
    """Return a rotation of three qubits but for the last RY of each; the offsets add to the first ones."""
    gates = [_ry(low, slot, None, offsets[0]), _ry(low + 1, slot + 1, None, offsets[1]), _ry(low + 2, slot + 2)]
    slot, couplers = slot + 3, full(3).couplers
    for layer, coupler in enumerate(couplers):
        gates.append(_cz(low + coupler))
        for qubit in (coupler, coupler + 1):
            if any(qubit in (later, later + 1) for later in couplers[layer + 1 :]):
                gates.append(_ry(low + qubit, slot))
                slot += 1
    return gates


def _preparation(n: int) -> list[Gate]:
    """Return the preparation's gates but for its last RY layer, see :mod:`cayley_adapters.circuits.preparation`."""
    gates = [Gate("plus", (q,)) for q in range(1, min(n, 4))]
    if n == 2:
        gates += [_ry(0, 0), _cz(0)]
    elif n == 3:
        gates += [_ry(0, 0), _cz(0), _ry(1, 1), _cz(1), _ry(1, 2), _ry(2, 3), _cz(1)]
    elif n >= 4:
        quarter = math.pi / 2
        gates += [_ry(0, 0), _cz(0), _ry(0, 1), _ry(1, 2), _cz(1), _ry(2, offset=-quarter), _cz(2)]
        gates += [_ry(1, offset=-quarter), _cz(0), _ry(1, offset=quarter), _ry(2, offset=-quarter), _cz(1)]
        gates += _so4(0, range(3, 7))
        offsets = (quarter, -quarter)
        gates += _so4(2, range(7, 11), offsets) if n == 4 else _so8(2, 7, offsets)
    return gates


@cache
def skeleton(ansatz: Ansatz) -> tuple[Gate, ...]:
    """Return the circuits of an ansatz as RY and CZ gates in the order of time.

    The preparations are those of :mod:`cayley_adapters.circuits.preparation`, the blocks those of
    :mod:`cayley_adapters.circuits.synthesis`.

    Returns:
        The gates ``plus``, ``ry`` and ``cz``, the same for every slice and every block.
    """
    n = ansatz.qubits
    gates = _preparation(n)
    used = sum(gate.slice_slot is not None for gate in gates)
    gates += [_ry(q, used + q, q) for q in range(n)]
    for layer, low in enumerate(ansatz.couplers):
        gates += [_cz(low), _ry(low, None, n + 2 * layer), _ry(low + 1, None, n + 2 * layer + 1)]
    return tuple(gates)


@cache
def native_gates(ansatz: Ansatz) -> tuple[Gate, ...]:
    """Return the circuits of an ansatz as RZ, SX and CZ gates in the order of time.

    All gates before the merged RZ gates (those with a slice and a block slot, which stand together) depend on the
    slice alone, all gates after them on the block alone.

    Returns:
        The native gates, the same for every slice and every block.
    """
    n = ansatz.qubits
    sign = [1] * n
    before, merged, after = list[Gate](), list[Gate](), list[Gate]()
    for gate in skeleton(ansatz):
        (qubit, *_), part = gate.qubits, after if merged else before
        sx = Gate("sx", gate.qubits)
        if gate.name == "cz":
            part.append(gate)
        elif gate.name == "plus":
            part += [sx, Gate("rz", gate.qubits, offset=math.pi / 2)]
        else:
            offset = sign[qubit] * gate.offset + math.pi
            turn = Gate("rz", gate.qubits, gate.slice_slot, gate.block_slot, sign[qubit], offset)
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
def circuit_summary(ansatz: Ansatz) -> CircuitSummary:
    """Count the gates of an ansatz' native circuit, preparation, block and measurement included."""
    gates = native_gates(ansatz)
    level = [0] * ansatz.qubits
    for gate in gates:
        top = 1 + max(level[q] for q in gate.qubits)
        for q in gate.qubits:
            level[q] = top
    names = [gate.name for gate in gates]
    return CircuitSummary(ansatz.qubits, names.count("cz"), names.count("sx"), names.count("rz"), max(level) + 1)
