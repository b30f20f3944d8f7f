"""PEFT configuration of Cayley adapters."""

from __future__ import annotations

from dataclasses import dataclass, field

from peft.config import PeftConfig

from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["PEFT_TYPE", "CayleyConfig"]

PEFT_TYPE = "CAYLEY"
FAMILIES = tuple(ANSATZES)
TRAINED = tuple(name for name, readout in READOUTS.items() if readout.trained)


@dataclass
class CayleyConfig(PeftConfig):
    """Configuration of Cayley unitary adapters (arXiv:2605.05914), used as any other PEFT configuration.

    Args:
        block_dim: d, a power of two that divides the inputs of every target; each slice of d inputs gets its own block.
        target_modules: names of the projections whose inputs are rotated, as in PEFT.
        exclude_modules: names to leave out, as in PEFT.
        layers_to_transform: indices of the decoder layers to adapt; all if None.
        layers_pattern: name of the list of layers, as in PEFT.
        ansatz: ``full``: one free parameter for each entry of the block's strict upper triangle. ``brickwork``: the
            block is a product of rotations of neighbouring qubits, six parameters each.
        brickwork_depth: layers of the brickwork, 1 to 64, see :func:`cayley_adapters.circuits.ansatz.bricks`; not read
            for ``full``.
        readout: ``signed``: y = Qx; ``sign_constrained``: y = sign(x)·|Qx|, what a device can tell about y.

    Raises:
        CayleyError: a value outside its range.

    Example:
        >>> CayleyConfig(block_dim=4, target_modules=["v_proj"]).peft_type
        'CAYLEY'
    """

    block_dim: int = field(default=4, metadata={"help": "dimension of the blocks, a power of two"})
    target_modules: list[str] | set[str] | str | None = field(default=None, metadata={"help": "projections to adapt"})
    exclude_modules: list[str] | set[str] | str | None = field(
        default=None, metadata={"help": "projections to leave out"}
    )
    layers_to_transform: list[int] | int | None = field(default=None, metadata={"help": "decoder layers to adapt"})
    layers_pattern: list[str] | str | None = field(default=None, metadata={"help": "name of the list of layers"})
    ansatz: str = field(default="full", metadata={"help": f"one of {FAMILIES}"})
    brickwork_depth: int = field(default=1, metadata={"help": "layers of the brickwork ansatz"})
    readout: str = field(default="signed", metadata={"help": f"one of {TRAINED}"})

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]  # of peft
        self.peft_type = PEFT_TYPE
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)
        if isinstance(self.exclude_modules, list):
            self.exclude_modules = set(self.exclude_modules)
        d = self.block_dim
        if not isinstance(d, int) or d < 2 or d & (d - 1):
            raise CayleyError(f"block_dim={d!r} is no power of two; use 2, 4, 8, 16, …")
        for name, value, known in (("ansatz", self.ansatz, FAMILIES), ("readout", self.readout, TRAINED)):
            if value not in known:
                raise CayleyError(
                    f"{name}={value!r} is unknown{nearest(str(value), known)}; allowed: {', '.join(known)}"
                )
        family = ANSATZES[self.ansatz]
        if d < family.smallest:
            raise CayleyError(
                f"ansatz={self.ansatz!r} needs two qubits: use block_dim={family.smallest} or larger, or ansatz='full'"
            )
        if family.layered:
            depth = self.brickwork_depth
            if not isinstance(depth, int) or not 1 <= depth <= 64:
                raise CayleyError(f"brickwork_depth={depth!r} is not allowed; use 1 to 64")
