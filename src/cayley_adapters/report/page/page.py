"""The page itself: one HTML file that loads nothing, made by a Jinja2 template that escapes all that it is given."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from cayley_adapters.core.registry import load
from cayley_adapters.report.contents import SECTIONS, Figure, Section, Table
from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.figures import FIGURES
from cayley_adapters.report.names import model_title
from cayley_adapters.report.page.headline import headline, limits, verdicts
from cayley_adapters.report.page.methods import REFERENCES, methods
from cayley_adapters.report.page.provenance import command, environment, public
from cayley_adapters.report.page.summary import summary
from cayley_adapters.report.page.tables import TableView, averages, table_view
from cayley_adapters.report.plots.files import chart_json, vega_script
from cayley_adapters.report.plots.phase_chart import phase_diagram_chart
from cayley_adapters.report.result_tables import TABLES

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["render_report"]

_KINDS = {"csv": "text/csv", "png": "image/png", "svg": "image/svg+xml", "yaml": "application/yaml"}


@dataclass(frozen=True)
class _Picture:
    """A picture as the template shows it: data links of its PNG and, where there is one, of its SVG.

    One that the section's own paragraphs tell of has no caption.
    """

    name: str
    title: str
    caption: list[str]
    alt: str
    png: str
    svg: str | None


@dataclass(frozen=True)
class _Shown:
    """A section with its files found."""

    anchor: str
    title: str
    caption: list[str]
    pictures: list[_Picture]
    tables: list[tuple[str, str, TableView | None, TableView]]  # file name, its data link, averages, rows


def render_report(evidence: Evidence, calibrated: str | None) -> str:
    """Write the report of one run as HTML.

    The page's Content-Security-Policy lets in no address at all and no script but the page's own two, by their hashes.

    Args:
        evidence: configuration and files of the run.
        calibrated: day of the device's calibration; None where no device was used.
    """
    import altair as alt
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    sources = {path.name: path.read_text(encoding="utf-8") for path in files(__package__).iterdir() if path.is_file()}
    scripts = [_script(vega_script()), _script(sources["report.js"])]
    chart = phase_diagram_chart(evidence.cells, evidence.baselines, evidence.transition)
    chart.title = alt.Undefined  # the section's heading and caption say it
    settings = public(evidence.settings)
    paragraph, cited = _cite(methods(evidence, calibrated))
    jinja = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return jinja.from_string(sources["report.html.j2"]).render(
        settings=settings,
        model=model_title(str(evidence.cells["model"].iloc[0])),
        policy=_policy(scripts),
        style=Markup(sources["report.css"]),  # noqa: S704 - our own file
        scripts=scripts,
        chart=Markup(chart_json(chart)),  # noqa: S704 - has no "<"
        summary=summary(evidence),
        headline=headline(evidence),
        limits=limits(evidence),
        verdicts=table_view(verdicts(evidence), "Does it help?", gather=False, name="verdicts"),
        sections=[shown for section in SECTIONS.values() if (shown := _shown(section, evidence))],
        methods=paragraph,
        references=[REFERENCES[key] for key in cited],
        configuration=settings.to_yaml(),
        configuration_link=_link("config.yaml", settings.to_yaml().encode()),
        command=command(settings),
        environment=environment(evidence, calibrated),
    )


def _script(text: str) -> Markup:
    """A script as it stands in the page; its hash is taken over these very bytes."""
    from markupsafe import Markup

    return Markup(text.replace("\r\n", "\n"))  # noqa: S704 - our own file, and Vega's


def _policy(scripts: list[Markup]) -> str:
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{code}'" for code in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _link(name: str, content: bytes) -> str:
    """A data URL."""
    return f"data:{_KINDS[name.rsplit('.', 1)[1]]};base64,{base64.b64encode(content).decode()}"


def _shown(section: Section, evidence: Evidence) -> _Shown | None:
    """The section with what there is of it; None where there is nothing."""
    pictures = [
        _picture(figure, evidence)
        for figure in FIGURES.values()
        if figure.section == section.name and f"{figure.name}.png" in evidence.files
    ]
    tables = [
        _table(table, evidence)
        for table in TABLES.values()
        if table.section == section.name and f"{table.name}.csv" in evidence.files
    ]
    if not pictures and not tables:
        return None
    return _Shown(section.name, section.title, load(section.caption)(evidence), pictures, tables)


def _picture(figure: Figure, evidence: Evidence) -> _Picture:
    png, svg = (f"{figure.name}.{kind}" for kind in ("png", "svg"))
    return _Picture(
        figure.name,
        figure.title,
        load(figure.caption)(evidence) if figure.caption else [],
        figure.sentence,
        _link(png, evidence.files[png]),
        _link(svg, evidence.files[svg]) if svg in evidence.files else None,
    )


def _table(table: Table, evidence: Evidence) -> tuple[str, str, TableView | None, TableView]:
    name = f"{table.name}.csv"
    rows = evidence.tables[name]
    view = table_view(rows, table.title, name=table.name)
    means = None
    if table.averaged and not view.open:
        means = table_view(averages(rows, table.averaged), f"{table.title}: means", False, table.name)
    return name, _link(name, evidence.files[name]), means, view


def _cite(text: str) -> tuple[list[tuple[str, int | None]], list[str]]:
    """Cut a text at its ``{key}`` citations.

    Returns:
        Pieces of text, each with the number of the reference that follows it or None, and the keys in that order.
    """
    # Known keys only: a text of the user's may hold braces as well.
    parts = re.split(rf"\{{({'|'.join(map(re.escape, REFERENCES))})\}}", text)
    cited = list(dict.fromkeys(parts[1::2]))
    numbers = [cited.index(key) + 1 for key in parts[1::2]]
    return list(zip(parts[::2], [*numbers, None], strict=True)), cited
