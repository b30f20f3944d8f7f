"""Every column that a run writes is described, and nothing else is."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from synthetic import evidence_of

from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.report.columns import COLUMNS, ENDINGS, KINDS, column
from cayley_adapters.report.page.headline import verdicts
from cayley_adapters.report.page.tables import table_view
from cayley_adapters.report.result_tables import TABLES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def written() -> Mapping[str, Sequence[str]]:
    """Name of a CSV → the columns that its writer gives it."""
    specification = importlib.util.spec_from_file_location("list_results", DOCS / "list_results.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.WRITTEN


def test_every_table_of_a_run_is_known(written):
    names = {Path(path).stem for stage in STAGES.values() for path in stage.outputs.values() if path.endswith(".csv")}
    assert names == set(written)
    assert set(TABLES) <= set(written)


def test_every_column_is_described_and_no_other(written):
    tables = {**written, "verdicts": verdicts(evidence_of()).columns}
    assert [f"{table}: {name}" for table, names in tables.items() for name in names if not column(name, table)] == []
    used = set()
    for table, names in tables.items():
        for name in names:
            stems = [name, *(name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending))]
            stems += [family for _, family in COLUMNS if "…" in family and name.startswith(family[:-1])]
            for stem in stems:
                used |= {next((key for key in ((table, stem), ("", stem)) if key in COLUMNS), None)}
    assert set(COLUMNS) - used == set()


def test_a_column_is_described_in_one_sentence_and_in_words():
    for known in COLUMNS.values():
        assert known.kind in KINDS, known.name
        assert known.meaning.endswith("."), known.name
        assert ". " not in known.meaning, known.name
        assert "_" not in known.heading.replace("λ_c", ""), known.name


def test_the_report_has_headings_in_words(written):
    for table, names in written.items():
        view = table_view(pd.DataFrame([dict.fromkeys(names, 1.5)] * 2), "a table", gather=False, name=table)
        assert [each.heading for each in view.columns if "_" in each.heading.replace("λ_c", "")] == [], table


def test_one_name_may_mean_two_things():
    assert column("kind", "entanglement") != column("kind", "levers")
    assert column("gain", "ranking").heading == "gain"
    assert column("gain", "transition").titled == "gain G (nats a token)"
    assert column("nothing") is column("perplexity_at_") is None


def test_the_page_of_tables_lists_what_there_is(tmp_path):
    made = tmp_path / "tables.md"
    subprocess.run([sys.executable, DOCS / "list_results.py", made], check=True)
    assert made.read_text(encoding="utf-8") == (DOCS / "tables.md").read_text(encoding="utf-8"), (
        "type python docs/list_results.py"
    )
