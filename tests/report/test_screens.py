"""The report on a desk and on a phone: nothing runs off the window without a sign, and the picture comes first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import evidence_of
from test_plots import drawn  # noqa: F401 - a fixture: cells, baselines and transition of a known map

from cayley_adapters.report.page import render_report
from cayley_adapters.report.plots.files import save_html
from cayley_adapters.report.plots.phase_chart import phase_diagram_chart

SCREENS = [(1280, 900), (360, 740)]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The report of a run with a wide table."""
    wide = pd.DataFrame({f"a_column_of_number_{k}": np.arange(3) for k in range(20)})
    file = tmp_path_factory.mktemp("report") / "report.html"
    made = evidence_of(files={"transition.csv": wide.to_csv(index=False).encode()})
    file.write_text(render_report(made, "2025-02-26"), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(params=SCREENS, ids=str)
def shown(request, offline_page, address):
    width, height = request.param
    offline_page.set_viewport_size({"width": width, "height": height})
    offline_page.goto(address)
    offline_page.locator("#chart svg.marks").wait_for()
    return offline_page, width


def test_the_page_and_its_navigation_fit_the_window(shown):
    page, width = shown
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for link in page.locator("nav a").all():
        box = link.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_the_picture_is_on_the_first_screen_and_the_long_paragraph_is_not(shown):
    page, width = shown
    assert page.locator("#chart").bounding_box()["y"] < (300 if width > 1000 else 740)
    assert page.locator("#headline").bounding_box()["y"] > 740


def test_a_wide_table_says_that_it_goes_on_until_its_end_is_seen(shown):
    page, width = shown
    box = page.locator("#transition .scroll", has=page.locator("table"))
    hint = page.locator("#transition .scroll:has(table) + .hint")
    assert hint.is_visible()
    assert box.bounding_box()["width"] < width
    box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    hint.wait_for(state="hidden")


def test_a_hatched_cell_tells_its_numbers(drawn, offline_page, tmp_path):  # noqa: F811
    save_html(phase_diagram_chart(*drawn), tmp_path / "map.html")
    offline_page.goto((tmp_path / "map.html").as_uri())
    chart = offline_page.locator("#chart svg.marks")
    chart.wait_for()
    assert chart.bounding_box()["width"] > 1200  # of 1,280
    cell = "#chart g.mark-rect path[aria-label*='Block: d = 8 '][aria-label*='Noise scale λ: 10;']"
    box = offline_page.locator(cell).first.bounding_box()
    # Not the cell alone says it: so do its hatching and its number, which lie on it.
    offline_page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tooltip = offline_page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "noise-dominated" in tooltip.inner_text()
