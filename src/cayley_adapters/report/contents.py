"""What people look at: the report's sections, and what is known of every figure and every table of a run.

Which figures there are is in :mod:`cayley_adapters.report.figures`, which tables in
:mod:`cayley_adapters.report.result_tables`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cayley_adapters.core.registry import Entry, Registry

__all__ = ["SECTIONS", "Figure", "Section", "Shown", "Table", "paths_of"]


@dataclass(frozen=True, kw_only=True)
class Section(Entry):
    """A section of the report: its name is the anchor, its title the heading, and its sentence says what it is about.

    One that has none of its files is left out.

    Attributes:
        caption: the function that gives the paragraphs at its head from the run's
            :class:`~cayley_adapters.report.evidence.Evidence`, as ``module:name``.
    """

    caption: str


@dataclass(frozen=True, kw_only=True)
class Shown(Entry):
    """A figure or a table: files that one stage writes and people look at.

    Attributes:
        name: the files' name without its ending.
        kinds: endings of its files.
        stage: that writes them.
        section: of the report where they stand; in none if empty.
        folder: where they lie in the results folder.
        reads: further files there, whole names, that what is said of it needs.
    """

    kinds: tuple[str, ...]
    stage: str
    section: str = ""
    folder: str = ""
    reads: tuple[str, ...] = ()

    def paths(self) -> dict[str, str]:
        """Output of its stage → path pattern of each file."""
        return self._patterns(f"{self.name}.{kind}" for kind in self.kinds)

    def more_paths(self) -> dict[str, str]:
        """The same of what it reads."""
        return self._patterns(self.reads)

    def _patterns(self, files: Iterable[str]) -> dict[str, str]:
        folder = "/".join(filter(None, ["{base}", self.folder]))
        return {name.replace(".", "_"): f"{folder}/{name}" for name in files}


@dataclass(frozen=True, kw_only=True)
class Figure(Shown):
    """A figure; its sentence says what it shows, for those who do not see it.

    Attributes:
        takes: what its functions are given, of what the stage has at hand: tables by their names, and what else
            :func:`cayley_adapters.report.drawing.draw_figures` is given there.
        drawn: the function that returns it for print, as ``module:name``, whose files are PNG and SVG; none if empty.
        chart: the function that returns it for the screen, whose file is HTML; none if empty.
        caption: the function that gives the paragraphs above it, below its title, as a section's does; if empty, what
            stands at the section's head tells of it, and it has no title there.
    """

    kinds: tuple[str, ...] = ("png", "svg")
    takes: tuple[str, ...]
    drawn: str = ""
    chart: str = ""
    caption: str = ""

    @property
    def picture(self) -> str:
        """Its key among the pictures of W&B's runs and pages."""
        return f"{self.name}_figure"


@dataclass(frozen=True, kw_only=True)
class Table(Shown):
    """A table; its sentence says what a row is.

    Attributes:
        averaged: columns whose groups are averaged above it, where it is long.
        tracked: its name among the W&B pages' tables; not shown there if empty.
    """

    kinds: tuple[str, ...] = ("csv",)
    averaged: tuple[str, ...] = ()
    tracked: str = ""


SECTIONS = Registry(
    "section",
    [
        Section(
            name="phase-diagram",
            title="Phase diagram",
            sentence="where blocks help and where noise drowns them",
            caption="cayley_adapters.report.captions.phase_diagram:phase_diagram_caption",
        ),
        Section(
            name="transition",
            title="The transition",
            sentence="what the boundary follows from",
            caption="cayley_adapters.report.captions.transition:transition_caption",
        ),
        Section(
            name="recovery",
            title="Recovery beside classical controls",
            sentence="what adapters have back of what compression lost",
            caption="cayley_adapters.report.captions.recovery:recovery_caption",
        ),
        Section(
            name="noise-budget",
            title="Noise budget and circuits",
            sentence="which errors cost what",
            caption="cayley_adapters.report.captions.noise_budget:budget_caption",
        ),
        Section(
            name="questions",
            title="Questions",
            sentence="what the models answer",
            caption="cayley_adapters.report.captions.questions:questions_caption",
        ),
        Section(
            name="benchmarks",
            title="Benchmarks",
            sentence="what models score on tasks of lm-evaluation-harness",
            caption="cayley_adapters.report.captions.benchmarks:benchmarks_caption",
        ),
        Section(
            name="entanglement",
            title="Entanglement of the blocks",
            sentence="what training makes of the blocks",
            caption="cayley_adapters.report.captions.entanglement:entanglement_caption",
        ),
        Section(
            name="levers",
            title="What moves the boundary",
            sentence="how levers compare",
            caption="cayley_adapters.report.captions.levers:levers_caption",
        ),
        Section(
            name="processor",
            title="On a processor",
            sentence="what a processor measured, or its twin",
            caption="cayley_adapters.report.captions.processor:processor_caption",
        ),
    ],
)


def paths_of(figures: Iterable[Figure]) -> dict[str, str]:
    """Output → path pattern of the files of a stage's figures."""
    return {name: path for figure in figures for name, path in figure.paths().items()}
