"""List the figures and tables that a run leaves behind, with every column, as docs/tables.md.

python docs/list_results.py [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from cayley_adapters.analysis import comparison, entanglement, lever_ranking, levers, recovery, transition_table
from cayley_adapters.circuits.noise.budget import BUDGET_COLUMNS
from cayley_adapters.core import tables
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.qpu.cost import COST_COLUMNS
from cayley_adapters.qpu.modes import MODE_COLUMNS
from cayley_adapters.questions import tables as questions
from cayley_adapters.questions.benchmarks.asking import DOCUMENT_COLUMNS, SCORE_COLUMNS
from cayley_adapters.questions.benchmarks.comparisons import FLIP_COLUMNS, PAIR_COLUMNS
from cayley_adapters.questions.benchmarks.resampling import DRAW_COLUMNS
from cayley_adapters.questions.benchmarks.tables import BENCHMARK_COLUMNS, OF_A_MODEL
from cayley_adapters.questions.statistics import COMPARISON_COLUMNS
from cayley_adapters.report.columns import Column, column
from cayley_adapters.report.contents import SECTIONS, Shown
from cayley_adapters.report.figures import FIGURES
from cayley_adapters.report.result_tables import TABLES
from cayley_adapters.stages import compare_circuits, qpu_evaluate, training, transpile
from cayley_adapters.stages import levers as lever_stage

HEAD = """# Figures and tables

Made by `python docs/list_results.py` from what is registered; a test keeps it in step. The figures and tables of a run
lie in its folder, `results/RUN/`. `report.html` shows them on one page, in these sections; what a run did not measure
is left out. What compares a run's variants lies one level above their own folders.

