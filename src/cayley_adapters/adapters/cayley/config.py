"""PEFT configuration of Cayley adapters."""

from __future__ import annotations

import enum
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from peft.config import PeftConfig

from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.sizes import WHOLE, runs_as_circuit
from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["PEFT_TYPE", "CayleyConfig", "CayleyType"]


class CayleyType(str, enum.Enum):  # noqa: UP042 - str() of PEFT's own members has their class in it, and PEFT reads it there
    """The method's name, as PEFT and transformers use members of PEFT's own enumeration, which cannot be extended."""

    CAYLEY = "CAYLEY"


PEFT_TYPE = CayleyType.CAYLEY


def matches(pattern: str, key: str) -> bool:
    """Whether a projection's name ends with a pattern, as PEFT matches ``rank_pattern``."""
    return re.match(rf"(.*\.)?({pattern})$", key) is not None


FAMILIES = tuple(ANSATZES)
TRAINED = tuple(name for name, readout in READOUTS.items() if readout.trained)


@dataclass
class CayleyConfig(PeftConfig):
    """Configuration of Cayley unitary adapters (arXiv:2605.05914), used as any other PEFT configuration.

    Args:
        block_dim: d, a number from 2 up; each slice of d inputs gets its own block, the last one filled up with zeros
            where d does not divide a projection's inputs. ``input`` is one block for all inputs of a projection.
        block_dim_pattern: names of projections, or regular expressions of their ends, → their own d, as PEFT has
            ``rank_pattern``.
        target_modules: names of the projections whose inputs are rotated, as in PEFT; its defaults for LoRA if None.
        exclude_modules: names to leave out, as in PEFT.
        layers_to_transform: indices of the decoder layers to adapt; all if None.
        layers_pattern: name of the list of layers, as in PEFT.
        modules_to_save: modules that are trained and saved whole, such as a task's head, as in PEFT.
        ansatz: ``full``: one free parameter for each entry of the block's strict upper triangle. ``brickwork``: the
            block is a product of rotations of neighbouring qubits, six parameters each. ``free``: any matrix, one
            parameter for each entry, which no circuit applies.
        brickwork_depth: layers of the brickwork, 1 to 64, see :func:`cayley_adapters.circuits.ansatz.bricks`; not read
            for ``full``.
        readout: ``signed``: y = Qx; ``sign_constrained``: y = sign(x)·|Qx|, what a device can tell about y.
        init_weights: start from the identity; else from random blocks, which only tests want.
        base_weights: digest of the base model's weights, see
            :func:`cayley_adapters.adapters.cayley.base_identity.base_digest`; filled in when blocks are put on a model.
        padded: whether the last slice of some projection is filled up with zeros; filled in likewise.
        requires: for whoever reads the saved file without this package.

    Raises:
        CayleyError: a value outside its range.

    Example:
        >>> CayleyConfig(block_dim=4, target_modules=["v_proj"]).peft_type.value
        'CAYLEY'
    """

    block_dim: int | str = field(default=4, metadata={"help": "dimension of the blocks, or input"})
    block_dim_pattern: dict[str, int | str] = field(
        default_factory=dict, metadata={"help": "projection → its own dimension"}
    )
    target_modules: list[str] | set[str] | str | None = field(default=None, metadata={"help": "projections to adapt"})
    exclude_modules: list[str] | set[str] | str | None = field(
        default=None, metadata={"help": "projections to leave out"}
    )
    layers_to_transform: list[int] | int | None = field(default=None, metadata={"help": "decoder layers to adapt"})
    layers_pattern: list[str] | str | None = field(default=None, metadata={"help": "name of the list of layers"})
    modules_to_save: list[str] | None = field(
        default=None, metadata={"help": "modules that are trained and saved whole"}
    )
    ansatz: str = field(default="full", metadata={"help": f"one of {FAMILIES}"})
    brickwork_depth: int = field(default=1, metadata={"help": "layers of the brickwork ansatz"})
    readout: str = field(default="signed", metadata={"help": f"one of {TRAINED}"})
    init_weights: bool = field(default=True, metadata={"help": "start from the identity"})
    base_weights: str | None = field(default=None, metadata={"help": "digest of the base model's weights"})
    padded: bool = field(default=False, metadata={"help": "whether some last slice is filled up with zeros"})
    requires: str = field(default="import cayley_adapters", metadata={"help": "what makes PEFT know this method"})

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]  # of peft
        self.peft_type = PEFT_TYPE
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)
        if isinstance(self.exclude_modules, list):
            self.exclude_modules = set(self.exclude_modules)
        self._check_layers()
        if not isinstance(self.block_dim_pattern, Mapping):
            raise CayleyError(f"block_dim_pattern={self.block_dim_pattern!r} is no mapping; use {{'down_proj': 8}}")
        sizes = {"block_dim": self.block_dim} | {
            f"block_dim_pattern[{name!r}]": d for name, d in self.block_dim_pattern.items()
        }
        for name, d in sizes.items():
            self._check_dimension(name, d)
        for name, value, known in (("ansatz", self.ansatz, FAMILIES), ("readout", self.readout, TRAINED)):
            if value not in known:
                raise CayleyError(
                    f"{name}={value!r} is unknown{nearest(str(value), known)}; allowed: {', '.join(known)}"
                )
        family = ANSATZES[self.ansatz]
        for name, d in sizes.items():
            if family.layered and (isinstance(d, str) or d & (d - 1)):
                raise CayleyError(
                    f"{name}={d!r} is no power of two, and ansatz={self.ansatz!r} is made of qubits: use 4, 8, …, or "
                    "ansatz='full'"
                )
            if isinstance(d, int) and d < family.smallest:
                raise CayleyError(
                    f"ansatz={self.ansatz!r} needs two qubits: use {name}={family.smallest} or larger, or ansatz='full'"
                )
        if family.layered:
            depth = self.brickwork_depth
            if not isinstance(depth, int) or not 1 <= depth <= 64:
                raise CayleyError(f"brickwork_depth={depth!r} is not allowed; use 1 to 64")

    @staticmethod
    def _check_dimension(name: str, d: Any) -> None:
        if d != WHOLE and (not isinstance(d, int) or isinstance(d, bool) or d < 2):
            raise CayleyError(
                f"{name}={d!r} is no dimension of a block; use a number of at least 2, or {WHOLE!r} for one block of "
                "all inputs"
            )

    def _check_layers(self) -> None:
        """As PEFT's own methods do."""
        if self.layers_pattern and self.layers_to_transform is None:
            raise CayleyError(
                f"layers_pattern={self.layers_pattern!r} says where layers are, not which; add layers_to_transform"
            )
        if isinstance(self.target_modules, str) and self.layers_to_transform is not None:
            raise CayleyError(
                f"layers_to_transform={self.layers_to_transform!r} is not read where target_modules is text, here "
                f"{self.target_modules!r}: give a list of names, or a regular expression with the layers in it"
            )

    def of(self, key: str) -> CayleyConfig:
        """The configuration of one projection, with the dimension that it has by ``block_dim_pattern``.

        Example:
            >>> config = CayleyConfig(block_dim=4, block_dim_pattern={"down_proj": 8})
            >>> config.of("model.layers.0.mlp.down_proj").block_dim, config.of("model.layers.0.mlp.up_proj").block_dim
            (8, 4)
        """
        for pattern, d in self.block_dim_pattern.items():
            if matches(pattern, key):
                return replace(self, block_dim=d, block_dim_pattern={})
        return self

    def sized(self, inputs: int) -> CayleyConfig:
        """The configuration of a projection with so many inputs: ``input`` becomes their number."""
        return replace(self, block_dim=inputs) if self.block_dim == WHOLE else self

    @property
    def dimension(self) -> int:
        """The dimension of one projection's blocks, see :meth:`sized`."""
        return int(self.block_dim)

    @property
    def runs_as_circuit(self) -> bool:
        """Whether noisy circuits of these blocks are run."""
        return ANSATZES[self.ansatz].circuit_of is not None and runs_as_circuit(self.block_dim)

    def check_names(self, adapted: Sequence[str]) -> None:
        """Say which names of the configuration are of no projection.

        Args:
            adapted: names of the projections that have these blocks.

        Raises:
            CayleyError: a pattern of ``block_dim_pattern`` matches none. Names in ``target_modules`` that match none
                are only warned of, since PEFT's users share lists between models.
        """
        ends = {name.rpartition(".")[2] for name in adapted}
        for pattern in self.block_dim_pattern:
            if not any(matches(pattern, name) for name in adapted):
                raise CayleyError(
                    f"block_dim_pattern has {pattern!r}, which is no adapted projection{nearest(pattern, ends)}; these "
                    f"are: {', '.join(sorted(ends))}"
                )
        named = self.target_modules if isinstance(self.target_modules, set) else set()
        if lost := sorted(name for name in named if not any(f".{key}".endswith(f".{name}") for key in adapted)):
            warnings.warn(f"target_modules has {', '.join(lost)}, which is no adapted projection", stacklevel=2)

    def to_dict(self) -> dict[str, Any]:
        """All fields; sets are sorted, since their order differs from process to process."""
        found: dict[str, Any] = super().to_dict()
        return {name: sorted(value) if isinstance(value, set) else value for name, value in found.items()}

    def save_pretrained(self, save_directory: str, **kwargs: Any) -> None:
        """Write ``adapter_config.json``, and fill in the model card that PEFT has put beside it."""
        from cayley_adapters.adapters.cayley.card import fill_card

        super().save_pretrained(save_directory, **kwargs)
        fill_card(Path(save_directory) / "README.md", self)
