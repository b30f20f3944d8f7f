"""Noisy probabilities of very many small circuits: what an infinite number of shots on the device gives.

A state of n qubits is its vector of 4^n Pauli expectation values, on which a circuit with its noise is a program of
simple operations (:mod:`cayley_adapters.simulation.programs`).

Slice and block meet only in the sum of two RZ angles, and the circuit is cut between these two rotations. After the
cut, a block's gates, its noise and the readout are one linear map: d effects, found once by running the transposed
operations backwards from the readout (Heisenberg picture, :func:`compile_blocks`). Before it, all slices share one
program with their own angles. :func:`probabilities` prepares each slice and takes its scalar products with its
block's effects, at a cost linear in tokens and blocks and independent of the block's depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from cayley_adapters.circuits.ansatz import qubits_of
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.kernels.batches import back_propagate
from cayley_adapters.kernels.batches import probabilities as _probabilities
from cayley_adapters.simulation.programs import (
    LARGEST,
    Preparation,
    preparation_of,
    program_of,
    readout_effects,
    rz_angles,
    transposed,
    turn_coefficients,
)

if TYPE_CHECKING:
    import torch

    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.calibration import Line

__all__ = ["CompiledBlocks", "compile_blocks", "noisy_probabilities", "probabilities"]

Array = TypeVar("Array", np.ndarray, "torch.Tensor")


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

    Example:
        >>> import numpy as np
        >>> compiled = compile_blocks(np.eye(4)[None], DeviceNoise.from_backend("FakeFez"))
        >>> noisy_probabilities(compiled, np.ones((1000, 1, 4))).shape
        (1000, 1, 4)
    """
    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.synthesis import synthesise

    n = q.ansatz.qubits if isinstance(q, BlockCircuits) else qubits_of(q.shape[-1])
    if n > LARGEST:
        raise CayleyError(f"blocks of {n} qubits are not simulated here; block dimensions up to {2**LARGEST} are")
    circuits = q if isinstance(q, BlockCircuits) else synthesise(_numpy(q))
    lines: tuple[Line | None, ...] = (None,) if noise is None or noise.scale == 0 else noise.lines(n)
    effects = np.empty((len(circuits), 2**n, 4**n))
    preparations: list[Preparation] = []
    owners = np.zeros(len(circuits), dtype=np.int64)
    for i, line in enumerate(lines):
        for ansatz, blocks in circuits.groups():
            mine = blocks[blocks % len(lines) == i]
            program = transposed(program_of(ansatz, line))
            turns = [rz_angles(gate, circuits.angles[mine]) for gate in program.turns]
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
            turn_coefficients(program).astype(dtype),
            out,
        )
    return _like(out, x)


def noisy_probabilities(
    q: np.ndarray | torch.Tensor | BlockCircuits | CompiledBlocks, x: Array, noise: DeviceNoise | None = None
) -> Array:
    """Return what an infinite number of shots on a noisy device gives for blocks applied to slices.

    Args:
        q: Blocks, (B, d, d), orthogonal with determinant +1, acting as ``q[b] @ x[t, b]``; d = 2, 4, 8 or
            16. Or synthesised blocks, a brickwork's among them, or compiled ones, which have their noise in them.
        x: Slices, (T, B, d), of any norm; a zero slice is run as |0...0>.
        noise: The device; None, or noise scale 0, is an ideal one.

    Torch tensors that require gradients or lie on a GPU go through
    :mod:`cayley_adapters.simulation.differentiable`, all others through the compiled kernels.

    Returns:
        Probabilities, (T, B, d), of the kind of x; float64 where x is float64 and float32 otherwise. Entry k is the
        probability of reading sum_j k_j 2^j.

    Raises:
        CayleyError: If the shapes do not fit, a block is no rotation, or the device has no line for it.

    Example:
        >>> import numpy as np
        >>> q, x = np.array([[[0.0, -1], [1, 0]]]), np.array([[[0.6, 0.8]]])
        >>> noisy_probabilities(q, x).round(6)
        array([[[0.64, 0.36]]])
        >>> noisy_probabilities(q, x, DeviceNoise.depolarizing(p1=1, p2=1)).round(6)
        array([[[0.5, 0.5]]])
    """
    if isinstance(q, CompiledBlocks):
        if noise is not None:
            raise CayleyError("compiled blocks have their noise in them already; leave noise out")
        return probabilities(q, x)
    blocks: Any = q
    slices: Any = x
    tensors = hasattr(x, "detach") and hasattr(q, "detach")
    if tensors and (slices.is_cuda or slices.requires_grad or blocks.requires_grad):
        from cayley_adapters.simulation import differentiable as torch_simulator

        p: Any = torch_simulator.noisy_probabilities(blocks, slices, noise)
        return p
    if not hasattr(q, "ansatz") and (q.ndim != 3 or x.ndim != 3 or tuple(q.shape) != (*x.shape[1:], x.shape[-1])):
        raise CayleyError(f"blocks (B, d, d) and slices (T, B, d) are needed, not {tuple(q.shape)}, {tuple(x.shape)}")
    return probabilities(compile_blocks(q, noise), x)


def _numpy(values: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return an array of a NumPy array or a torch tensor."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        return (values if values.element_size() >= 4 else values.float()).numpy()
    return np.asarray(values)


def _like(values: Any, kind: Any) -> Any:
    """Return an array as the kind, and on the device, of another."""
    if hasattr(kind, "detach"):
        import torch

        return torch.from_numpy(values).to(kind.device)
    return values
