"""The whole way of the data on a tiny model."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from offline_runs import OfflineRun, read_runs
from safety import SAFETY

from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS
from cayley_adapters.report.result_tables import TABLES


def test_the_contracts_files_are_there(built):
    folder = built.folder / "results" / "ci"
    for name in ("phase_diagram.png", "phase_diagram.svg", "phase_diagram.html", "adapters/manifest.csv"):
        assert (folder / name).stat().st_size > 50, name
    cells = pd.read_csv(folder / "phase_diagram.csv")
    assert list(cells.columns[: len(CELL_COLUMNS)]) == CELL_COLUMNS
    assert set(cells[cells.executor == "noisy"].noise_scale) == {0.0, 1.0}
    assert (cells[cells.block_dim == 4].two_qubit_gates == 3).all()
    assert set(cells[cells.block_dim == 4].shots) == {8192, float("inf")}
    baselines = pd.read_csv(folder / "baselines.csv")
    assert list(baselines.columns) == BASELINE_COLUMNS
    assert list(baselines.method) == ["uncompressed", "compressed", "lora", "oft", "boft", "ia3"]
    by_method = baselines.set_index("method")
    assert by_method.recovery[["uncompressed", "compressed"]].fillna(-1).to_dict() == {
        "uncompressed": -1,
        "compressed": 0,
    }
    uncompressed, compressed = by_method.perplexity[["uncompressed", "compressed"]]
    assert np.allclose(
        by_method.recovery.iloc[1:], (compressed - by_method.perplexity.iloc[1:]) / (compressed - uncompressed)
    )
    assert by_method.adapter_parameters["oft"] == cells[cells.block_dim == 4].adapter_parameters.iloc[0]
    assert np.allclose(cells.recovery, (compressed - cells.perplexity) / (compressed - uncompressed))
    transition = json.loads((folder / "transition.json").read_text())
    assert {"compression_ratio", "blocks", "best_block", "recovery_nll"} <= set(transition["ratios"][0])
    assert yaml.safe_load((folder / "config.yaml").read_text())["train"]["steps"] == 3


def test_the_transition_is_tabled_with_its_noise_budget(built):
    folder = built.folder / "results" / "ci"
    table = pd.read_csv(folder / "transition.csv")
    assert list(table.qubits) == [1, 2]  # nothing is predicted where costs cannot be told from none
    blocks = json.loads((folder / "transition.json").read_text())["ratios"][0]["blocks"]
    assert np.allclose(table.gain, [block["gain"] for block in blocks])
    assert list(table.error_budget) == pytest.approx([0.00815, 0.0382], rel=0.01)
    cells = pd.read_csv(folder / "phase_diagram.csv").query("executor == 'noisy' and shots == 8192")
    assert (cells.nll_se_shots > 0).all()
    nll = cells.set_index(["block_dim", "noise_scale"]).nll
    budget = pd.read_csv(folder / "noise_budget.csv")
    two = budget[budget.block_dim == 2].set_index("source")
    assert two.gates["cz"] == 0  # one qubit has none, so there is nothing to measure
    assert list(two.cost.notna()) == [False, True, True, False, True]  # nor does one qubit wait
    for row in budget[budget.source == "all"].itertuples():
        assert row.cost == pytest.approx(nll[row.block_dim, 1] - nll[row.block_dim, 0], abs=1e-5)
    four = budget[budget.block_dim == 4].set_index("source")
    assert four.infidelity["all"] == pytest.approx(four.infidelity[["cz", "sx", "readout"]].sum())
    assert list(four.gates) == [3, 15, 2, 0, 20]
    for name in ("transition", "noise_budget"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
        assert "<svg" in (folder / f"{name}.svg").read_text()


def test_refining_adds_noise_scales_where_the_boundary_is_uncertain(built, fresh):
    shutil.copytree(built.folder / "results", fresh.folder / "results", symlinks=True)
    command = [sys.executable, "-c", "from cayley_adapters.cli import main; main()", "evaluate", "experiment=ci"]
    command += ["evaluate.refine=2", "sweep.block_dim=4", "track.mode=disabled", "run=refined"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **fresh.options())
    assert done.returncode == 0, done.stderr
    where = "evaluations/ratio0.3/d4/seed0/cells.csv"
    before = pd.read_csv(built.folder / "results/ci" / where)
    after = pd.read_csv(fresh.folder / "results/refined" / where)
    main = "executor == 'noisy' and shots == 8192"
    level = pd.read_csv(built.folder / "results/ci/baselines.csv").set_index("method").nll["compressed"]
    new = sorted(set(after.query(main).noise_scale) - set(before.query(main).noise_scale))
    nll = before.query(main).set_index("noise_scale").nll
    assert nll[0] < level < nll[1], "the tiny model's boundary lies below the only positive noise scale"
    assert new == [3.16, 9.99], "two windows of one document leave its interval open beyond the axis"
    merged = before.merge(after, on=["executor", "shots", "noise_scale"], suffixes=("", "_after"))
    assert len(merged) == len(before)
    assert np.allclose(merged.nll, merged.nll_after)


def test_recovery_is_tabled_beside_the_controls(built):
    folder = built.folder / "results" / "ci"
    table = pd.read_csv(folder / "recovery.csv")
    cells, baselines = pd.read_csv(folder / "phase_diagram.csv"), pd.read_csv(folder / "baselines.csv")
    blocks = table[(table.method == "cayley") & (table.readout == "signed")].set_index("block_dim")
    exact = cells[cells.executor == "exact"].set_index("block_dim")
    assert np.allclose(blocks.nll, exact.nll[blocks.index], atol=1e-5)
    assert np.allclose(blocks.recovery, exact.recovery[blocks.index], rtol=1e-3)
    controls = table[table.method != "cayley"].set_index("method")
    assert np.allclose(controls.nll, baselines.set_index("method").nll[controls.index], atol=1e-5)
    # PEFT's OFT with the exact transform is the same rotation, trained with the same steps.
    assert controls.nll["oft"] == pytest.approx(blocks.nll[4], abs=1e-3)
    differences = pd.read_csv(folder / "recovery_differences.csv")
    assert set(differences.other_method) == {"cayley", "lora", "oft", "boft"}
    for kind in ("png", "svg"):
        assert (folder / f"recovery.{kind}").stat().st_size > 10_000
    assert not (folder / "checkpoints").exists()


def test_circuits_are_counted_for_every_block(built):
    blocks = pd.read_csv(built.folder / "results/ci/circuits/ratio0.3/d4/seed0/blocks.csv")
    assert len(blocks) == 4 * 32 // 4
    assert (blocks.deviation < 1e-10).all()


def test_adapters_load_with_peft(built):
    from peft import PeftModel

    import cayley_adapters  # noqa: F401 - makes the adapters known to PEFT
    from cayley_adapters.models.compression.storage import load_compressed

    folder = built.folder / "results" / "ci"
    manifest = pd.read_csv(folder / "adapters" / "manifest.csv")
    for row in manifest.itertuples():
        model = PeftModel.from_pretrained(
            load_compressed(folder / "compressed" / f"ratio{row.compression_ratio}"), folder / "adapters" / row.folder
        )
        assert model.peft_config["default"].block_dim == row.block_dim


@pytest.fixture(scope="module")
def tracked(built) -> dict[str, OfflineRun]:
    """The offline W&B runs, by their ids without the group."""
    runs = read_runs(built.folder / "results" / "ci" / "wandb")
    return {name.removeprefix("ci-"): run for name, run in runs.items()}


def test_every_stage_that_measures_is_tracked(tracked):
    controls = [f"ratio0.3-{name}-seed0" for name in ("lora-d4", "oft-d4", "boft-d4", "ia3")]
    blocks = ["ratio0.3-d2-seed0", "ratio0.3-d4-seed0"]
    assert set(tracked) == {
        *(f"{stage}-{cell}" for stage in ("control", "evaluate_control", "cell") for cell in controls),
        *(f"{stage}-{cell}" for stage in ("train", "evaluate", "cell") for cell in blocks),
        *("reference", "baseline-ratio0.3", "cell-uncompressed", "cell-ratio0.3-compressed"),
        *("compare_circuits", "phase_diagram", "recovery", "scaling", "questions", "benchmarks", "entanglement"),
    }
    assert {run.run["run_group"] for run in tracked.values()} == {"ci"}


def test_tracked_numbers_are_those_of_the_results(built, tracked):
    folder = built.folder / "results" / "ci"
    cells, baselines = pd.read_csv(folder / "phase_diagram.csv"), pd.read_csv(folder / "baselines.csv")
    on_device = cells[(cells.block_dim == 4) & (cells.executor == "noisy") & (cells.shots == 8192)]
    run = tracked["evaluate-ratio0.3-d4-seed0"]
    assert [point["evaluation/perplexity"] for point in run.history] == pytest.approx(on_device.perplexity.tolist())
    assert [point["evaluation/noise_scale"] for point in run.history] == [0, 1]
    unlimited = cells[(cells.block_dim == 4) & (cells.executor == "noisy") & (cells.shots == float("inf"))]
    assert [point["evaluation/nll_inf_shots"] for point in run.history] == pytest.approx(unlimited.nll.tolist())
    assert run.summary["evaluation/perplexity"] == pytest.approx(on_device.perplexity.iloc[0])
    assert (run.config["compression_ratio"], run.config["block_dim"], run.config["seed"]) == (0.3, 4, 0)
    cell = tracked["cell-ratio0.3-d4-seed0"]
    assert [point["curve/recovery"] for point in cell.history] == pytest.approx(on_device.recovery.tolist())
    oft = baselines.set_index("method").loc["oft"]
    assert tracked["cell-ratio0.3-oft-d4-seed0"].summary["recovery"] == pytest.approx(oft.recovery)
    assert tracked["evaluate_control-ratio0.3-oft-d4-seed0"].summary["evaluation/nll"] == pytest.approx(oft.nll)
    curve = pd.read_csv(folder / "adapters/ratio0.3/d4/seed0/training.csv")
    logged = [point["train/loss"] for point in tracked["train-ratio0.3-d4-seed0"].history if "train/loss" in point]
    assert logged == pytest.approx(curve.loss.dropna().tolist())
    table = tracked["phase_diagram"].table("phase_table")
    assert table["columns"] == list(cells.columns)
    assert [row[table["columns"].index("nll")] for row in table["data"]] == pytest.approx(cells.nll.tolist())


def test_adapters_and_tables_are_tracked_with_their_lineage(built, tracked):
    """compressed model → train → adapter → evaluate → its rows → the map's table, by names and digests."""
    ways: dict[str, dict[str, set[str]]] = {}
    digests: dict[str, set[str]] = {}
    for name, run in tracked.items():
        for artifact in run.artifacts.values():
            way = "used" if artifact.get("use_after_commit") else "made"
            ways.setdefault(artifact["name"], {}).setdefault(way, set()).add(name)
            digests.setdefault(artifact["name"], set()).add(artifact["digest"])
    cell = "ratio0.3-d4-seed0"
    assert ways[f"ci-adapter-{cell}"] == {"made": {f"train-{cell}"}, "used": {f"evaluate-{cell}"}}
    assert ways[f"ci-evaluation-{cell}"] == {"made": {f"evaluate-{cell}"}, "used": {"phase_diagram"}}
    assert ways["ci-phase_diagram"] == {"made": {"phase_diagram"}}
    assert f"train-{cell}" in ways["ci-compressed-ratio0.3"]["used"]
    lora = "ratio0.3-lora-d4-seed0"
    assert ways[f"ci-adapter-{lora}"] == {"made": {f"control-{lora}"}, "used": {f"evaluate_control-{lora}"}}
    assert all(len(found) == 1 for found in digests.values())  # what is used is what was made, to the byte
    folder = built.folder / "results/ci/adapters/ratio0.3/d4/seed0"
    adapter = tracked[f"train-{cell}"].artifacts[f"ci-adapter-{cell}"]
    assert {item["path"]: item["digest"] for item in adapter["manifest"]["contents"]} == {
        name: base64.b64encode(hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).digest()).decode()
        for name in ("adapter_model.safetensors", "adapter_config.json")
    }
    files = {
        item["path"] for run in tracked.values() for a in run.artifacts.values() for item in a["manifest"]["contents"]
    }
    assert not {"model.safetensors", "tokens.safetensors", "tokenizer.json"} & files  # neither model nor text


