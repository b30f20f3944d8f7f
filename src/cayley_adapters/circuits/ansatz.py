"""Which two-qubit gates a block's circuit has: the full rotation group, or a brickwork of a chosen depth.

A block on n qubits is a layer of RY on all qubits, then CZ gates on neighbours of the line 0-1-...-(n-1), each followed
by RY on its two qubits. An :class:`Ansatz` lists the CZ gates; the RY angles are the block's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.registry import Entry, Registry

__all__ = ["ANSATZES", "Ansatz", "AnsatzFamily", "bricks", "brickwork", "full", "qubits_of"]

FULL_LAYERS = {1: 0, 2: 2, 3: 14, 4: 59, 5: 248}
"""CZ gates of any rotation of n qubits: closed forms for n <= 2; above, the fewest that least squares fill quickly
(n + 2 CZ angles for the d(d - 1)/2 dimensions of SO(d), of which 13, 58 and 246 are the lower bounds)."""


@dataclass(frozen=True)
class Ansatz:
    """A family of block circuits.

    Attributes:
        qubits: Number of qubits n.
        couplers: The lower qubit of each CZ gate, in the order of time.
    """

    qubits: int
    couplers: tuple[int, ...]

    @property
    def angles(self) -> int:
        """Number of RY angles of a block: n and two for each CZ."""
        return self.qubits + 2 * len(self.couplers)

    def first(self, count: int) -> Ansatz:
        """Return the family of circuits that stop after so many CZ gates."""
        return Ansatz(self.qubits, self.couplers[:count])


@cache
def full(n: int) -> Ansatz:
    """Return circuits that reach every rotation of n qubits, 1 to 5: CZ gates in a brick pattern."""
    pattern = [*range(0, n - 1, 2), *range(1, n - 1, 2)]
    return Ansatz(n, tuple(pattern[layer % len(pattern)] for layer in range(FULL_LAYERS[n])))


def bricks(n: int, depth: int) -> tuple[int, ...]:
    """Return the lower qubits of a brickwork's two-qubit gates in the order of time.

    Layer l of ``depth`` layers has gates on the pairs (q, q + 1) with q = l mod 2, l mod 2 + 2, ...; a line of two
    qubits has one pair, which every other layer leaves out.

    Raises:
        CayleyError: If n is below 2, or the depth below 1.
    """
    if n < 2 or depth < 1:
        raise CayleyError(f"a brickwork needs at least 2 qubits and depth 1, not {n} and {depth}")
    return tuple(q for layer in range(depth) for q in range(layer % 2, n - 1, 2))


@cache
def brickwork(n: int, depth: int) -> Ansatz:
    """Return circuits of products of two-qubit rotations on neighbouring qubits, 2 CZ each, see :func:`bricks`."""
    return Ansatz(n, tuple(low for low in bricks(n, depth) for _ in range(2)))


def qubits_of(d: int) -> int:
    """Return the number of qubits n of a block dimension d = 2^n.

    Raises:
        CayleyError: If circuits do not exist for this dimension.
    """
    sizes = {2**n: n for n in FULL_LAYERS}
    if d not in sizes:
        raise CayleyError(f"block dimension {d} cannot be run as a circuit; block dimensions 2, 4, 8, 16 and 32 can")
    return sizes[d]


@dataclass(frozen=True, kw_only=True)
class AnsatzFamily(Entry):
    """A family of blocks, as its users know it before any is trained.

    Attributes:
        theta_shape: (block dimension, layers) → shape of a block's free parameters.
        circuit_of: (qubits, layers) → the circuits of its blocks; None where these are no rotations, which no circuit
            applies.
        blocks_builder: (parameters, block dimension, layers) → blocks.
        layered: whether its layers are chosen by ``train.brickwork_depth``.
        smallest: the least block dimension that it has.
        circuits_builder: (rotations, qubits, layers) → circuits, for the Cayley rotations of a block's parameters; None
            where circuits are made of the block as a whole, by ``transpile.synthesis``.
    """

    theta_shape: Callable[[int, int], tuple[int, ...]]
    circuit_of: Callable[[int, int], Ansatz] | None
    blocks_builder: str
    layered: bool = False
    smallest: int = 2
    circuits_builder: str | None = None


ANSATZES = Registry(
    "ansatz",
    [
        AnsatzFamily(
            name="full",
            title="full",
            sentence="a block Q = (I − K/2)(I + K/2)⁻¹ of its own with K skew-symmetric",
            theta_shape=lambda d, depth: (d * (d - 1) // 2,),
            circuit_of=lambda n, depth: full(n),
            blocks_builder="cayley_adapters.adapters.cayley.transform:full_blocks",
        ),
        AnsatzFamily(
            name="brickwork",
            title="brickwork",
            sentence="a product of such transforms, 4 × 4 on neighbouring qubits",
            theta_shape=lambda d, depth: (len(bricks(qubits_of(d), depth)), 6),
            circuit_of=brickwork,
            blocks_builder="cayley_adapters.adapters.cayley.transform:brickwork_blocks",
            layered=True,
            smallest=4,
            circuits_builder="cayley_adapters.circuits.synthesis:brickwork_circuits",
        ),
        AnsatzFamily(
            name="free",
            title="free",
            sentence="a block I + A of its own with A any matrix, which no circuit applies",
            theta_shape=lambda d, depth: (d, d),
            circuit_of=None,
            blocks_builder="cayley_adapters.adapters.cayley.transform:free_blocks",
        ),
    ],
)
"""Name → family of blocks."""
