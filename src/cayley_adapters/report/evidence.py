"""What a report is made from: the configuration, and the files of one run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.curves import along_the_axis, select_cells
from cayley_adapters.core.tables import parse_table
from cayley_adapters.report.plots.grid import average_seeds
from cayley_adapters.settings import Settings

__all__ = ["Evidence"]


@dataclass(frozen=True)
class Evidence:
    """One run's configuration and results.

    Attributes:
        settings: its ``config.yaml``.
        files: file name → content, of all that the report may show.
        tables: the CSV files among them, parsed.
        transition: its ``transition.json``.
        model: its ``prepared/model.json``.
        provenance: its ``provenance.json``, see :func:`cayley_adapters.pipeline.provenance.gather`.
    """

    settings: Settings
    files: Mapping[str, bytes]
    tables: Mapping[str, pd.DataFrame]
    transition: Mapping[str, Any]
    model: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @classmethod
    def from_files(cls, settings: Settings, files: Mapping[str, bytes]) -> Evidence:
        """Parse the tables among ``files``; the three JSON files must be there.

        Raises:
            CayleyError: a table is damaged.
        """
        tables = {name: parse_table(content, name) for name, content in files.items() if name.endswith(".csv")}
        given = (json.loads(files[f"{name}.json"]) for name in ("transition", "model", "provenance"))
        return cls(settings, files, tables, *given)

    @property
    def cells(self) -> pd.DataFrame:
        """Rows of ``phase_diagram.csv``."""
        return self.tables["phase_diagram.csv"]

    @property
    def baselines(self) -> pd.DataFrame:
        """Rows of ``baselines.csv``."""
        return self.tables["baselines.csv"]

    @property
    def map(self) -> pd.DataFrame:
        """The cells at the map's readout and shots, averaged over seeds, of the ratios that were run under noise."""
        chosen = select_cells(
            self.cells, self.transition["readout"], float(self.transition["shots"]), self.transition["executor"]
        )
        return average_seeds(along_the_axis(self.cells.iloc[chosen]))

    @property
    def clusters(self) -> int:
        """How many test documents, or windows of the only one, intervals are drawn over; none are with fewer than 2."""
        return int(self.transition["bootstrap"]["documents"])

    @property
    def resampled(self) -> str:
        """The same in words."""
        return str(self.transition["bootstrap"]["resampled"])

    @property
    def tokens(self) -> int:
        """Scored test tokens."""
        return int(self.transition["bootstrap"]["tokens"])

    @property
    def noisy(self) -> bool:
        """Whether any cell was run under a device's noise."""
        return bool((self.map["noise_scale"] > 0).any())

    def perplexity(self, method: str, ratio: float = 0.0) -> float:
        """Perplexity of the ``uncompressed`` or ``compressed`` model."""
        rows = self.baselines[self.baselines["method"] == method]
        rows = rows[np.isclose(rows["compression_ratio"].astype(float), ratio)]
        return float(rows["perplexity"].iloc[0])
