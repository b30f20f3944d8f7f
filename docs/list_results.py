"""List the figures and tables that a run leaves behind, as docs/results.md.

python docs/list_results.py [FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from cayley_adapters.report.contents import SECTIONS, Shown
from cayley_adapters.report.figures import FIGURES
from cayley_adapters.report.result_tables import TABLES

HEAD = """# Results

Made by `python docs/list_results.py` from what is registered; a test keeps it in step. The figures and tables of a run
lie in its folder, `results/RUN/`, beside the adapters and what each stage keeps for the next. `snakemake --cores 8
report` shows them on one page, `report.html`, in these sections; what a run did not measure is left out. What compares
a run's variants lies one level above their own folders.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for section in SECTIONS.values():
        parts += [f"\n## {section.title}\n\n{_sentence(section.sentence)}\n\n", *_rows(section.name)]
    return "".join([*parts, "\n## Beside the report\n\n", *_rows("")])


def _rows(section: str) -> Iterator[str]:
    yield "| file | what it is | written by |\n|---|---|---|\n"
    for figure in FIGURES.values():
        if figure.section == section:
            yield f"| {_files(figure)} | {figure.sentence} | `{figure.stage}` |\n"
    for table in TABLES.values():
        if table.section == section:
            yield f"| {_files(table)} | {table.title}; a row is {table.sentence} | `{table.stage}` |\n"


def _files(shown: Shown) -> str:
    return ", ".join(f"`{path.removeprefix('{base}/')}`" for path in shown.paths().values())


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    given = sys.argv[1:]
    Path(given[0] if given else Path(__file__).with_name("results.md")).write_text(page(), encoding="utf-8")
