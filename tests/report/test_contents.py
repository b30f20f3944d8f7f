"""What people look at is registered once: stages, the report and the W&B pages take it from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import altair as alt
import pytest
from matplotlib.figure import Figure as PlottedFigure
from synthetic import PNG, evidence_of

from cayley_adapters.core.registry import load
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.report import figures
from cayley_adapters.report.contents import SECTIONS, Figure, Shown, paths_of
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.figures import FIGURES
from cayley_adapters.report.page import render_report
from cayley_adapters.report.result_tables import TABLES

ALL = [*FIGURES.values(), *TABLES.values()]


@pytest.mark.parametrize("shown", ALL, ids=lambda shown: f"{type(shown).__name__} {shown.name}")
def test_a_stage_writes_it_and_a_section_shows_it(shown: Shown):
    written = STAGES[shown.stage].outputs.values()
    assert set((shown.paths() | shown.more_paths()).values()) <= set(written)
    assert shown.section in ("", *SECTIONS)
    if shown.section:  # what the report shows is an input of its stage, but for the interactive chart, which it redraws
        wanted = {name for name in shown.paths() | shown.more_paths() if not name.endswith("_html")}
        assert wanted <= set(STAGES["report"].inputs)


def test_a_stage_draws_its_own_list_and_nothing_else():
    lists = {name: value for name in figures.__all__ if isinstance(value := getattr(figures, name), tuple)}
    assert {name: {figure.stage.upper() for figure in found} for name, found in lists.items()} == {
        name: {name} for name in lists
    }
    assert {figure.name for found in lists.values() for figure in found} == set(FIGURES)


def test_every_function_that_is_named_is_there():
    for figure in FIGURES.values():
        drawn = {"png": figure.drawn, "svg": figure.drawn, "html": figure.chart}
        for named in [*(drawn[kind] for kind in figure.kinds), *filter(None, [figure.caption])]:
            assert callable(load(named)), named
    for section in SECTIONS.values():
        assert callable(load(section.caption)), section.caption


def test_a_section_has_something_to_show():
    assert {shown.section for shown in ALL} - {""} == set(SECTIONS)


def test_reading_what_there_is_loads_no_library():
    code = "import sys, cayley_adapters.report.figures as _, cayley_adapters.report.result_tables as _; "
    code += "print({'numpy', 'pandas', 'matplotlib', 'altair'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def toy_figure(table: list[float], heading: str) -> PlottedFigure:
    figure = PlottedFigure()
    figure.subplots().plot(table)
    figure.suptitle(heading)
    return figure


def toy_chart(table: list[float]) -> alt.Chart:
    return alt.Chart(alt.Data(values=[{"value": value} for value in table])).mark_point().encode(x="value:Q")


TOY = [
    Figure(
        name="toy", title="Toy", sentence="Points", stage="scaling", takes=("table", "heading"),
        drawn=f"{__name__}:toy_figure",
    ),
    Figure(
        name="game", title="A game", sentence="Points", stage="scaling", takes=("table",), folder="on",
        chart=f"{__name__}:toy_chart", kinds=("html",),
    ),
]  # fmt: skip


def test_figures_are_drawn_with_what_they_take(tmp_path):
    outputs = {name: Path(pattern.format(base=tmp_path)) for name, pattern in paths_of(TOY).items()}
    draw_figures(TOY, outputs, {"table": [1.0, 3.0, 2.0], "heading": "a heading", "model": "not taken"})
    made = [path.relative_to(tmp_path).as_posix() for path in files_of(TOY, outputs)]
    assert made == ["toy.png", "toy.svg", "on/game.html"]
    assert all(path.stat().st_size > 1000 for path in outputs.values())
    assert "<title>A game</title>" in (tmp_path / "on" / "game.html").read_text(encoding="utf-8")
    assert pictures_of(TOY, outputs) == {"toy_figure": tmp_path / "toy.png"}


def test_what_a_figure_takes_and_its_stage_lacks_is_named(tmp_path):
    with pytest.raises(KeyError, match="heading"):
        draw_figures(TOY[:1], {}, {"table": [1.0]})


def test_a_further_figure_has_its_title_and_caption_below_its_sections(monkeypatch):
    more = Figure(
        name="toy", title="A further one", sentence="Points over nothing", stage="recovery", section="recovery",
        takes=(), drawn=f"{__name__}:toy_figure", caption=f"{__name__}:toy_caption",
    )  # fmt: skip
    monkeypatch.setattr("cayley_adapters.report.page.page.FIGURES", {**FIGURES, "toy": more})
    page = render_report(evidence_of(files={"toy.png": PNG, "toy.svg": b"<svg/>"}), "2025-02-26")
    section = page.split('<section id="recovery">')[1].split("</section>")[0]
    first, further = section.split("<h3>A further one</h3>")
    assert first.count("<figure") == further.count("<figure") == 1
    assert "<p>In a caption: 33 &lt;steps&gt;.</p>" in further
    assert 'alt="Points over nothing"' in further
    assert 'download="toy.svg"' in further


def toy_caption(evidence: Evidence) -> list[str]:
    assert evidence.settings.train.steps > 0
    return ["In a caption: 33 <steps>."]
