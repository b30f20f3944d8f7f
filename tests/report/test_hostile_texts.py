"""Texts of strangers in every place that a page prints: escaped, and no script of theirs runs in a browser."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from synthetic import Parsed, evidence_of

from cayley_adapters.analysis.comparison import DIFFERENCE_COLUMNS
from cayley_adapters.report.page import render_report
from cayley_adapters.report.plots.comparison import comparison_figure
from cayley_adapters.report.plots.comparison_chart import comparison_chart
from cayley_adapters.report.plots.files import save_figure, save_html
from cayley_adapters.report.plots.phase_chart import phase_diagram_chart
from cayley_adapters.report.plots.phase_diagram import phase_diagram_figure
from cayley_adapters.settings import validate

RAN = "window.ran=1"
TEXTS = (
    f"<script>{RAN}</script>",
    f"</script><script>{RAN}</script>",
    f"</SCRIPT ><script>{RAN}</script>",
    f'"><img src=x onerror="{RAN}">',
    f"'><svg/onload={RAN}>",
    f"<!--<script>{RAN}//",
    f"]]><iframe srcdoc='<script>{RAN}</script>'>",
    f"`${{{RAN}}}`",
    "{{ 7 * 7 }}{% for x in range(9) %}{{ x }}{% endfor %}{evil} {0} %s $x^2$ \\u003c",
    "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe",
    "javascript:" + RAN,
    "=HYPERLINK(\"https://evil.example\")",
)  # fmt: skip
ALL = " ".join(TEXTS)
TEXT_COLUMNS = ("model", "compression", "ansatz", "backend", "layout", "mitigation", "targets")


def hostile_evidence():
    """A run whose tables, settings and model carry the texts wherever a text may stand."""
    table = pd.DataFrame({"question": TEXTS, "answer": TEXTS[::-1], "correct": True, "number": np.arange(len(TEXTS))})
    csv = table.to_csv(index=False).encode()
    files = {f"{name}.csv": csv for name in ("question_samples", "question_flips", "circuits")}
    evidence = evidence_of(**dict.fromkeys(TEXT_COLUMNS, ALL), files=files)
    plain = evidence.settings.model_dump(mode="json")
    visible = "".join(character for character in ALL if character.isprintable())
    plain["model"] |= {"source": "local", "id": None, "path": f"/tmp/{visible}"}
    plain["data"] |= {"source": "text", "train": [f"a/{visible}"], "test": [f"/b/{visible}.txt"]}
    plain["qpu"] |= {"text": visible}
    plain["questions"] |= {"source": "jsonl", "path": f"/q/{visible}"}
    model = {"name": ALL, "source": "local", "id": ALL, "revision": ALL}
    given = dict(evidence.files) | {"model.json": json.dumps(model).encode()}
    return type(evidence).from_files(validate(plain), given)


@pytest.fixture(scope="module")
def hostile():
    return hostile_evidence()


def hostile_differences():
    """What compares a map with another of a name like that."""
    row = dict.fromkeys(DIFFERENCE_COLUMNS, 0.1) | {"map": TEXTS[0], "reference": ALL, "block_dim": 4}
    return pd.DataFrame([row | {"quantity": "nll_difference", "noise_scale": 1.0, "compression_ratio": 0.2}])


@pytest.fixture(scope="module")
def folder(hostile, tmp_path_factory):
    """All pages of the run."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "report.html").write_text(render_report(hostile, ALL), encoding="utf-8")
    parts = (hostile.cells, hostile.baselines, hostile.transition)
    save_html(phase_diagram_chart(*parts), folder / "phase_diagram.html", title=ALL)
    maps = [(text, hostile.cells, hostile.transition) for text in (ALL, TEXTS[0])]
    compared = maps, hostile_differences(), list(TEXTS)
    save_html(comparison_chart(*compared), folder / "comparison.html", "Maps compared")
    save_figure(comparison_figure(*compared), folder / "comparison.png", folder / "comparison.svg")
    save_figure(phase_diagram_figure(*parts), folder / "phase_diagram.png", folder / "phase_diagram.svg")
    return folder


def test_no_script_of_theirs_runs(offline_page, folder):
    for name in ("report.html", "phase_diagram.html", "comparison.html", "phase_diagram.svg", "comparison.svg"):
        offline_page.goto((folder / name).as_uri())
        if not name.endswith(".svg"):
            offline_page.locator("#chart svg.marks").first.wait_for()
            mark = offline_page.locator("#chart g.mark-rect path[aria-label*='Block']").first
            mark.hover(position={"x": 5, "y": 5}, force=True)
            offline_page.locator("#vg-tooltip-element.visible").wait_for()
        assert offline_page.evaluate("window.ran") is None, name
        assert offline_page.locator("iframe, img[src='x'], svg[onload]").count() == 0, name
    offline_page.goto((folder / "report.html").as_uri())
    shown = offline_page.locator("main").inner_text()
    for text in TEXTS[:8]:
        assert text in shown, text


def test_the_report_prints_them_as_text(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    parsed = Parsed(page)
    assert [kind.get("type") for kind, _ in parsed.scripts] == ["application/json", None, None]
    assert not any(key.startswith("on") for _, attributes in parsed.elements for key in attributes)
    assert not any(re.match(r"(?i)\s*javascript:", a.get("href", "")) for _, a in parsed.elements)
    spec = next(text for kind, text in parsed.scripts if kind.get("type") == "application/json")
    assert "<" not in spec
    assert json.loads(spec)["vconcat"]
    assert "{{ 7 * 7 }}{% for x" in page  # no template of theirs is filled in


@pytest.mark.parametrize("name", ["phase_diagram.html", "comparison.html"])
def test_the_charts_cannot_be_left(folder, name):
    page = (folder / name).read_text(encoding="utf-8")
    assert page.count("</script>") == 2
    assert "<img src=x" not in page
    assert "<script>window" not in page
    assert page.count("<title>") == page.count("</title>") == 1


def test_tables_are_read_back_as_they_were(hostile):
    """A table is data: no cell is rewritten for a spreadsheet's sake, so that what is read is what was written."""
    read = pd.read_csv(io.BytesIO(hostile.files["question_samples.csv"]))
    assert read["question"].tolist() == list(TEXTS)
