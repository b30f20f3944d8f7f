"""Gather all cells into the tables that scripts read, and what these rest on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cayley_adapters.core.job import Job, manifest_columns
from cayley_adapters.core.reading import damaged
from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS, read_baselines, read_cells, write_table
from cayley_adapters.pipeline.provenance import gather, write_json
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``phase_diagram.csv``, ``baselines.csv``, the manifest of adapters and ``provenance.json``."""
    inputs, outputs = job.inputs, job.outputs
    references = [*inputs["reference"], *inputs["rows"], *inputs["controls"]]
    baselines = pd.concat([read_baselines(path) for path in references], ignore_index=True)
    uncompressed = baselines.query("method == 'uncompressed'").perplexity.iloc[0]
    compressed = baselines.query("method == 'compressed'").set_index("compression_ratio").perplexity
    cells = pd.concat([_own_cells(path) for path in inputs["cells"]], ignore_index=True)
    cells["recovery"] = _recovery(cells, cells.compression_ratio.map(compressed), uncompressed)
    # A processor's rows are of a text of their own, on which their recovery is known already.
    cells = pd.concat([cells, *(read_cells(path) for path in inputs["device"])], ignore_index=True)
    order = ["compression_ratio", "block_dim", "seed", "executor", "shots", "noise_scale"]
    write_table(cells.sort_values(order, kind="stable"), outputs["cells"], CELL_COLUMNS)

    baselines["recovery"] = _recovery(baselines, baselines.compression_ratio.map(compressed), uncompressed)
    write_table(baselines, outputs["baselines"], BASELINE_COLUMNS)

    folders = ["/".join(path.parent.parts[-3:]) for path in inputs["adapters"]]
    rows = [{"folder": folder, **manifest_columns(folder)} for folder in folders]
    write_table(rows, outputs["manifest"], ["folder", "compression_ratio", "block_dim", "seed"])
    write_json(gather(job), outputs["provenance"])
    return Outcome()


def _own_cells(path: Path) -> pd.DataFrame:
    """Rows of one evaluation, which must be those of its folder: a table copied from elsewhere would count twice."""
    cells, own = read_cells(path), manifest_columns("/".join(path.parent.parts[-3:]))
    for name, value in own.items():
        if strange := [item for item in cells[name].unique() if float(item) != float(value)]:
            raise damaged(path, f"its rows have {name} {strange[0]} where the folder says {value}")
    return cells


def _recovery(cells: pd.DataFrame, compressed: pd.Series, uncompressed: float) -> pd.Series:
    """(ppl_compressed − ppl) / (ppl_compressed − ppl_uncompressed), empty where nothing was removed."""
    lost = (compressed - uncompressed).where(cells.compression_ratio > 0)
    return (compressed - cells.perplexity) / lost
