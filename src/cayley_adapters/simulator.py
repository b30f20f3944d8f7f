"""Noisy probabilities of very many small circuits: what an infinite number of shots on the device gives.

A state of n qubits is its vector of 4^n Pauli expectation values. In this picture every native gate with its noise is
a few multiplications (Greenbaum, arXiv:1509.02921, section 2): SX and CZ permute the components, RZ rotates X and Y,
depolarisation shrinks all but the identity, relaxation shrinks X and Y and mixes I into Z. A circuit is a
:class:`Program` of such operations, read off :func:`cayley_adapters.circuits.native_gates`.

Slice and block meet only in the sum of two RZ angles, and the circuit is cut between these two rotations. After the
cut, a block's gates, its noise and the readout are one linear map: d effects, found once by running the transposed
operations backwards from the readout (Heisenberg picture, :func:`compile_blocks`). Before it, all slices share one
program with their own angles. :func:`probabilities` prepares each slice and takes its scalar products with its
block's effects, at a cost linear in tokens and blocks and independent of the block's depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from cayley_adapters.ansatz import Ansatz, qubits_of
from cayley_adapters.circuits import Gate, native_gates
from cayley_adapters.errors import CayleyError
from cayley_adapters.kernels.batches import back_propagate
from cayley_adapters.kernels.batches import probabilities as _probabilities
from cayley_adapters.kernels.pauli import CZ, RELAX, RELAX_T, RZ, SX, SX_T, run
from cayley_adapters.noise import Channel, DeviceNoise, cz_channel, delay_channel, sx_channel
from cayley_adapters.schedule import scheduled

if TYPE_CHECKING:
    import torch

    from cayley_adapters.calibration import Line
    from cayley_adapters.synthesis import BlockCircuits

__all__ = [
    "CompiledBlocks",
    "Preparation",
    "Program",
    "compile_blocks",
    "noisy_probabilities",
    "probabilities",
]

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

LARGEST = 4
"""Qubits of the largest blocks that are simulated."""


@dataclass(frozen=True)
class Program:
    """Operations on Pauli vectors, see :func:`cayley_adapters.kernels.run`.

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


@dataclass(frozen=True)
class CompiledBlocks:
    """Blocks as linear maps on noisily prepared slices.

    Attributes:
        effects: (B, d, 4^n) float64; the probability of outcome k is the scalar product of effects[b, k] with the
            prepared slice's Pauli vector at the cut.
        preparations: The different preparations, one for each line of qubits (and, where idle qubits relax, for each
            length of circuit).
        owners: (B,) which preparation each block has.
    """

    effects: np.ndarray
    preparations: tuple[Preparation, ...]
    owners: np.ndarray


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
            rows.append((SX, q, 0, noise.keep * a, noise.keep * b, 1 - b))
        elif gate.name == "delay":
            noise = delay_channel(line, q, gate.offset)
            rows.append((RELAX, q, 0, noise.transverse[0], noise.longitudinal[0], 1 - noise.longitudinal[0]))
        else:
            noise = None if line is None else cz_channel(line, q)
            rows.append((CZ, q, q + 1, 1.0 if noise is None else noise.keep, 0.0, 0.0))
            if noise is not None:
                pairs = zip(gate.qubits, noise.transverse, noise.longitudinal, strict=True)
                rows += [(RELAX, qubit, 0, a, b, 1 - b) for qubit, a, b in pairs]
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Program(table[:, :3].astype(np.int64), np.ascontiguousarray(table[:, 3:]), tuple(turns), 4**n)


def _transposed(program: Program) -> Program:
    """Return the transposed program, for effects; its RZ angles are negated."""
    operations = program.operations[::-1].copy()
    operations[program.operations[::-1, 0] == SX, 0] = SX_T
    operations[program.operations[::-1, 0] == RELAX, 0] = RELAX_T
    return Program(operations, program.figures[::-1].copy(), program.turns, program.size)


