"""How many neurons and key–value groups layers keep when their width is pruned; known before any weight is there."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from cayley_adapters.core.errors import CayleyError

__all__ = [
    "ATTENTION",
    "MLP",
    "PROBED",
    "SHAPES",
    "SURVEYED",
    "GivenShape",
    "LayerShape",
    "Widths",
    "even_widths",
    "neurons_in",
    "require_given",
    "units",
    "units_apart",
]

MLP, ATTENTION = ("gate_proj", "up_proj", "down_proj"), ("q_proj", "k_proj", "v_proj", "o_proj")
"""Projections that lose width together."""

MULTIPLE = 8
"""Neurons stay in such numbers: blocks of up to three qubits divide them, and so do a processor's vector registers."""

SURVEYED = 16
"""Calibration windows on which the uncompressed model is watched where widths differ."""

PROBED = 4
"""Calibration windows on which the loss is measured with one part of a layer made smaller."""

TOLERANCE = 0.005
"""By how much the share of parameters removed may differ from the one asked for, so that neurons stay in multiples."""


@dataclass(frozen=True)
class LayerShape:
    """Sizes of a decoder layer.

    Attributes:
        hidden: width of the residual stream.
        neurons: width within the MLP.
        groups: heads of keys and values, each with its queries.
        queries: of a group.
        head_dim: width of a head.
    """

    hidden: int
    neurons: int
    groups: int
    queries: int
    head_dim: int

    @property
    def neuron(self) -> int:
        """Parameters of a neuron."""
        return 3 * self.hidden

    @property
    def group(self) -> int:
        """Parameters of a key–value group with its queries: of keys, values, queries and the output."""
        return 2 * self.hidden * self.head_dim * (1 + self.queries)


@dataclass(frozen=True)
class Widths:
    """What a layer keeps: neurons of the MLP, and key–value groups."""

    neurons: int
    groups: int


@dataclass(frozen=True)
class GivenShape:
    """What a model keeps whose widths are given.

    Attributes:
        before: of its layers.
        layers: how many it has.
        neurons: that every layer keeps.
        narrow: layers that lose key–value groups; those in which this costs least.
        groups: that these keep.
        source: where it is published.
    """

    before: LayerShape
    layers: int
    neurons: int
    narrow: int
    groups: int
    source: str

    @property
    def ratio(self) -> float:
        """Share of the parameters of all projections that is removed."""
        shape = self.before
        removed = self.layers * (shape.neurons - self.neurons) * shape.neuron
        removed += self.narrow * (shape.groups - self.groups) * shape.group
        return removed / (self.layers * (shape.neurons * shape.neuron + shape.groups * shape.group))


SHAPES = {
    "paper": GivenShape(
        LayerShape(hidden=576, neurons=1536, groups=3, queries=3, head_dim=64),
        layers=30,
        neurons=896,
        narrow=22,
        groups=2,
        source="arXiv:2605.05914: the layout that has the parameters of its extended data, of model and adapters",
    )
}
"""Name → widths that are given, not derived from a ratio."""


def units(targets: Collection[str]) -> tuple[bool, bool]:
    """Whether neurons of the MLP and whether key–value groups are among what is compressed."""
    return MLP[0] in targets, ATTENTION[0] in targets


def units_apart(targets: Collection[str]) -> str | None:
    """A sentence where projections that lose width together are neither all targets nor none of them."""
    for unit in (MLP, ATTENTION):
        if 0 < len(found := [name for name in unit if name in targets]) < len(unit):
            return (
                f"compress.targets=[{','.join(found)}]: width pruning takes all of {', '.join(unit)}, or none of them; "
                f"type compress.targets=[{','.join(unit)}]"
            )
    return None


def require_given(name: str, shape: LayerShape, layers: int, ratio: float) -> None:
    """Check that a model can be given the shape ``name``, and that the ratio is its own.

    Raises:
        CayleyError: it is another model's, or the ratio is another one.
    """
    given = SHAPES[name]
    if (shape, layers) != (given.before, given.layers):
        before = given.before
        raise CayleyError(
            f"compress.shape={name}: is of a model of {given.layers} layers of {before.hidden} × {before.neurons} with "
            f"{before.groups} key–value heads, such as model=smollm2_135m; type compress.shape=null"
        )
    if abs(ratio - given.ratio) > TOLERANCE:
        raise CayleyError(
            f"sweep.compression_ratio={ratio:g}: compress.shape={name} removes {given.ratio:.3f} of all; type "
            f"sweep.compression_ratio=0,{given.ratio:.3f}"
        )


def even_widths(shape: LayerShape, targets: Collection[str], ratio: float) -> Widths:
    """What every layer keeps alike: groups as near to the ratio as they come, and neurons for what is left of it.

    Args:
        shape: before.
        targets: projections that are compressed, whose parameters the ratio is a share of.
        ratio: share of them to remove.

    Raises:
        CayleyError: some projections that lose width together are left out, or too little would be left.

    Example:
        >>> even_widths(LayerShape(576, 1536, 3, 3, 64), MLP, 0.4167)
        Widths(neurons=896, groups=3)
    """
    if apart := units_apart(targets):
        raise CayleyError(apart)
    mlp, attention = units(targets)
    gone = min(round(ratio * shape.groups), shape.groups - 1) if attention else 0
    if not mlp:
        if abs(gone / shape.groups - ratio) > 0.5 / shape.groups + 1e-9:
            raise CayleyError(
                f"compression ratio {ratio} leaves none of {shape.groups} key–value groups; lower it, or give "
                "compress.targets the MLP's projections as well"
            )
        return Widths(shape.neurons, shape.groups - gone)
    total = shape.neurons * shape.neuron + attention * shape.groups * shape.group
    left = shape.neurons - (ratio * total - gone * shape.group) / shape.neuron
    multiple = _multiple(shape, left, total)
    neurons = min(round(left / multiple) * multiple, shape.neurons)
    if neurons < 1:
        raise CayleyError(
            f"compression ratio {ratio} leaves none of {shape.neurons} neurons; lower it"
            + ("" if attention else ", or give compress.targets the projections of attention as well")
        )
    return Widths(neurons, shape.groups - gone)


def _multiple(shape: LayerShape, left: float, total: float) -> int:
    """In multiples of how many neurons a layer keeps about ``left``, of ``total`` parameters: a power of two."""
    multiple = MULTIPLE
    while multiple > 1 and abs(round(left / multiple) * multiple - left) * shape.neuron > TOLERANCE * total:
        multiple //= 2
    return multiple


def neurons_in(even: Widths, shape: LayerShape) -> int:
    """In multiples of how many neurons layers keep what losses deal out, where all alike would keep ``even``."""
    return min(math.gcd(even.neurons, shape.neurons), MULTIPLE)
