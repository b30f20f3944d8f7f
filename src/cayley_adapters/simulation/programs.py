"""Circuits as programs: operations on vectors of Pauli expectation values, with the noise of a line of qubits.

In this picture every native gate with its noise is a few multiplications (Greenbaum, arXiv:1509.02921, section 2): SX
and CZ permute the components, RZ rotates X and Y, depolarisation shrinks all but the identity, relaxation shrinks X and
Y and mixes I into Z.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz
from cayley_adapters.circuits.gates import Gate, native_gates
from cayley_adapters.circuits.noise.channels import Channel, cz_channel, delay_channel, sx_channel
from cayley_adapters.circuits.noise.schedule import scheduled
from cayley_adapters.kernels.pauli import CZ, OVER_X, OVER_ZZ, RELAX, RELAX_T, RZ, SX, SX_T, run

if TYPE_CHECKING:
    from cayley_adapters.circuits.noise.calibration import Line

__all__ = [
    "LARGEST",
    "Preparation",
    "Program",
    "all_in_one",
    "preparation_of",
    "program_of",
    "readout_effects",
    "rz_angles",
    "transposed",
    "turn_coefficients",
]

LARGEST = 4
"""Qubits of the largest blocks that are simulated."""


@dataclass(frozen=True)
class Program:
    """Operations on Pauli vectors, see :func:`cayley_adapters.kernels.pauli.run`.

    Attributes:
        operations: (m, 3) integers: operation, qubit, second qubit or row of the angle.
        figures: (m, 3) noise figures.
        turns: The RZ gates, in the order of the angles' rows.
        size: 4^n.
    """

    operations: np.ndarray
    figures: np.ndarray
    turns: tuple[Gate, ...]
    size: int


@dataclass(frozen=True)
class Preparation:
    """The preparation's part of the circuit: the Pauli vector after its constant gates, then a program."""

    initial: np.ndarray
    program: Program


def _program(gates: Iterable[Gate], line: Line | None, n: int) -> Program:
    """Translate gates, with the noise of a line of qubits after each, to operations in the order of time."""
    rows: list[tuple[int, int, int, float, float, float]] = []
    turns: list[Gate] = []
    for gate in gates:
        q = gate.qubits[0]
        if gate.name == "rz":
            rows.append((RZ, q, len(turns), 0.0, 0.0, 0.0))
            turns.append(gate)
        elif gate.name == "sx":
            noise = Channel(1.0, (1.0,), (1.0,)) if line is None else sx_channel(line, q)
            a, b = noise.transverse[0], noise.longitudinal[0]
            after_sx = (noise.keep * a, noise.keep * b, 1 - b)
            if noise.turn:
                turned = (OVER_X, q, 0, *noise.rotation, 0.0)
                rows += [(SX, q, 0, 1.0, 1.0, 0.0), turned, (RELAX, q, 0, *after_sx)]
            else:
                rows.append((SX, q, 0, *after_sx))
        elif gate.name == "delay":
            assert line is not None  # only the schedule of a line has delays
            noise = delay_channel(line, q, gate.offset)
            rows.append((RELAX, q, 0, noise.transverse[0], noise.longitudinal[0], 1 - noise.longitudinal[0]))
        else:
            after = None if line is None else cz_channel(line, q)
            rows.append((CZ, q, q + 1, 1.0 if after is None else after.keep, 0.0, 0.0))
            if after is not None:
                if after.turn:
                    rows.append((OVER_ZZ, q, q + 1, *after.rotation, 0.0))
                pairs = zip(gate.qubits, after.transverse, after.longitudinal, strict=True)
                rows += [(RELAX, qubit, 0, a, b, 1 - b) for qubit, a, b in pairs]
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Program(table[:, :3].astype(np.int64), np.ascontiguousarray(table[:, 3:]), tuple(turns), 4**n)


