"""Fit what a unit of work takes, and what memory, to jobs that were run: writes costs/coefficients.json.

    python benchmarks/fit_costs.py results/ci results/quickstart …

Each folder's ``config.yaml`` says what was to be done, and ``logs/*.json`` what its jobs took. The machine's speeds are
those that ``cayley estimate`` measured here, so run the jobs on this machine and nothing else beside them. Figures are
non-negative and minimise relative errors; those that the jobs say nothing about stay near what they were.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from cayley_adapters.pipeline.costs.machine import kept_speeds, measure_speeds
from cayley_adapters.pipeline.costs.prediction import COEFFICIENTS, kind_of, model_of
from cayley_adapters.pipeline.costs.sizes import Cell
from cayley_adapters.pipeline.costs.storage import held_mb
from cayley_adapters.pipeline.costs.work import stage_work
from cayley_adapters.pipeline.records import read_records
from cayley_adapters.settings import load_settings

OWN_WEIGHT, SHARED_WEIGHT = 0.01, 0.1
"""Of a figure's relative distance from its old value, beside a job's relative error: of what belongs to one stage, and
of what many share, which a few jobs tell apart badly."""


def fit(rows: list[Mapping[str, float]], wanted: list[float], prior: Mapping[str, float]) -> dict[str, float]:
    """Non-negative figures whose combinations come near what was measured.

    Args:
        rows: of each job, name → factor.
        wanted: what each job took.
        prior: name → old value, above 0.
    """
    names = sorted({name for row in rows for name in row} | set(prior))
    scale = np.array([prior.get(name) or 1.0 for name in names])
    table = np.array([[row.get(name, 0.0) for name in names] for row in rows]) * scale / np.array(wanted)[:, None]
    own = ("start_", "text_", "curves_", "points_", "synthesised", "approximated", "cubes", "merged", "scaled")
    held = np.array([OWN_WEIGHT if name.startswith(own) else SHARED_WEIGHT for name in names])
    weight = np.ones(len(rows))
    for _ in range(20):  # reweighted towards least absolute errors: one job that was disturbed moves nothing else
        found, _ = nnls(np.vstack([weight[:, None] * table, np.diag(held)]), np.concatenate([weight, held]))
        weight = 1 / np.sqrt(np.maximum(np.abs(table @ found - 1), 0.05) / 0.05)
    return {name: float(f"{value:.4g}") for name, value in zip(names, found * scale, strict=True)}


def describe(rows: list[Mapping[str, float]], wanted: list[float], found: Mapping[str, float]) -> np.ndarray:
    """Predicted over measured."""
    return np.array([sum(found[k] * v for k, v in row.items()) for row in rows]) / np.array(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--dry-run", action="store_true", help="print the errors and write nothing")
    options = parser.parse_args()
    old = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))
    speeds = kept_speeds() or measure_speeds()
    labels, seconds_rows, seconds, memory_rows, memory = [], [], [], [], []
    for folder in options.folders:
        settings = load_settings(folder / "config.yaml")
        model = model_of(settings)
        for record in read_records(folder):
            cell = Cell.of(record["cell"], settings)
            work = stage_work(record["stage"], model, cell)
            labels.append(" ".join([folder.name, record["stage"], *record["cell"].values()]))
            seconds_rows.append({unit: count * speeds[kind_of(unit)] for unit, count in work.items()})
            seconds.append(record["cpu_seconds"])
            memory_rows.append({f"start_{record['stage']}": 1.0, **held_mb(record["stage"], model, cell)})
            memory.append(record["memory_mb"])
    held = {f"start_{k}": v for k, v in old["memory_mb"]["start"].items()}
    held |= {k: v for k, v in old["memory_mb"].items() if k != "start"}
    found = fit(seconds_rows, seconds, old["seconds"])
    found_memory = fit(memory_rows, memory, held)
    ratios, memory_ratios = describe(seconds_rows, seconds, found), describe(memory_rows, memory, found_memory)
    for label, took, ratio, mb, memory_ratio in zip(labels, seconds, ratios, memory, memory_ratios, strict=True):
        print(f"{label:55s} {took:8.1f} s × {ratio:5.2f}   {mb:6d} MiB × {memory_ratio:5.2f}")
    spread = float(np.exp(np.quantile(np.abs(np.log(ratios)), 0.9)))
    print(f"nine tenths of {len(ratios)} jobs within a factor {spread:.2f}; {found}")
    new: dict[str, Any] = {
        "speeds": {name: float(f"{value:.4g}") for name, value in speeds.items()},
        "seconds": found,
        "memory_mb": {k: v for k, v in found_memory.items() if not k.startswith("start_")}
        | {"start": {k[6:]: v for k, v in found_memory.items() if k.startswith("start_")}},
        **{name: old[name] for name in ("starting", "between_jobs", "crowding")},
        "spread": round(max(spread, 1.25), 2) if math.isfinite(spread) else old["spread"],
    }
    if not options.dry_run:
        COEFFICIENTS.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