All tables are CSV in UTF-8, with a heading and without an index. A value that does not exist is empty, an unlimited
number of shots is `inf`, and numbers read back to the very same ones. A nat is the unit of natural logarithms. `…` in a
name stands for what differs from run to run, such as a noise scale.
"""

_FLIPS = ("first", "second", "direction", "number", "id", "question", "topic", "choices", "right_answer", "answer_…")
_FURTHER = {
    "cells": tables.IDENTITY_COLUMNS,
    "learning_rates": tables.TRIAL_COLUMNS,
    "trials": tables.TRIAL_COLUMNS,
    "manifest": ("folder", "compression_ratio", "block_dim", "seed"),
    "training": training.HISTORY,
    "healing": [*training.HISTORY, "validation_cross_entropy"],
    "blocks": transpile.COLUMNS,
    "arms": questions.ARM_COLUMNS,
    "texts": questions.TEXT_COLUMNS,
    "models": OF_A_MODEL,
    "scores": SCORE_COLUMNS,
    "documents": DOCUMENT_COLUMNS,
    "draws": DRAW_COLUMNS,
    "ranking": lever_ranking.RANKING_COLUMNS,
    "levers_costs": lever_stage.COST_COLUMNS,
    "lines": ("qubits", "layout", "quality", "lines", "infidelity", "cz_error", "median_cz_error"),
}
WRITTEN = {
    "phase_diagram": [*tables.CELL_COLUMNS, tables.MITIGATION_SHOTS],
    "baselines": tables.BASELINE_COLUMNS,
    "transition": transition_table.TRANSITION_COLUMNS,
    "recovery": recovery.RECOVERY_COLUMNS,
    "recovery_differences": recovery.DIFFERENCE_COLUMNS,
    "noise_budget": BUDGET_COLUMNS,
    "circuits": compare_circuits.COLUMNS,
    "questions": questions.TABLE_COLUMNS,
    "question_comparisons": COMPARISON_COLUMNS,
    "question_flips": _FLIPS,
    "question_samples": questions.SAMPLE_COLUMNS,
    "benchmarks": BENCHMARK_COLUMNS,
    "benchmark_comparisons": PAIR_COLUMNS,
    "benchmark_flips": FLIP_COLUMNS,
    "entanglement": entanglement.ENTANGLEMENT_COLUMNS,
    "entanglement_differences": entanglement.DIFFERENCE_COLUMNS,
    "levers": [name.replace("_at_0", "_at_…") for name in levers.columns_of([0.0])],
    "inference": qpu_evaluate.INFERENCE_COLUMNS,
    "modes": MODE_COLUMNS,
    "plan": COST_COLUMNS,
    "comparison": [name.replace("_at_0", "_at_…") for name in comparison.columns_of([], ["GROUP.KEY"])],
    "comparison_differences": comparison.DIFFERENCE_COLUMNS,
    **_FURTHER,
}
"""Name of a CSV, without its ending → the columns that its writer gives it."""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for section in SECTIONS.values():
        parts += [f"\n## {section.title}\n\n{_sentence(section.sentence)}\n", *_shown(section.name)]
    parts += ["\n## Beside the report\n", *_shown("")]
    return "".join([*parts, *_further()])


def _shown(section: str) -> Iterator[str]:
    figures = [figure for figure in FIGURES.values() if figure.section == section]
    if figures:
        yield "\n| figure | what it shows | written by |\n|---|---|---|\n"
    for figure in figures:
        yield f"| {_files(figure)} | {figure.sentence} | `{figure.stage}` |\n"
    for table in TABLES.values():
        if table.section == section:
            yield f"\n### {table.title}\n\n{_files(table)}, written by `{table.stage}`; a row is {table.sentence}.\n\n"
            yield from _columns(table.name)


def _further() -> Iterator[str]:
    """The tables that no section shows, which stages leave for each other."""
    yield "\n## What stages keep\n\nTables of single jobs, and those that the ones above are made of.\n"
    known = {path for table in TABLES.values() for path in table.paths().values()}
    found: dict[str, dict[str, str]] = {}
    for stage in STAGES.values():
        for path in stage.outputs.values():
            if path.endswith(".csv") and path not in known:
                found.setdefault(_named(path), {})[path.removeprefix("{base}/")] = stage.name
    for name, paths in found.items():
        files = "; ".join(f"`{path}` (`{stage}`)" for path, stage in paths.items())
        yield f"\n### {name}\n\n{files.translate(str.maketrans('', '', '{}'))}\n\n"
        if name in _FURTHER:
            yield from _columns(name)
        else:
            yield f"The columns of `{name}.csv` above.\n"


def _named(path: str) -> str:
    """Which of the tables a file is: cells of a map are its rows, whoever evaluated them."""
    name = path.rsplit("/", 1)[-1].removesuffix(".csv")
    return "phase_diagram" if name == "cells" and "identities" not in path else name


def _columns(table: str) -> Iterator[str]:
    """The columns of a table; both ends of an interval are one row."""
    yield "| column | in words | type | unit | meaning |\n|---|---|---|---|---|\n"
    names = WRITTEN[table]
    for name in names:
        if name.endswith("_high") and name.replace("_high", "_low") in names:
            continue
        known = describe(name, table)
        shown, words, meaning = f"`{name}`", known.heading, known.meaning
        if name.endswith("_low") and (high := name.replace("_low", "_high")) in names:
            shown, words = f"{shown}, `{high}`", words.removesuffix(" low")
            meaning = meaning.replace("Lower end", "Ends")
        cells = (shown, words, known.type, known.unit or "–", meaning)
        yield f"| {' | '.join(text.replace('|', chr(92) + '|') for text in cells)} |\n"


def describe(name: str, table: str) -> Column:
    """What is known of a column that is written.

    Raises:
        KeyError: nothing is.
    """
    known = column(name, table)
    if known is None:
        raise KeyError(f"{name} of {table}.csv has no entry in cayley_adapters.report.columns")
    return known


def _files(shown: Shown) -> str:
    return ", ".join(f"`{path.removeprefix('{base}/')}`" for path in shown.paths().values())


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    given = sys.argv[1:]
    Path(given[0] if given else Path(__file__).with_name("tables.md")).write_text(page(), encoding="utf-8")