def transposed(program: Program) -> Program:
    """Return the transposed program, for effects; its RZ angles are negated."""
    operations = program.operations[::-1].copy()
    operations[program.operations[::-1, 0] == SX, 0] = SX_T
    operations[program.operations[::-1, 0] == RELAX, 0] = RELAX_T
    figures = program.figures[::-1].copy()
    figures[np.isin(operations[:, 0], (OVER_X, OVER_ZZ)), 1] *= -1
    return Program(operations, figures, program.turns, program.size)


def split_gates(ansatz: Ansatz, line: Line | None) -> tuple[list[Gate], list[Gate], list[Gate]]:
    """Return the native gates that are constant, that depend on the slice, and that depend on the block.

    The merged RZ gates are in both of the last lists: the first holds their offset and takes the slice's angle, the
    second takes the block's angle.
    """
    gates = native_gates(ansatz) if line is None else scheduled(native_gates(ansatz), line)
    first = next(i for i, gate in enumerate(gates) if gate.slice_slot is not None)
    merged = [i for i, gate in enumerate(gates) if gate.slice_slot is not None and gate.block_slot is not None]
    block = [Gate("rz", gates[i].qubits, None, gates[i].block_slot, gates[i].sign) for i in merged]
    return list(gates[:first]), list(gates[first : merged[-1] + 1]), block + list(gates[merged[-1] + 1 :])


def preparation_of(ansatz: Ansatz, line: Line | None) -> Preparation:
    """Compile the preparation on a line of qubits."""
    constant, sliced, _ = split_gates(ansatz, line)
    program = _program(constant, line, ansatz.qubits)
    angles = np.array([gate.offset for gate in program.turns]).reshape(-1, 1)
    state: np.ndarray = np.ones(1)
    for _ in range(ansatz.qubits):
        state = np.kron(state, [1.0, 0.0, 0.0, 1.0])
    state = state.reshape(-1, 1).copy()
    run(program.operations, program.figures, np.cos(angles), np.sin(angles), state, 1)
    return Preparation(state[:, 0].copy(), _program(sliced, line, ansatz.qubits))


def program_of(ansatz: Ansatz, line: Line | None) -> Program:
    """Compile the block's part of the circuit on a line of qubits."""
    return _program(split_gates(ansatz, line)[2], line, ansatz.qubits)


def readout_effects(n: int, line: Line | None) -> np.ndarray:
    """Return the effects (d, 4^n) of measuring with readout flips."""
    ideal: np.ndarray = np.ones((1, 1))
    for _ in range(n):
        ideal = np.kron(ideal, 0.5 * np.array([[1.0, 0, 0, 1], [1, 0, 0, -1]]))
    return ideal if line is None else line.confusion() @ ideal


def all_in_one(line: Line, turns: int) -> np.ndarray:
    """Return the Pauli vector (4^n,) of qubits that each start in 0 and take so many SX: 2 prepare 1."""
    n = len(line.qubits)
    program = _program([Gate("sx", (q,)) for q in range(n)] * turns, line, n)
    state: np.ndarray = np.ones(1)
    for _ in range(n):
        state = np.kron(state, [1.0, 0.0, 0.0, 1.0])
    state = state.reshape(-1, 1).copy()
    none = np.zeros((0, 1))
    run(program.operations, program.figures, none, none, state, 1)
    return state[:, 0]


def rz_angles(gate: Gate, angles: np.ndarray) -> np.ndarray:
    """Return a gate's RZ angle (B,) for block angles (B, m)."""
    if gate.block_slot is None:
        return np.full(len(angles), gate.offset)
    return gate.sign * angles[:, gate.block_slot] + gate.offset


def turn_coefficients(program: Program) -> np.ndarray:
    """Return (turns, 4): cosine and sine of sign t + offset as combinations of cos t and sin t, in this order."""
    rows = [
        (math.cos(g.offset), -g.sign * math.sin(g.offset), math.sin(g.offset), g.sign * math.cos(g.offset))
        for g in program.turns
    ]
    return np.round(np.array(rows).reshape(-1, 4), 15)  # offsets are multiples of a right angle
