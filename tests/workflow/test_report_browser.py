"""The pages in headless Chromium, without a network: what a reader sees, points at and clicks."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def page(offline_page):
    return offline_page


@pytest.fixture(scope="module")
def folder(built) -> Path:
    return built.folder / "results" / "ci"


def point_at_a_cell(page, folder: Path, chart: str) -> None:
    """Point at the cell d = 4, λ = 1 of a chart and compare its tooltip with the table."""
    cells = pd.read_csv(folder / "phase_diagram.csv")
    [cell] = cells.query("block_dim == 4 and noise_scale == 1 and shots == 8192").itertuples()
    rectangle = page.locator(
        f"{chart} g.mark-rect path[aria-label*='Block: d = 4 '][aria-label*='Noise scale λ: 1;']"
    ).first
    rectangle.hover(position={"x": 30, "y": 5})  # beside the number and the boundary
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    shown = dict(
        zip(tooltip.locator("td.key").all_inner_texts(), tooltip.locator("td.value").all_inner_texts(), strict=True)
    )
    assert shown["Perplexity"] == f"{cell.perplexity:,.4g}"
    assert shown["nll (nats a token)"].startswith(f"{cell.nll:.4f}")
    assert shown["Two-qubit gates a block"] == "3"


def test_the_report_is_clicked_through_to_the_phase_diagram(page, folder):
    page.goto((folder / "report.html").as_uri())
    links = page.locator("nav a")
    for index in range(links.count()):
        links.nth(index).click()
        target = links.nth(index).get_attribute("href")
        assert page.url.endswith(target)
        assert page.locator(f"{target} h2").is_visible()
    page.get_by_role("link", name="Phase diagram").click()
    chart = page.locator("#phase-diagram #chart svg.marks")
    chart.wait_for()
    box = chart.bounding_box()
    assert 0 <= box["y"] < 900
    assert box["width"] > 500
    assert page.locator("#chart g.mark-rect path[aria-label*='Perplexity']").count() == 4  # d = 2, 4; λ = 0, 1
    assert page.locator("#chart g.mark-line path").count() > 2
    assert not page.locator("figure.printed").is_visible()  # the static picture has made room
    point_at_a_cell(page, folder, "#chart")


def test_the_interactive_page_shows_a_cells_numbers(page, folder):
    page.goto((folder / "phase_diagram.html").as_uri())
    page.locator("#chart svg.marks").wait_for()
    point_at_a_cell(page, folder, "#chart")


def test_headings_sort_and_tables_are_downloaded(page, folder):
    page.goto((folder / "report.html").as_uri())
    table = page.locator("#recovery table", has_text="What blocks and controls recover")
    column = [*table.locator("thead th").all_inner_texts()].index("perplexity")
    values = pd.read_csv(folder / "recovery.csv").perplexity.map("{:.3g}".format).astype(float).tolist()
    for ascending in (True, False):
        table.locator("thead th").nth(column).get_by_role("button").click()
        shown = table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()
        assert [float(text.replace(",", "")) for text in shown] == sorted(values, reverse=not ascending)
    with page.expect_download() as download:
        page.locator("a[download='recovery.csv']").click()
    assert Path(download.value.path()).read_bytes() == (folder / "recovery.csv").read_bytes()


def test_it_fits_a_phone_and_prints(page, folder):
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto((folder / "report.html").as_uri())
    page.locator("#chart svg.marks").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.emulate_media(media="print")
    assert page.locator("figure.printed").is_visible()
    assert not page.locator("#chart").is_visible()
    assert not page.locator("nav").is_visible()
    assert re.match(rb"%PDF", page.pdf(format="A4"))


def test_without_scripts_the_picture_is_there(browser, folder):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    picture = page.locator("figure.printed img")
    assert picture.is_visible()
    assert picture.bounding_box()["width"] > 300
    context.close()
