"""Gather all cells into the tables that scripts read, and what these rest on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.analysis.repair import adaptation, repair
from cayley_adapters.circuits.sizes import WHOLE
from cayley_adapters.core.job import Job, manifest_columns
from cayley_adapters.core.reading import damaged
from cayley_adapters.core.tables import (
    BASELINE_COLUMNS,
    IDENTITY_COLUMNS,
    TRIAL_COLUMNS,
    cell_columns,
    read_baselines,
    read_cells,
    read_table,
    write_table,
)
from cayley_adapters.pipeline.provenance import gather, write_json
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings

__all__ = ["run"]

ARM = ["executor", "readout", "mitigation", "shots"]
ADAPTER = [*ARM, "block_dim", "seed"]
CONTROL = ["method", "matched_block_dim", "seed"]
"""What one adapter has in common whatever model it is trained on."""


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``phase_diagram.csv``, ``baselines.csv``, the manifest of adapters and ``provenance.json``."""
    inputs, outputs = job.inputs, job.outputs
    references = [*inputs["reference"], *inputs["rows"], *inputs["controls"]]
    baselines = pd.concat([read_baselines(path) for path in references], ignore_index=True)
    uncompressed = baselines.query("method == 'uncompressed'").perplexity.iloc[0]
    references = baselines.query("method == 'compressed'").set_index("compression_ratio")
    compressed, damaged_nll = references.perplexity, references.nll
    plain = baselines.query("method == 'uncompressed'").nll.iloc[0]
    cells = pd.concat([_own_cells(path) for path in inputs["cells"]], ignore_index=True)
    cells["recovery"] = _recovery(cells, cells.compression_ratio.map(compressed), uncompressed)
    learnt = _on_the_whole_model(cells[cells.noise_scale == 0], cells, ADAPTER)
    trials = [read_table(path, TRIAL_COLUMNS) for path in (*inputs["rates"], *inputs["control_rates"])]
    rates = write_table(pd.concat(trials) if trials else [], outputs["rates"], TRIAL_COLUMNS)
    cells["learning_rate"] = _chosen(cells.assign(method="cayley"), "block_dim", rates, job)["learning_rate"]
    cells["repair"] = _repair(cells, learnt, damaged_nll, plain)
    cells = _with_identities(cells, inputs["identities"])
    # A processor's rows are of a text of their own, on which their recovery is known already.
    cells = pd.concat([cells, *(read_cells(path) for path in inputs["device"])], ignore_index=True)
    order = ["compression_ratio", "block_dim", "seed", "executor", "shots", "noise_scale"]
    write_table(cells.sort_values(order, kind="stable"), outputs["cells"], cell_columns(cells.columns))

    learnt = _on_the_whole_model(baselines, baselines, CONTROL)
    baselines["adaptation"] = adaptation(plain, learnt)
    baselines["repair"] = _repair(baselines, learnt, damaged_nll, plain)
    baselines[["learning_rate", "trials"]] = _chosen(baselines, "matched_block_dim", rates, job)
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
    if own["block_dim"] == WHOLE:  # of which the table has the largest
        del own["block_dim"]
    for name, value in own.items():
        if strange := [item for item in cells[name].unique() if float(item) != float(value)]:
            raise damaged(path, f"its rows have {name} {strange[0]} where the folder says {value}")
    return cells


def _recovery(cells: pd.DataFrame, compressed: pd.Series, uncompressed: float) -> pd.Series:
    """(ppl_compressed − ppl) / (ppl_compressed − ppl_uncompressed), empty where nothing was removed."""
    lost = (compressed - uncompressed).where(cells.compression_ratio > 0)
    return (compressed - cells.perplexity) / lost


def _chosen(rows: pd.DataFrame, size: str, trials: pd.DataFrame, job: Job) -> pd.DataFrame:
    """Step size of each row's adapter and how many were tried for it: 0 of one that the configuration gives.

    Args:
        rows: with ``compression_ratio, method, seed`` and the column ``size``, a block dimension.
        trials: rows of :data:`TRIAL_COLUMNS`.
        job: the one that gathers them.
    """
    key = ["compression_ratio", "method", "block_dim"]
    counts = trials.groupby(key, dropna=False).size().rename("trials").reset_index()
    known = trials[trials["chosen"].astype(bool)][[*key, "learning_rate"]].merge(counts, on=key)
    asked = rows[["compression_ratio", "method", size]].rename(columns={size: "block_dim"}).astype({"block_dim": float})
    found = asked.merge(known.astype({"block_dim": float, "compression_ratio": float}), how="left", on=key)
    own = [CONTROLS[name].rate if name in CONTROLS else None for name in rows["method"]]
    given = [job.leaves[f"control.{rate}" if rate else "train.learning_rate"] for rate in own]
    found = found.set_axis(rows.index)
    found["learning_rate"] = found["learning_rate"].fillna(pd.Series(given, rows.index, dtype=float))
    return found.fillna({"trials": 0})[["learning_rate", "trials"]].where(rows["seed"].notna(), axis=0)


def _on_the_whole_model(of: pd.DataFrame, rows: pd.DataFrame, adapter: list[str]) -> pd.Series:
    """For each row the nll of the uncompressed model with the same adapter, where ``of`` has it."""
    known = of[(of.compression_ratio == 0) & of.seed.notna()][[*adapter, "nll"]]
    found = rows[adapter].merge(known, how="left", on=adapter)["nll"]
    return found.set_axis(rows.index).where(rows.seed.notna())


def _repair(rows: pd.DataFrame, learnt: pd.Series, compressed: pd.Series, plain: float) -> pd.Series:
    """Repair of each row; ``compressed`` is the compressed model's nll by ratio, ``plain`` the uncompressed one's."""
    share = repair(rows.nll, learnt, rows.compression_ratio.map(compressed), plain)
    return pd.Series(share, rows.index).where(rows.compression_ratio > 0)


def _with_identities(cells: pd.DataFrame, paths: Sequence[Path]) -> pd.DataFrame:
    """Cells beside what blocks that have learnt nothing give in the same circuits; refined noise scales have none."""
    known = pd.concat([read_table(path, IDENTITY_COLUMNS) for path in paths], ignore_index=True)
    key = ["compression_ratio", "block_dim", "noise_scale", *ARM]
    known = known[[*key, "nll", "perplexity"]].rename(columns={n: f"{n}_identity" for n in ("nll", "perplexity")})
    kinds = {name: cells[name].dtype for name in key}
    return cells.drop(columns=["nll_identity", "perplexity_identity"]).merge(known.astype(kinds), how="left", on=key)
