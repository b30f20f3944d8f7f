"""The recipe for a figure: two files, and it is drawn, shown and captioned."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_copy import Project, copy_project
from recipes import follow

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("figure"))


@pytest.fixture(scope="module")
def touched(project) -> list[str]:
    files = follow(project, "A figure")
    project.snakemake("report", "--config", "experiment=ci", "overrides=control=none sweep.block_dim=4")
    return files


@pytest.fixture
def results(project, touched) -> Path:
    return project.folder / "results" / "ci"


def test_two_files_make_it(touched):
    assert len(set(touched)) == 2


def test_its_stage_draws_it_beside_its_own(results):
    assert (results / "parameters.png").read_bytes().startswith(PNG)
    assert "<svg" in (results / "parameters.svg").read_text(encoding="utf-8")
    assert (results / "recovery.png").exists()


def test_the_report_shows_it_with_title_and_caption(results):
    page = (results / "report.html").read_text(encoding="utf-8")
    section = page.split('<section id="recovery">')[1].split("</section>")[0]
    assert "<h3>Parameters of the adapters</h3>" in section
    assert "<p>Parameters of every adapter on v_proj and o_proj, as they are trained and stored.</p>" in section
    assert 'alt="A bar for each method and block dimension: how many parameters it has"' in section
    assert 'download="parameters.svg"' in section
