"""A model's sizes and a job's cell, in the terms in which work is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cayley_adapters.models.shapes import ModelShape
from cayley_adapters.settings import Settings

__all__ = ["Cell", "Model", "Work"]


class Work(dict[str, float]):
    """Unit of work → how many; none of those that are not there. A Counter would be one of whole numbers."""

    def __missing__(self, unit: str) -> float:
        return 0.0

    def __add__(self, other: Work) -> Work:
        both = {unit: self[unit] + other[unit] for unit in self | other}
        return Work({unit: count for unit, count in both.items() if count > 0})


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Cell:
    """The values of a job's wildcards; 0 or empty where the stage does not run over that axis."""

    ratio: float = 0.0
    block_dim: int = 0
    control: str = ""
    first: bool = True

    @classmethod
    def of(cls, cell: Mapping[str, str], settings: Settings) -> Cell:
        """Read a job's cell; ``first`` is the one that computes what all of its ratio share."""
        ratio, block = cell.get("ratio"), cell.get("block")
        first = (settings.sweep.block_dim[0], settings.sweep.seed[0])
        d = int(block[1:]) if block else 0
        return cls(
            float(ratio.removeprefix("ratio")) if ratio else 0.0,
            d,
            cell.get("control", ""),
            (d, int(cell.get("seed", "seed-1")[4:])) == first,
        )


class Model:
    """A model's sizes, in the terms in which work is counted.

    Args:
        shape: of the uncompressed model.
        settings: which projections are compressed and adapted, and the length of a window.

    Attributes:
        compressed: (in, out) of the projections of a layer that are compressed.
        compressed_layers, observed_layers: how many layers are compressed, and how many run for that.
        bytes: of a stored weight.
    """

    def __init__(self, shape: ModelShape, settings: Settings) -> None:
        self.projections = {name: shape.projection(name) for name in PROJECTIONS}
        self.shape, self.settings, self.window = shape, settings, settings.data.window
        self.compressed = [self.projections[name] for name in settings.compress.targets if name in self.projections]
        chosen = settings.compress.layers
        self.compressed_layers = shape.layers if chosen is None else len(chosen)
        self.observed_layers = shape.layers if chosen is None else max(chosen) + 1
        self.bytes = 2 if settings.model.dtype == "bfloat16" else 4

    def layer_parameters(self, ratio: float = 0.0) -> float:
        """Numbers that the projections of a layer store, in the mean over layers."""
        dense = sum(i * o for i, o in self.projections.values())
        return dense - ratio * sum(i * o for i, o in self.compressed) * self.compressed_layers / self.shape.layers

    def parameters(self, ratio: float = 0.0) -> float:
        """Numbers that the model stores."""
        return self.shape.parameters - self.shape.layers * (self.layer_parameters() - self.layer_parameters(ratio))

    def adapted(self, targets: tuple[str, ...], layers: tuple[int, ...] | None) -> tuple[list[tuple[int, int]], int]:
        """(in, out) of every adapted projection, and the first layer that has one."""
        count = self.shape.layers if layers is None else len(layers)
        shapes = [self.projections[name] for name in targets if name in self.projections]
        return shapes * count, min(layers) if layers else 0

    def adapted_inputs(self) -> int:
        """Inputs of all projections that the map's blocks act on."""
        return sum(i for i, _ in self.adapted(self.settings.train.targets, self.settings.train.layers)[0])

    def run(
        self, tokens: float, ratio: float, *, layers: int | None = None, back: bool = False, head: bool = True
    ) -> Work:
        """A forward pass over windows, and where ``back`` is set a backward pass to the inputs of frozen weights."""
        layers, shape, passes = self.shape.layers if layers is None else layers, self.shape, 2 if back else 1
        calls = tokens / self.window  # windows
        attention = 2 * shape.heads * shape.head_dim * self.window
        work = Work(
            flops=passes * tokens * layers * (2 * self.layer_parameters(ratio) + attention),
            elements=passes * tokens * layers * (12 * shape.hidden + 5 * shape.intermediate),
            operations=passes * calls * (40 * layers + 20),
        )
        if head:
            work["flops"] += passes * tokens * 2 * shape.hidden * shape.vocabulary
            work["logits"] += passes * tokens * shape.vocabulary
        return work

    def rotations(self, tokens: float, inputs: float, d: int, passes: int) -> Work:
        """Blocks times slices in plain arithmetic: compiled loops for small blocks, batched products for others."""
        small = d <= 4
        return Work({"rotated" if small else "multiplied": tokens * inputs * passes * (1 if small else 1 + d / 16)})
