"""Operator entanglement of the trained blocks, beside random blocks of the same norm: tables and a picture."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import blocks_of
from cayley_adapters.adapters.cayley.loading import read_adapter
from cayley_adapters.analysis.entanglement import (
    DIFFERENCE_COLUMNS,
    ENTANGLEMENT_COLUMNS,
    against_random,
    projection_rows,
)
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.entanglement import random_directions
from cayley_adapters.core.job import Job, manifest_columns
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.figures import ENTANGLEMENT
from cayley_adapters.report.wandb.tracked import TrackedRun, figure_files
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``entanglement.csv``, ``entanglement_differences.csv`` and the picture."""
    paths, outputs = job.inputs["adapter"], job.outputs
    ansatz = read_adapter(paths[0].parent, CayleyConfig)[0].ansatz
    table = pd.DataFrame(_rows(job.label, paths), columns=ENTANGLEMENT_COLUMNS)
    table = table.sort_values(["compression_ratio", "block_dim", "seed", "layer", "projection"], kind="stable")
    differences = against_random(table)
    # Seven digits are more than means over blocks have, and halve the file.
    values = ENTANGLEMENT_COLUMNS[ENTANGLEMENT_COLUMNS.index("max_entropy") :]
    write_table(table.astype(dict.fromkeys(values, np.float32)), outputs["table"], ENTANGLEMENT_COLUMNS)
    write_table(differences, outputs["differences"], DIFFERENCE_COLUMNS)
    given = {"entanglement": table, "entanglement_differences": differences, "ansatz": ansatz}
    draw_figures(ENTANGLEMENT, outputs, given | {"model": settings.model.name})
    overall = differences[(differences["bipartition"] == "all") & differences["measure"].isin(["entropy", "distance"])]
    summary: dict[str, Any] = {}
    for row in overall.itertuples():
        name = f"{row.measure}/ratio{row.compression_ratio:g}/d{row.block_dim}/{row.projection}"
        summary |= {f"{name}/trained": row.trained, f"{name}/random": row.random}
        say(
            f"ratio {row.compression_ratio:g}, d = {row.block_dim}, {row.projection}: {row.measure} {row.trained:.4f}, "
            f"random {row.random:.4f}, ratio {row.ratio:.3f} ({row.ratio_ci95_low:.3f} to {row.ratio_ci95_high:.3f})"
        )
    tracked = TrackedRun(
        "entanglement",
        "entanglement",
        {"model": settings.model.name, "cell": "map"},
        summary=summary,
        tables={"entanglement_table": differences},
        pictures=pictures_of(ENTANGLEMENT, outputs),
        made=[figure_files("entanglement", *files_of(ENTANGLEMENT, outputs))],
    )
    return Outcome(tracked=[tracked])


def _rows(label: str, paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Rows of all projections of all adapters."""
    progress, done = Progress(label), 0
    for path in paths:
        config, stored = read_adapter(path.parent, CayleyConfig)
        folder = "/".join(path.parent.parts[-3:])
        rotations = ANSATZES[config.ansatz].circuit_of is not None
        told, rows, largest = manifest_columns(folder), list[dict[str, Any]](), 0
        cell = {"compression_ratio": float(told["compression_ratio"]), "seed": int(told["seed"])}
        for name, saved in stored.items():
            layer, projection = re.findall(r"\.layers\.(\d+)\..*?(\w+)\.cayley_theta$", name)[0]
            theta = saved.double()
            # A seed of the tensor's own: what else a run holds does not change its random blocks.
            rng = np.random.default_rng(zlib.crc32(f"{folder}/{name}".encode()))
            random = torch.from_numpy(random_directions(theta.numpy(), rng))
            kinds = {"trained": blocks_of(theta, config).numpy(), "random": blocks_of(random, config).numpy()}
            largest = max(largest, kinds["trained"].shape[-1])
            about = {"layer": int(layer), "projection": projection}
            rows += [cell | about | row for row in projection_rows(kinds, rotations)]
            done += 1
            progress(done, len(stored) * len(paths))  # all adapters of a run are on the same projections
        yield from (row | {"block_dim": largest} for row in rows)
