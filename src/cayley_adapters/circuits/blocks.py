"""Synthesised blocks: which gates their circuits have, their angles, and the matrices that they apply."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz

__all__ = ["BlockCircuits", "block_gates", "block_unitary"]


@dataclass(frozen=True)
class BlockCircuits:
    """Synthesised blocks: circuits of one ansatz.

    Attributes:
        ansatz: Their CZ gates.
        angles: (B, m) RY angles in radians, in the order of :func:`cayley_adapters.circuits.gates.skeleton`.
        lengths: (B,) CZ gates of each block: circuits may stop early, and their further angles are 0.

    Example:
        >>> import numpy as np
        >>> circuits = synthesise(np.eye(4)[None])
        >>> len(circuits), np.allclose(circuits.unitaries(), np.eye(4))
        (1, True)
    """

    ansatz: Ansatz
    angles: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.angles)

    def __getitem__(self, blocks: slice | np.ndarray) -> BlockCircuits:
        return BlockCircuits(self.ansatz, self.angles[blocks], self.lengths[blocks])

    def stub(self, length: int) -> BlockCircuits:
        """Return one circuit of the ansatz with so many CZ gates and all angles 0, to count its gates."""
        return BlockCircuits(self.ansatz, np.zeros((1, self.ansatz.angles)), np.array([length]))

    def groups(self) -> list[tuple[Ansatz, np.ndarray]]:
        """Return the distinct circuits and the indices of the blocks that they belong to."""
        return [(self.ansatz.first(int(n)), np.flatnonzero(self.lengths == n)) for n in np.unique(self.lengths)]

    def unitaries(self) -> np.ndarray:
        """Return the matrices (B, d, d) that the circuits apply."""
        out = np.empty((len(self), 2**self.ansatz.qubits, 2**self.ansatz.qubits))
        for ansatz, blocks in self.groups():
            out[blocks] = block_unitary(ansatz, self.angles[blocks, : ansatz.angles])
        return out


def block_unitary(ansatz: Ansatz, angles: np.ndarray) -> np.ndarray:
    """Multiply out the gates of blocks.

    Args:
        ansatz: Their CZ gates.
        angles: (B, m) angles in radians.

    Returns:
        The real orthogonal matrices of the circuits, (B, d, d).
    """
    d = 2**ansatz.qubits
    index = np.arange(d)
    u = np.broadcast_to(np.eye(d), (len(angles), d, d)).copy()
    for slot, qubit in zip(*block_gates(ansatz), strict=True):
        if slot < 0:
            u[:, (index >> qubit) & (index >> (qubit + 1)) & 1 == 1] *= -1
            continue
        half = angles[:, slot, None, None] / 2
        low = index[(index >> qubit) & 1 == 0]
        zero, one = u[:, low], u[:, low + (1 << qubit)]
        u[:, low] = np.cos(half) * zero - np.sin(half) * one
        u[:, low + (1 << qubit)] = np.sin(half) * zero + np.cos(half) * one
    return u


@cache
def block_gates(ansatz: Ansatz) -> tuple[np.ndarray, np.ndarray]:
    """Return the block's gates as slots (-1 for a CZ) and (lower) qubits."""
    rows = [(q, q) for q in range(ansatz.qubits)]
    for layer, low in enumerate(ansatz.couplers):
        slot = ansatz.qubits + 2 * layer
        rows += [(-1, low), (slot, low), (slot + 1, low + 1)]
    slots, qubits = zip(*rows, strict=True)
    return np.array(slots), np.array(qubits)