def _split(ansatz: Ansatz, line: Line | None) -> tuple[list[Gate], list[Gate], list[Gate]]:
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
    constant, sliced, _ = _split(ansatz, line)
    program = _program(constant, line, ansatz.qubits)
    angles = np.array([gate.offset for gate in program.turns]).reshape(-1, 1)
    state = np.ones(1)
    for _ in range(ansatz.qubits):
        state = np.kron(state, [1.0, 0.0, 0.0, 1.0])
    state = state.reshape(-1, 1).copy()
    run(program.operations, program.figures, np.cos(angles), np.sin(angles), state, 1)
    return Preparation(state[:, 0].copy(), _program(sliced, line, ansatz.qubits))


def program_of(ansatz: Ansatz, line: Line | None) -> Program:
    """Compile the block's part of the circuit on a line of qubits."""
    return _program(_split(ansatz, line)[2], line, ansatz.qubits)


def readout_effects(n: int, line: Line | None) -> np.ndarray:
    """Return the effects (d, 4^n) of measuring with readout flips."""
    ideal = np.ones((1, 1))
    for _ in range(n):
        ideal = np.kron(ideal, 0.5 * np.array([[1.0, 0, 0, 1], [1, 0, 0, -1]]))
    return ideal if line is None else line.confusion() @ ideal


def compile_blocks(q: np.ndarray | torch.Tensor | BlockCircuits, noise: DeviceNoise | None = None) -> CompiledBlocks:
    """Compile blocks, their noise and the readout into effects.

    Args:
        q: Blocks, (B, d, d), orthogonal with determinant +1; d = 2, 4, 8 or 16. Blocks of lower precision than float64
            stand for the nearest orthogonal matrices. Or blocks that were synthesised before.
        noise: The device; None is an ideal one.

    Returns:
        The compiled blocks, good for any number of slices.

    Raises:
        CayleyError: If a block is no rotation, no circuit is found for it, or the device has no line for it.
    """
    from cayley_adapters.synthesis import BlockCircuits, synthesise

    n = q.ansatz.qubits if isinstance(q, BlockCircuits) else qubits_of(q.shape[-1])
    if n > LARGEST:
        raise CayleyError(f"blocks of {n} qubits are not simulated here; block dimensions up to {2**LARGEST} are")
    circuits = q if isinstance(q, BlockCircuits) else synthesise(_numpy(q))
    ideal = noise is None or noise.scale == 0
    lines = (None,) if ideal else noise.lines(n)
    effects = np.empty((len(circuits), 2**n, 4**n))
    preparations: list[Preparation] = []
    owners = np.zeros(len(circuits), dtype=np.int64)
    for i, line in enumerate(lines):
        for ansatz, blocks in circuits.groups():
            mine = blocks[blocks % len(lines) == i]
            program = _transposed(program_of(ansatz, line))
            turns = [_angles(gate, circuits.angles[mine]) for gate in program.turns]
            part, table = np.empty((len(mine), 2**n, 4**n)), np.stack(turns, axis=1)
            back_propagate(
                program.operations, program.figures, np.cos(table), -np.sin(table), readout_effects(n, line), part
            )
            effects[mine] = part
            owners[mine] = len(preparations)
            if line is not None and line.idle:
                preparations.append(preparation_of(ansatz, line))
        if line is None or not line.idle:
            preparations.append(preparation_of(circuits.ansatz, line))
    return CompiledBlocks(effects, tuple(preparations), owners)


def _angles(gate: Gate, angles: np.ndarray) -> np.ndarray:
    """Return a gate's RZ angle (B,) for block angles (B, m)."""
    if gate.block_slot is None:
        return np.full(len(angles), gate.offset)
    return gate.sign * angles[:, gate.block_slot] + gate.offset


