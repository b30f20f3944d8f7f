"""The recipes of ``docs/extending.md``, all followed in one copy of the project, and what one run of it gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from project_copy import SAFETY, Project, copy_project
from recipes import follow, headings

MOST = {"A compression method": 2, "A readout": 2, "A mitigation": 1, "A figure": 2, "A stage": 3}
CHOSEN = "compress.method=pruned_svd evaluate.readout=unsigned evaluate.mitigation=sharpened"
SMALL = "control=none sweep.block_dim=4 evaluate.noise_budget_windows=0 train.steps=1"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("extended"))


@pytest.fixture(scope="module")
def touched(project) -> dict[str, set[str]]:
    """The files that each recipe touches, once all have been followed and the report has been written."""
    files = {heading: set(follow(project, heading)) for heading in MOST}
    project.snakemake("report", "--config", "experiment=ci", f"overrides={CHOSEN} {SMALL}")
    return files


@pytest.fixture
def results(project, touched) -> Path:
    return project.folder / "results" / "ci"


@pytest.fixture
def page(results) -> str:
    return (results / "report.html").read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}">')[1].split("</section>")[0]


def test_every_recipe_is_followed():
    assert set(headings()) == set(MOST)


@pytest.mark.parametrize("heading", MOST)
def test_few_files_make_it(touched, heading):
    assert 0 < len(touched[heading]) <= MOST[heading]


def test_the_map_has_method_readout_and_mitigation(results):
    cells = pd.read_csv(results / "phase_diagram.csv")
    noisy = cells[cells["executor"] == "noisy"]
    assert len(noisy) > 0
    assert set(cells["compression"]) == {"pruned_svd"}
    assert set(noisy["readout"]) == {"unsigned"}
    assert set(noisy["mitigation"]) == {"sharpened"}
    assert "pruned_svd" in set(pd.read_csv(results / "baselines.csv")["compression"])


def test_jobs_start_where_the_libraries_are_loaded(results):
    """Copies of the project share a server, which starts no job that its own command would start otherwise."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (results / "logs").glob("*.json")]
    assert {record["served"] for record in records if record["stage"] in ("train", "evaluate")} == {True}


def test_the_report_tells_of_them(page):
    assert "were compressed by singular value decomposition of the larger half of the weights; a share" in page
    assert "The readout is unsigned, y_k = ‖x‖ √p_k of measured frequencies p, from" in page
    assert "mitigation sharpened, from the calibration" in page


def test_a_figure_is_drawn_beside_those_of_its_stage_and_shown(results, page):
    assert (results / "parameters.png").read_bytes().startswith(PNG)
    assert "<svg" in (results / "parameters.svg").read_text(encoding="utf-8")
    assert (results / "recovery.png").exists()
    shown = section(page, "recovery")
    assert "<h3>Parameters of the adapters</h3>" in shown
    assert "<p>Parameters of every adapter on v_proj and o_proj, as they are trained and stored.</p>" in shown
    assert 'alt="A bar for each method and block dimension: how many parameters it has"' in shown
    assert 'download="parameters.svg"' in shown


def test_a_stage_is_a_rule_with_a_record_and_a_table_of_the_report(project, results, page):
    worst = pd.read_csv(results / "worst_noise.csv")
    cells = pd.read_csv(results / "phase_diagram.csv").query("executor == 'noisy' and noise_scale == 1")
    assert len(worst) == len(cells) > 0
    assert sorted(worst["perplexity"]) == sorted(cells["perplexity"])
    record = json.loads((results / "provenance" / "worst_noise.json").read_text(encoding="utf-8"))
    assert set(record["outputs"]) == {"worst_noise.csv"}
    assert "worst_noise: perplexity" in (results / "logs" / "worst_noise.log").read_text(encoding="utf-8")
    assert "Perplexity at the largest noise scale" in section(page, "phase-diagram")


def test_a_stage_is_a_command(project, touched):
    def cayley(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cayley_adapters", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **project.options())

    assert "worst_noise" in cayley("--help").stdout.split("Looking at results:")[1]
    done = cayley("worst_noise", "experiment=ci", "run=none")
    assert done.returncode == 1
    assert "Make it with: cayley aggregate experiment=ci run=none" in done.stderr
