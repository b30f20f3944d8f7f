"""How many neurons and key–value groups layers keep when their width is pruned; known before any weight is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cayley_adapters.core.errors import CayleyError

__all__ = ["ATTENTION", "MLP", "LayerShape", "Widths", "even_widths"]

MLP, ATTENTION = ("gate_proj", "up_proj", "down_proj"), ("q_proj", "k_proj", "v_proj", "o_proj")
"""Projections that lose width together."""

MULTIPLE = 8
"""Neurons stay in such numbers: blocks of up to three qubits divide them, and so do a processor's vector registers."""


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


def even_widths(shape: LayerShape, targets: Collection[str], ratio: float) -> Widths:
    """What every layer keeps alike: groups as near to the ratio as they come, and neurons for what is left of it.

    Args:
        shape: before.
        targets: projections that are compressed, whose parameters the ratio is a share of.
        ratio: share of them to remove.

    Raises:
        CayleyError: some projections that lose width together are left out, or no neuron stays.

    Example:
        >>> even_widths(LayerShape(576, 1536, 3, 3, 64), MLP, 0.4167)
        Widths(neurons=896, groups=3)
    """
    for unit in (MLP, ATTENTION):
        if 0 < len(found := [name for name in unit if name in targets]) < len(unit):
            raise CayleyError(
                f"compress.targets has {', '.join(found)}: width pruning takes all of {', '.join(unit)}, or none of them"
            )
    attention, mlp = ATTENTION[0] in targets, MLP[0] in targets
    gone = min(round(ratio * shape.groups), shape.groups - 1) if attention else 0
    neurons = shape.neurons
    if mlp:
        total = mlp * shape.neurons * shape.neuron + attention * shape.groups * shape.group
        left = shape.neurons - (ratio * total - gone * shape.group) / shape.neuron
        neurons = min(round(left / MULTIPLE) * MULTIPLE, shape.neurons)
    if neurons < MULTIPLE:
        raise CayleyError(f"compression ratio {ratio} leaves no {MULTIPLE} of {shape.neurons} neurons; lower it")
    return Widths(neurons, shape.groups - gone)
