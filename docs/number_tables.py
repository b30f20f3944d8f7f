"""The tables of one run, as docs/data holds them, read for write_numbers.py."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.curves import select_cells
from cayley_adapters.analysis.transition_table import load_transition
from cayley_adapters.core.tables import read_baselines, read_cells

__all__ = ["Measured", "MissingFileError", "untold"]


class MissingFileError(Exception):
    """A table that a block is made of is not there."""


class Measured:
    """Tables of a run; each is read when it is first asked for.

    Args:
        folder: that holds them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def transition(self) -> dict[str, Any]:
        return load_transition(self.folder / "transition.json")

    @cached_property
    def every(self) -> pd.DataFrame:
        """All rows of ``phase_diagram.csv``."""
        return read_cells(self.folder / "phase_diagram.csv")

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """Those of compressed models at the readout and shots of the map."""
        return self.at(self.ratio)

    @cached_property
    def baselines(self) -> pd.DataFrame:
        return read_baselines(self.folder / "baselines.csv")

    @cached_property
    def recovery(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "recovery.csv")

    @cached_property
    def differences(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "recovery_differences.csv")

    @cached_property
    def trials(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "learning_rates.csv")

    @cached_property
    def parts(self) -> dict[float, dict[str, Any]]:
        """Compression ratio → its part of ``transition.json``."""
        return {part["compression_ratio"]: part for part in self.transition["ratios"]}

    @cached_property
    def ratio(self) -> float:
        """The smallest at which anything was removed."""
        return min(ratio for ratio in self.parts if ratio > 0)

    @property
    def blocks(self) -> list[dict[str, Any]]:
        return self.parts[self.ratio]["blocks"]

    @property
    def dims(self) -> list[int]:
        return [entry["block_dim"] for entry in self.blocks]

    @property
    def middle(self) -> int:
        """The block dimension that stands for all: 4, or else the smallest."""
        return 4 if 4 in self.dims else self.dims[0]

    def entry(self, dim: int) -> dict[str, Any]:
        return next(entry for entry in self.blocks if entry["block_dim"] == dim)

    def at(self, ratio: float) -> pd.DataFrame:
        """The cells of the map at one ratio."""
        asked = self.transition["readout"], self.transition["shots"], self.transition["executor"]
        rows = self.every.iloc[select_cells(self.every, *asked)]
        return rows[rows["compression_ratio"] == ratio]

    def perplexities(self, ratio: float) -> dict[tuple[int, float], float]:
        """(block dimension, noise scale) → perplexity, of the mean over seeds; without refined scales."""
        rows = self.at(ratio)
        rows = rows[rows["refined"].astype(str) != "True"]
        means = rows.groupby(["block_dim", "noise_scale"])["nll"].mean()
        return {(int(dim), float(scale)): float(np.exp(nll)) for (dim, scale), nll in means.items()}

    @cached_property
    def cells(self) -> dict[tuple[int, float], float]:
        return self.perplexities(self.ratio)

    @property
    def scales(self) -> list[float]:
        return sorted({scale for ratio in self.parts for _, scale in self.perplexities(ratio)})

    def exact(self, ratio: float, dim: int) -> float:
        """Perplexity in exact arithmetic with signs, of the mean over seeds; not a number where there is none."""
        rows = self.every[(self.every["executor"] == "exact") & (self.every["readout"] == "signed")]
        rows = rows[(rows["compression_ratio"] == ratio) & (rows["block_dim"] == dim)]
        return float(np.exp(rows["nll"].mean()))

    def nll(self, ratio: float) -> float:
        """Of the model without blocks, nats a token."""
        rows = self.baselines[self.baselines["compression_ratio"] == ratio]
        return float(rows[rows["method"] == ("compressed" if ratio > 0 else "uncompressed")]["nll"].iloc[0])

    def level(self, ratio: float) -> float:
        """Perplexity without blocks."""
        return float(np.exp(self.nll(ratio)))

    @property
    def without(self) -> float:
        return self.level(self.ratio)

    @property
    def uncompressed(self) -> float:
        return self.level(0)

    def adapter(self, method: str, dim: float) -> dict[str, Any]:
        """The row of ``recovery.csv`` of an adapter in exact arithmetic, at the smallest ratio above 0."""
        rows = self.recovery[(self.recovery["compression_ratio"] == self.ratio) & (self.recovery["method"] == method)]
        alike = rows["block_dim"].isna() if pd.isna(dim) else rows["block_dim"] == dim
        return rows[alike & (rows["readout"] == "signed")].iloc[0].to_dict()

    @property
    def machine(self) -> str:
        """What the jobs ran on: the processor's maker and what widest instructions it has."""
        environments = json.loads((self.folder / "provenance.json").read_text(encoding="utf-8"))["environments"]
        one = next(iter(environments.values()))
        return f"{one['processor'].split(' Processor')[0]}, {'AVX-512' if 'avx512f' in one['instructions'] else 'AVX2'}"

    @property
    def documents(self) -> int:
        return int(self.transition["bootstrap"]["documents"])

    @property
    def tokens(self) -> int:
        return int(self.transition["bootstrap"]["tokens"])

    @property
    def seeds(self) -> int:
        return int(self.chosen["seed"].nunique())


def untold(found: Measured, readout: str) -> str:
    """What is to be added where a block's loss cannot be told from that of the next smaller one (Holm, 5 %)."""
    rows = found.differences[
        (found.differences["other_method"] == "cayley") & (found.differences["readout"] == readout)
    ]
    rows = rows[(rows["compression_ratio"] == found.ratio) & ~(rows["p_holm"] < 0.05)]
    return "".join(
        f"; d = {row.block_dim:g} cannot be told from {row.other_block_dim:g} (p = {row.p_holm:.2g}, Holm)"
        for row in rows.itertuples()
    )
