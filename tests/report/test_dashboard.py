"""The W&B pages: their definition, and what publishing sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from map_tables import small_map
from safety import SAFETY
from wandb_server import KEY, wandb_server

from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS, write_table
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.report.captions.dashboard import critical_noise_table, findings
from cayley_adapters.report.wandb.dashboard import Measured, build_dashboard, definition
from cayley_adapters.settings import compose


def measured(**changes: Any) -> Measured:
    """The small map's."""
    cells, baselines, result = small_map()
    return Measured(**{"group": "mine", "experiment": "ci", "run": "mine", "cells": cells, "baselines": baselines}
                    | {"result": result} | changes)  # fmt: skip


def panels(page: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """A workspace's panels by section."""
    return {section["name"]: section["panels"] for section in page["spec"]["section"]["panelBankConfig"]["sections"]}


def shown(page: dict[str, Any]) -> set[str]:
    """Keys of the numbers and pictures that a workspace's panels show."""
    keys: set[str] = set()
    for config in (panel["config"] for section in panels(page).values() for panel in section):
        keys |= {config[axis].removeprefix("summary:") for axis in ("xAxis", "yAxis") if axis in config}
        keys |= {*config.get("metrics", ()), *config.get("mediaKeys", ())}
    return keys


def test_the_workspace_has_its_sections_and_shows_its_group_by_cell():
    page = definition(build_dashboard(measured(), "team", "p"))["workspace"]
    assert list(panels(page)) == ["By cell", "Over noise", "Training", "Pictures", "Tables"]
    assert {"perplexity", "recovery", "lambda_c", "curve/perplexity", "train/loss", "recovery_figure"} <= shown(page)
    (runs,) = page["spec"]["section"]["runSets"]
    (chosen,) = runs["filters"]["filters"]
    assert (chosen["key"], chosen["value"]) == ({"section": "run", "name": "group"}, "mine")
    assert runs["grouping"] == [{"section": "config", "name": "cell.value"}]
    assert [key["key"]["name"] for key in runs["sort"]["keys"]] == [
        "compression_ratio.value",
        "block_dim.value",
        "seed.value",
    ]
    curves = panels(page)["Over noise"]
    assert all(panel["config"]["xAxis"] == "noise_scale" and panel["config"]["xLogScale"] for panel in curves)


def test_no_panel_is_empty_where_something_was_not_measured():
    cells, baselines, result = small_map()
    noiseless = cells[cells.noise_scale == 0].assign(recovery=float("nan"), two_qubit_gates=float("nan"))
    made = measured(cells=noiseless, baselines=baselines.assign(recovery=float("nan")), result=result, validated=False)
    page = definition(build_dashboard(made, "team", "p"))["workspace"]
    found = panels(page)
    assert "Over noise" not in found
    assert not {"recovery", "perplexity_device", "train/validation"} & shown(page)
    assert "perplexity" in shown(page)
    assert "circuits_table" not in json.dumps(found)


def test_the_report_says_what_the_map_shows_and_how_to_make_it():
    page = definition(build_dashboard(measured(), "team", "p"))["report"]
    blocks = page["spec"]["blocks"]
    headings = [block["children"][0]["text"] for block in blocks if block["type"] == "heading"]
    assert headings[0] == "What the map shows"
    assert "How to reproduce" in headings
    text = json.dumps(blocks, ensure_ascii=False)
    assert "arxiv.org/abs/2605.05914" in text
    assert 'snakemake --cores 8 phase_diagram --config experiment=ci overrides=\\"run=mine\\"' in text
    assert "| 0.2 | 4 | 3 | 0.2 | 1 | 0.75 to 1.25 |" in critical_noise_table(small_map()[2])
    grids = [block["metadata"] for block in blocks if block["type"] == "panel-grid"]
    assert len(grids) == 5
    for grid in grids:
        group, job = grid["runSets"][0]["filters"]["filters"]
        assert group["value"] == "mine"
        assert job["key"]["name"] == "jobType"
        places = [tuple(panel["layout"].values()) for panel in grid["panelBankSectionConfig"]["panels"]]
        assert len(set(places)) == len(places)


def test_findings_tell_help_from_harm_and_bounds_from_values():
    result = small_map()[2]
    result["ratios"][1]["blocks"][1] |= {"gain": -0.1, "lambda_c": 0.0}
    assert findings(result) == [
        "Compression ratio 0.2: blocks of d = 2 help up to noise scale above 2; "
        "blocks of d = 4 help up to noise scale 1.",
        "Compression ratio 0.3: blocks of d = 2 help up to noise scale above 2; "
        "blocks of d = 4 do not help even without noise.",
    ]


def test_what_could_not_be_measured_is_a_dash():
    """One test document has no interval, a loss beyond float32 no gain."""
    result = small_map()[2]
    result["ratios"][0]["blocks"][1] |= {"gain": None, "ci95": [None, None], "two_qubit_gates": None}
    assert "| 0.2 | 4 | – | – | 1 | – |" in critical_noise_table(result)
    assert "d = 4 do not help even without noise" in findings(result)[0]
    assert "lambda_c_low" in measured(result=result).logged()


@pytest.fixture
def project(tmp_path):
    """A folder with the results that the dashboard is made from."""
    cells, baselines, result = small_map()
    settings = compose("ci", ["run=mine"])
    (job,) = jobs(settings, "dashboard")
    paths = {name: tmp_path / path for name, (path,) in job.inputs.items()}
    write_table(cells, paths["cells"], CELL_COLUMNS)
    write_table(baselines, paths["baselines"], BASELINE_COLUMNS)
    paths["transition"].write_text(json.dumps(result))
    (tmp_path / "results/mine/config.yaml").write_text(settings[0].to_yaml())
    return tmp_path


def cayley_dashboard(project, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from cayley_adapters.cli import main; main()"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")} | {"HOME": str(project)}
    return subprocess.run(
        [sys.executable, "-c", code, "dashboard", "experiment=ci", "run=mine", *overrides],
        **{"cwd": project, "env": kept | environment, "capture_output": True, "text": True, "timeout": SAFETY},
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("mode", ["offline", "disabled", "online"])
def test_without_a_login_the_definition_is_written_and_publishing_explained(project, mode):
    done = cayley_dashboard(project, f"track.mode={mode}")
    assert done.returncode == 0, done.stderr
    made = json.loads((project / "results/mine/dashboard.json").read_text())
    assert set(made) == {"workspace", "report"}
    assert "wandb sync results/mine/wandb/offline-run-*" in done.stderr
    assert "cayley dashboard experiment=ci track.mode=online run=mine" in done.stderr
    assert ("No API key configured" in done.stderr) == (mode == "online")


def test_published_pages_are_replaced_and_not_doubled(project):
    with wandb_server() as server:
        login = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        first = cayley_dashboard(project, "track.mode=online", "track.entity=group", **login)
        assert first.returncode == 0, first.stderr
        assert len(server.views) == 2
        made = json.loads((project / "results/mine/dashboard.json").read_text())
        by_name = {view["displayName"]: view for view in server.views.values()}
        for page in ("workspace", "report"):
            view = by_name[made[page]["name"]]
            assert view["project"]["entityName"] == "group"
            assert view["type"] == {"workspace": "project-view", "report": "runs"}[page]
            assert json.loads(view["spec"]) == made[page]["spec"]  # the definition is what is sent
            assert f"{page}: {server.url}/group/cayley-adapters" in first.stderr
        second = cayley_dashboard(project, "track.mode=online", "track.entity=group", **login)
        assert [line for line in second.stderr.splitlines() if line.startswith(("report:", "workspace:"))] == [
            line for line in first.stderr.splitlines() if line.startswith(("report:", "workspace:"))
        ]
        assert len(server.views) == 2
        server.views.clear()  # somebody deletes both
        third = cayley_dashboard(project, "track.mode=online", "track.entity=group", **login)
        assert "warning" not in third.stderr
        assert len(server.views) == 2
