"""What adapters recover without noise, beside the controls: tables and a picture."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cayley_adapters.analysis.evaluations import read_evaluations, read_references
from cayley_adapters.analysis.recovery import DIFFERENCE_COLUMNS, RECOVERY_COLUMNS, recovery_tables
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import read_baselines, write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.figures import RECOVERY
from cayley_adapters.report.wandb.tracked import TrackedRun, figure_files
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``recovery.csv``, ``recovery_differences.csv`` and the picture."""
    inputs, outputs = job.inputs, job.outputs
    baselines = read_baselines(inputs["baselines"][0])
    ratios = baselines.query("method == 'compressed'")
    without = [*inputs["uncompressed"], *inputs["compressed"]]
    (plain, *others), documents = read_references([*without, *inputs["control_losses"]])
    compressed = dict(zip(ratios.compression_ratio, others[: len(ratios)], strict=True))
    evaluations = read_evaluations(inputs["losses"], len(documents))
    noiseless = evaluations.rows(_noiseless(evaluations.cells, settings.evaluate.map_shots))
    parts = [noiseless.cells.assign(method="cayley")]
    for path in inputs["control_losses"]:
        row = read_baselines(path.with_name("baselines.csv"))
        parts.append(row.assign(readout="signed", block_dim=row["matched_block_dim"]))
    rows = pd.concat(parts, ignore_index=True).astype({"block_dim": float})
    losses = np.stack([*noiseless.losses, *others[len(ratios) :]])
    table, differences = recovery_tables(rows, losses, documents, plain, compressed)
    write_table(table, outputs["table"], RECOVERY_COLUMNS)
    write_table(differences, outputs["differences"], DIFFERENCE_COLUMNS)
    uncompressed = float(baselines.query("method == 'uncompressed'").perplexity.iloc[0])
    known = ratios.rename(columns={"perplexity": "compressed"}).assign(uncompressed=uncompressed)
    model = str(baselines["model"].iloc[0])
    given = {"recovery": table, "recovery_differences": differences, "references": known, "model": model}
    draw_figures(RECOVERY, outputs, given)
    if not (table["compression_ratio"] == 0).any():
        say("what of this is repair, and what adaptation to the text, is not known: add 0 to sweep.compression_ratio")
    for row in table[table["compression_ratio"] > 0].itertuples():
        size = "" if np.isnan(row.block_dim) else f" d = {row.block_dim:.0f}"
        say(
            f"ratio {row.compression_ratio:g}, {row.method}{size}, {row.readout}: perplexity {row.perplexity:.4g}, "
            f"recovery {row.recovery:.3f} ({row.recovery_ci95_low:.3f} to {row.recovery_ci95_high:.3f}), "
            f"adaptation {row.adaptation:.3f}, repair {row.repair:.3f} ({row.repair_ci95_low:.3f} to "
            f"{row.repair_ci95_high:.3f})"
        )
    tracked = TrackedRun(
        "recovery",
        "recovery",
        {"model": model, "cell": "map"},
        tables={"recovery_table": table, "recovery_differences": differences},
        pictures=pictures_of(RECOVERY, outputs),
        made=[figure_files("recovery", *files_of(RECOVERY, outputs))],
    )
    return Outcome(tracked=[tracked])


def _noiseless(cells: pd.DataFrame, shots: float) -> np.ndarray:
    """Positions of the exact row, and of the readout's at noise scale 0 with the map's shots."""
    exact = cells["executor"] == "exact"
    device = ~exact & (cells["noise_scale"] == 0) & (pd.to_numeric(cells["shots"]) == shots)
    return np.flatnonzero(exact | device)
