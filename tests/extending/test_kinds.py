"""The recipes for a compression method, a readout and a mitigation, in one run that uses all three."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from project_copy import copy_project
from recipes import follow

MOST = {"A compression method": 3, "A readout": 3, "A mitigation": 2}
MADE = "docs/configuration.md"  # anew, by a command, for each of them


@pytest.fixture(scope="module")
def touched(tmp_path_factory) -> tuple[Path, dict[str, set[str]]]:
    """The copy's folder, and the files that each recipe touches, after a run with all three."""
    project = copy_project(tmp_path_factory.mktemp("kinds"))
    files = {heading: {*follow(project, heading), MADE} for heading in MOST}
    chosen = "compress.method=pruned_svd evaluate.readout=unsigned evaluate.mitigation=sharpened"
    small = "control=none sweep.block_dim=4 evaluate.noise_budget_windows=0 train.steps=1"
    project.snakemake("report", "--config", "experiment=ci", f"overrides={chosen} {small}")
    return project.folder, files


@pytest.fixture
def results(touched) -> Path:
    return touched[0] / "results" / "ci"


@pytest.mark.parametrize("heading", MOST)
def test_few_files_make_it(touched, heading):
    assert len(touched[1][heading]) <= MOST[heading]


def test_the_map_has_them(results):
    cells = pd.read_csv(results / "phase_diagram.csv")
    noisy = cells[cells["executor"] == "noisy"]
    assert len(noisy) > 0
    assert set(cells["compression"]) == {"pruned_svd"}
    assert set(noisy["readout"]) == {"unsigned"}
    assert set(noisy["mitigation"]) == {"sharpened"}
    assert "pruned_svd" in set(pd.read_csv(results / "baselines.csv")["compression"])


def test_the_report_tells_of_them(results):
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "were compressed by singular value decomposition of the larger half of the weights; a share" in page
    assert "The readout is unsigned, y_k = ‖x‖ √p_k of measured frequencies p, from" in page
    assert "mitigation sharpened, from the calibration" in page
