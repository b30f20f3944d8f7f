"""The columns of a real run are those that the report and the documentation describe."""

from __future__ import annotations

import csv

from cayley_adapters.report.columns import column


def test_every_column_that_a_run_leaves_is_described(built):
    tables = sorted((built.folder / "results").rglob("*.csv"))
    assert len({path.name for path in tables}) > 10
    unknown = set()
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
        unknown |= {f"{path.name}: {name}" for name in header if not column(name, path.stem)}
    assert unknown == set()
