"""What the sizes of jobs are made of: tokens, parameters that run at each, and what is held in memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.sizes import LARGE_BLOCK, block_count, dimension_of, largest_block
from cayley_adapters.models.shapes import ModelShape
from cayley_adapters.settings import Settings
from cayley_adapters.settings.fields import PROJECTIONS

__all__ = ["LOADED", "Sizes"]

LOADED = 400
"""Tokens that a model could run on while it is read from disk."""

SOLVED = 2.75
"""Products of two d × d matrices that half a step of a large block takes: it is solved for, and its gradient made."""

BOFT = 2.5
"""Parameters' worth of BOFT, which multiplies its blocks into whole weight matrices: times in² (in + out) / window."""


@dataclass(frozen=True)
class Sizes:
    """A job of a model: its configuration and its cell.

    Attributes:
        shape: of the uncompressed model.
        settings: what the job runs with.
        cell: wildcard → folder, as jobs have it; axes that the stage does not run over are left out.
    """

    shape: ModelShape
    settings: Settings
    cell: Mapping[str, str]

    @property
    def ratio(self) -> float:
        """Compression ratio; 0 where the stage does not run over them."""
        return float(self.cell.get("ratio", "ratio0").removeprefix("ratio"))

    @property
    def block_dim(self) -> int:
        """Dimension of the blocks, of whole inputs that of the largest; 0 where there are none."""
        text = self.cell.get("block", "d0").removeprefix("d")
        return largest_block(text, list(self._widths))

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """(number, dimension) of the blocks of every adapted projection, of dimension 4 where the cell has none."""
        text = self.cell.get("block", "d4").removeprefix("d")
        sizes = {width: dimension_of(text, width) for width in self._widths}
        known = {width: (block_count(width, d), d) for width, d in sizes.items()}
        return [known[width] for width, _ in self.adapters]

    @property
    def _widths(self) -> set[int]:
        """Inputs of the adapted projections, each number once."""
        return {width for width, _ in self.adapters}

    @property
    def blocks_mb(self) -> float:
        """MiB of the blocks themselves, with their parameters, the gradients and moments of these, and the best."""
        return self.mib(4 * sum(count * d**2 for count, d in self.blocks))

    @property
    def window(self) -> int:
        """Tokens a window."""
        return self.settings.data.window

    @property
    def bytes(self) -> int:
        """Of a stored weight."""
        return 2 if self.settings.model.dtype == "bfloat16" else 4

    @property
    def compressed(self) -> list[tuple[int, int]]:
        """(in, out) of the projections of a layer that are compressed."""
        return [self.shape.projection(name) for name in self.settings.compress.targets]

    @property
    def compressed_layers(self) -> int:
        chosen = self.settings.compress.layers
        return self.shape.layers if chosen is None else len(chosen)

    @property
    def layers(self) -> float:
        """Parameters of all layers' projections, at the job's ratio."""
        dense = sum(math.prod(self.shape.projection(name)) for name in PROJECTIONS)
        removed = self.ratio * self.compressed_layers * sum(map(math.prod, self.compressed))
        return self.shape.layers * dense - removed

    @property
    def dense(self) -> float:
        """Parameters that work at each token of the uncompressed model."""
        projections = sum(math.prod(self.shape.projection(name)) for name in PROJECTIONS)
        return self.shape.layers * projections + self.shape.hidden * self.shape.vocabulary

    @property
    def running(self) -> float:
        """Parameters that work at each token: all layers, and the output embedding."""
        return self.layers + self.shape.hidden * self.shape.vocabulary

    @property
    def stored(self) -> float:
        """Numbers that the model keeps."""
        return self.running + (not self.shape.tied) * self.shape.hidden * self.shape.vocabulary

    def adapted(self, targets: tuple[str, ...], layers: tuple[int, ...] | None) -> tuple[list[tuple[int, int]], int]:
        """(in, out) of every adapted projection, and the first layer that has one."""
        count = self.shape.layers if layers is None else len(layers)
        return [self.shape.projection(name) for name in targets] * count, min(layers) if layers else 0

    @property
    def adapters(self) -> list[tuple[int, int]]:
        """(in, out) of every projection that training adapts."""
        return self.adapted(self.settings.train.targets, self.settings.train.layers)[0]

    @property
    def inputs(self) -> int:
        """Inputs of all adapted projections."""
        return sum(width for width, _ in self.adapters)

    @property
    def lower(self) -> float:
        """Parameters of the layers below the first that is adapted, which are run once for a compressed model."""
        return self.layers * self._first / self.shape.layers

    @property
    def upper(self) -> float:
        """Parameters that work at each token of training and evaluation."""
        return self.running - self.lower

    @property
    def _first(self) -> int:
        return self.adapted(self.settings.train.targets, self.settings.train.layers)[1]

    @property
    def leads(self) -> bool:
        """Whether this is the cell that runs the lower layers for all others of its ratio."""
        sweep = self.settings.sweep
        own = self.cell.get("block"), self.cell.get("seed")
        return self._first > 0 and own == (f"d{sweep.block_dim[0]}", f"seed{sweep.seed[0]}")

    @property
    def adapter(self) -> float:
        """What the adapters add to the parameters that work at each token, in parameters' worth."""
        method, _, d = self.cell.get("control", "").partition("-d")
        work = CONTROLS[method].work if method else "rotated"
        if work == "merged":
            return BOFT * sum(i * i * (i + o) for i, o in self.adapters) / self.window
        if self.block_dim > LARGE_BLOCK:  # as long as matrices take, and a step makes them once
            step = self.settings.train.batch_windows * self.window
            return float(sum(count * (80 * d + d**2 + SOLVED * d**3 / step) for count, d in self.blocks))
        return self.inputs * (150 if work == "scaled" else 80 * (1 + (int(d or 0) or self.block_dim) / 8))

    @property
    def trained(self) -> int:
        """Tokens that are trained on."""
        return self.settings.train.steps * self.settings.train.batch_windows * self.window

    @property
    def seen(self) -> int:
        """Different tokens of training and validation."""
        return self.trained + self.settings.train.validation_windows * self.window

    @property
    def validated(self) -> int:
        """Tokens run to choose the best checkpoint."""
        train = self.settings.train
        return (1 + math.ceil(train.steps / train.validate_every)) * train.validation_windows * self.window

    @property
    def evaluated(self) -> int:
        """Tokens of the test windows."""
        return self.settings.evaluate.windows * self.window

    @property
    def curves(self) -> int:
        """Curves over the noise axis."""
        sweep = self.settings.sweep
        return len(sweep.compression_ratio) * len(sweep.block_dim) * len(sweep.seed)

    def mib(self, numbers: float) -> float:
        """MiB of float32 numbers."""
        return 4 * numbers / 2**20

    @property
    def weights_mb(self) -> float:
        """MiB of the model in memory, with what its loading leaves."""
        return 1.25 * self.bytes * self.stored / 2**20

    def logits_mb(self, windows: float) -> float:
        """MiB of the logits of some windows."""
        return 1.15 * self.mib(windows * self.window * self.shape.vocabulary)

    @property
    def kept_mb(self) -> float:
        """MiB of what a training step keeps for its backward pass."""
        return self.kept_mb_of(self.settings.train.batch_windows, self._first)

    def kept_mb_of(self, windows: int, first: int) -> float:
        """The same of so many windows, where ``first`` is the lowest layer that is trained."""
        shape = self.shape
        layer = windows * self.window * (12 * shape.hidden + 5 * shape.intermediate)
        return self.mib(layer * (shape.layers - first)) + 1.5 * self.logits_mb(windows)