def test_the_dashboard_shows_what_was_logged(built, tracked, tmp_path):
    shutil.copytree(built.folder, tmp_path / "p", symlinks=True)
    project = type(built)(tmp_path / "p")
    done = project.snakemake("dashboard", "--config", "experiment=ci")
    assert "wandb sync results/ci/wandb/offline-run-*" in done.stdout + done.stderr
    assert "rule publish_dashboard:" in done.stderr
    assert "rule draw:" not in done.stderr
    made = json.loads((project.folder / "results/ci/dashboard.json").read_text())
    logged = {key for run in tracked.values() for record in [run.summary, *run.history] for key in record}
    media = {key.partition(".")[0] for key in logged if "." in key}
    sections = made["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == ["By cell", "Over noise", "Training", "Pictures", "Tables"]
    grids = [block["metadata"] for block in made["report"]["spec"]["blocks"] if block["type"] == "panel-grid"]
    panels = [panel for section in sections for panel in section["panels"]]
    panels += [panel for grid in grids for panel in grid["panelBankSectionConfig"]["panels"]]
    for config in (panel["config"] for panel in panels):
        axes = {config[axis].removeprefix("summary:") for axis in ("xAxis", "yAxis") if axis in config}
        assert axes | set(config.get("metrics", ())) <= logged
        assert set(config.get("mediaKeys", ())) <= media
    tables = set(re.findall(r'"(\w+_table|critical_noise)"', json.dumps(panels)))
    assert tables == {"critical_noise", *(table.tracked for table in TABLES.values() if table.tracked)}
    assert tables <= media
    types = {run.run["job_type"] for run in tracked.values()}
    for grid in grids:
        wanted = grid["runSets"][0]["filters"]["filters"][1]["value"]
        assert set(wanted) <= types


def test_entanglement_of_the_trained_blocks(built, tmp_path):
    shutil.copytree(built.folder, tmp_path / "p", symlinks=True)
    project = type(built)(tmp_path / "p")
    project.snakemake("entanglement", "--config", "experiment=ci")
    folder = project.folder / "results" / "ci"
    table = pd.read_csv(folder / "entanglement.csv")
    assert set(table.kind) == {"trained", "random"}
    assert (table[table.block_dim == 4].entropy_mean > 0).all()
    assert len(pd.read_csv(folder / "entanglement_differences.csv")) > 0
    for kind in ("png", "svg"):
        assert (folder / f"entanglement.{kind}").stat().st_size > 10_000
    assert list(folder.glob("wandb/offline-run-*-ci-entanglement-*/files/media/images/*.png"))
    assert project.planned(target="entanglement") == {}


def test_a_second_run_does_nothing(built):
    def files():
        found = (path for path in (built.folder / "results").rglob("*") if path.is_file() and path.name != ".lock")
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    done = built.snakemake("phase_diagram", "--config", "experiment=ci")
    assert "Nothing to be done" in done.stdout + done.stderr
    assert files() == before


def test_same_seed_same_bytes(built, fresh, monkeypatch):
    """In another shell, too: what it says of threads, hashes, time and language does not count (more in
    tests/reproducibility)."""
    shell = {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "OMP_NUM_THREADS": "5"}
    for name, value in (shell | {"OMP_DYNAMIC": "true", "NUMBA_NUM_THREADS": "3"}).items():
        monkeypatch.setenv(name, value)
    overrides = "overrides=run=again track.mode=disabled sweep.block_dim=4 control=none"
    fresh.snakemake("results/again/phase_diagram.csv", "--config", "experiment=ci", overrides)
    first, second = built.folder / "results" / "ci", fresh.folder / "results" / "again"
    lines = (first / "phase_diagram.csv").read_text().splitlines()
    mine = [lines[0], *(line for line in lines[1:] if ",full,4," in line)]
    assert (second / "phase_diagram.csv").read_text().splitlines() == mine
    cell = "ratio0.3/d4/seed0"
    cells = [f"{kind}/{cell}" for kind in ("adapters", "circuits", "evaluations")]
    for part in ("prepared", "teacher", "compressed/ratio0.3", *cells):
        files = [path for path in (second / part).iterdir() if path.is_file()]
        assert files
        assert [path for path in files if path.read_bytes() != (first / part / path.name).read_bytes()] == []
    assert (second / "baselines.csv").read_text().splitlines() == (first / "baselines.csv").read_text().splitlines()[:3]
    assert not (fresh.folder / "results" / "again" / "wandb").exists()
