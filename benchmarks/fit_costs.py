"""Fit what starts and sizes of jobs take to jobs that were run: writes costs/coefficients.json.

    python benchmarks/fit_costs.py results/ci results/quickstart …

Each folder's ``config.yaml`` says what was to be done, and ``logs/*.json`` what its jobs took. The machine's speeds are
those that ``cayley estimate`` measured here, so run the jobs on this machine and nothing else beside them. Figures are
non-negative and minimise relative errors; those that the jobs say nothing about stay near what they were.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from cayley_adapters.pipeline.costs.machine import kept_speeds, measure_speeds
from cayley_adapters.pipeline.costs.prediction import COEFFICIENTS, coefficients, cost_of, figures, model_sizes
from cayley_adapters.pipeline.records import read_records
from cayley_adapters.settings import load_settings

HELD = 0.1
"""Weight of a figure's relative distance from its old value, beside a job's relative error."""


def fit(factors: np.ndarray, took: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Non-negative figures, ``(K,)``, whose products with factors, ``(jobs, K)``, come near what jobs took."""
    held, weight, found = HELD * np.eye(len(old)), np.ones(len(took)), np.ones(len(old))
    for _ in range(20):  # reweighted towards least absolute errors: one job that was disturbed moves nothing else
        table = factors * old / took[:, None]
        found, _ = nnls(np.vstack([weight[:, None] * table, held]), np.concatenate([weight, held.sum(axis=1)]))
        weight = 1 / np.sqrt(np.maximum(np.abs(table @ found - 1), 0.05) / 0.05)
    return found * old


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--dry-run", action="store_true", help="print the errors and write nothing")
    options = parser.parse_args()
    speeds = kept_speeds() or measure_speeds()
    jobs: dict[str, list[tuple[str, float, float, float, float]]] = {}
    for folder in options.folders:
        settings = load_settings(folder / "config.yaml")
        for record in read_records(folder):
            basis, cost = cost_of(record["stage"])
            sizes = model_sizes(settings, record["cell"])
            label = " ".join([folder.name, record["stage"], *record["cell"].values()])
            took = record["cpu_seconds"], record["memory_mb"] - cost.memory_mb(sizes)
            jobs.setdefault(basis, []).append((label, speeds["matmul"] * cost.size(sizes), *took, record["memory_mb"]))
    new, ratios = json.loads(COEFFICIENTS.read_text(encoding="utf-8")), []
    for stage, rows in jobs.items():
        old = figures(stage)
        factors = np.array([(speeds["start"], row[1]) for row in rows])
        took = np.array([row[2] for row in rows])
        start, work = fit(factors, took, np.array([old["start"], old["work"]]))
        memory = max(0.0, float(np.median([row[3] for row in rows])))
        new["stages"][stage] = {
            "start": float(f"{start:.3g}"),
            "work": float(f"{work:.3g}"),
            "memory_mb": round(memory),
        }
        predicted = factors @ [start, work]
        ratios += list(predicted / took)
        for row, seconds in zip(rows, predicted, strict=True):
            held = (memory + row[4] - row[3]) / row[4]
            print(f"{row[0]:55s} {row[2]:8.1f} s × {seconds / row[2]:5.2f}   {row[4]:6.0f} MiB × {held:5.2f}")
    spread = float(np.exp(np.quantile(np.abs(np.log(ratios)), 0.9)))
    print(f"nine tenths of {len(ratios)} jobs within a factor {spread:.2f}")
    new |= {"speeds": {name: float(f"{speeds[name]:.4g}") for name in coefficients()["speeds"]}}
    new["spread"] = round(max(spread, 1.25), 2)
    if not options.dry_run:
        COEFFICIENTS.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