def probabilities(blocks: CompiledBlocks, x: Array) -> Array:
    """Return what the device's measurements give for many slices.

    Args:
        blocks: B compiled blocks.
        x: Slices, (T, B, d), of any norm (zero slices are run as e_0); slice [t, b] goes to block b.

    Returns:
        Probabilities of the d outcomes, (T, B, d), of the kind of x (NumPy array or torch tensor), in float64 where
        x is float64 and in float32 otherwise, without gradients. A slice that is not finite gives NaN.

    Raises:
        CayleyError: If the shapes do not fit.
    """
    values = _numpy(x)
    count, d = blocks.effects.shape[:2]
    if values.ndim != 3 or values.shape[1:] != (count, d):
        raise CayleyError(f"{count} blocks of dimension {d} need slices (T, {count}, {d}), not {tuple(values.shape)}")
    dtype = np.float64 if values.dtype == np.float64 else np.float32
    values = np.ascontiguousarray(values, dtype=dtype)
    effects = blocks.effects.astype(dtype, copy=False)
    out = np.empty(values.shape, dtype=dtype)
    for i, preparation in enumerate(blocks.preparations):
        program = preparation.program
        _probabilities(
            values,
            np.flatnonzero(blocks.owners == i),
            effects,
            program.operations,
            program.figures.astype(dtype),
            preparation.initial.astype(dtype),
            np.array([-1 if gate.slice_slot is None else gate.slice_slot for gate in program.turns]),
            _turn_coefficients(program).astype(dtype),
            out,
        )
    return _like(out, x)


def _turn_coefficients(program: Program) -> np.ndarray:
    """Return (turns, 4): cosine and sine of sign t + offset as combinations of cos t and sin t, in this order."""
    rows = [
        (math.cos(g.offset), -g.sign * math.sin(g.offset), math.sin(g.offset), g.sign * math.cos(g.offset))
        for g in program.turns
    ]
    return np.round(np.array(rows).reshape(-1, 4), 15)  # offsets are multiples of a right angle


def noisy_probabilities(
    q: np.ndarray | torch.Tensor | BlockCircuits | CompiledBlocks, x: Array, noise: DeviceNoise | None = None
) -> Array:
    """Return what an infinite number of shots on a noisy device gives for blocks applied to slices.

    Args:
        q: Blocks, (B, d, d), orthogonal with determinant +1, acting as ``q[b] @ x[t, b]``; d = 2, 4, 8 or
            16. Or synthesised blocks, a brickwork's among them, or compiled ones, which have their noise in them.
        x: Slices, (T, B, d), of any norm; a zero slice is run as |0...0>.
        noise: The device; None, or noise scale 0, is an ideal one.

    Torch tensors that require gradients or lie on a GPU go through :mod:`cayley_adapters.torch_simulator`, all others
    through the compiled kernels.

    Returns:
        Probabilities, (T, B, d), of the kind of x; float64 where x is float64 and float32 otherwise. Entry k is the
        probability of reading sum_j k_j 2^j.

    Raises:
        CayleyError: If the shapes do not fit, a block is no rotation, or the device has no line for it.
    """
    if isinstance(q, CompiledBlocks):
        if noise is not None:
            raise CayleyError("compiled blocks have their noise in them already; leave noise out")
        return probabilities(q, x)
    if hasattr(x, "detach") and hasattr(q, "detach") and (x.is_cuda or x.requires_grad or q.requires_grad):
        from cayley_adapters import torch_simulator

        return torch_simulator.noisy_probabilities(q, x, noise)
    if not hasattr(q, "ansatz") and (q.ndim != 3 or x.ndim != 3 or tuple(q.shape) != (*x.shape[1:], x.shape[-1])):
        raise CayleyError(f"blocks (B, d, d) and slices (T, B, d) are needed, not {tuple(q.shape)}, {tuple(x.shape)}")
    return probabilities(compile_blocks(q, noise), x)


def _numpy(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return an array of a NumPy array or a torch tensor."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        return (values if values.element_size() >= 4 else values.float()).numpy()
    return np.asarray(values)


def _like(values: np.ndarray, kind: Array) -> Array:
    """Return an array as the kind, and on the device, of another."""
    if hasattr(kind, "detach"):
        import torch

        return torch.from_numpy(values).to(kind.device)
    return values
