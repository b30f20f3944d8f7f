"""Keep the tables, the picture and the times of a run in docs, where README and pages take their numbers from.

python docs/keep_run.py results/quickstart && python docs/write_numbers.py
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pandas as pd

DOCS = Path(__file__).parent
TABLES = ("phase_diagram", "baselines", "recovery", "recovery_differences", "learning_rates")

OF_REPORT = ("questions.csv", "question_comparisons.csv", "benchmarks.csv", "benchmark_comparisons.csv")
"""Tables that only a run with a report has."""


def jobs(run: Path) -> pd.DataFrame:
    """What each job took, the first to begin first; ``started`` counts seconds from its beginning."""
    files = (path for path in sorted((run / "logs").glob("*.json")) if path.exists())
    table = pd.DataFrame({"job": path.stem, **json.loads(path.read_text(encoding="utf-8"))} for path in files)
    table = table.sort_values(["started", "job"], ignore_index=True)
    table["started"] = (table["started"] - table["started"].min()).round(1)
    return table[["job", "started", "seconds", "cpu_seconds", "memory_mb"]]


def main(run: Path) -> None:
    """Copy them."""
    kept = DOCS / "data" / run.name
    kept.mkdir(parents=True, exist_ok=True)
    for name in (*(f"{table}.csv" for table in TABLES), "transition.json", "provenance.json"):
        shutil.copyfile(run / name, kept / name)
    for name in OF_REPORT:
        _copy(run / name, kept / name)
    jobs(run).to_csv(kept / "jobs.csv", index=False)
    if run.name == "quickstart":
        for name in ("phase_diagram.png", "benchmarks.png"):
            _copy(run / name, DOCS / "images" / name)


def _copy(source: Path, kept: Path) -> None:
    """Copy what a run may lack; what another run left there goes, since no page shall mix two."""
    kept.unlink(missing_ok=True)
    if source.is_file():
        shutil.copyfile(source, kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
