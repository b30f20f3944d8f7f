"""The whole way of the data on a tiny model."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import yaml

from cayley_adapters.tables import BASELINE_COLUMNS, CELL_COLUMNS


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
    assert list(budget.source[budget.block_dim == 2]) == ["sx", "readout", "all"]  # one qubit has no CZ
    for row in budget[budget.source == "all"].itertuples():
        assert row.cost == pytest.approx(nll[row.block_dim, 1] - nll[row.block_dim, 0], abs=1e-5)
    four = budget[budget.block_dim == 4].set_index("source")
    assert four.infidelity["all"] == pytest.approx(four.infidelity[["cz", "sx", "readout"]].sum())
    assert list(four.gates) == [3, 15, 2, 20]
    for name in ("transition", "noise_budget"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
        assert "<svg" in (folder / f"{name}.svg").read_text()


def test_refining_adds_noise_scales_where_the_boundary_is_uncertain(built, fresh):
    shutil.copytree(built.folder / "results", fresh.folder / "results")
    command = [sys.executable, "-c", "from cayley_adapters.cli import main; main()", "evaluate", "experiment=ci"]
    command += ["evaluate.refine=2", "sweep.block_dim=4", "track.mode=disabled"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **fresh.options())
    assert done.returncode == 0, done.stderr
    where = "results/ci/evaluations/ratio0.3/d4/seed0/cells.csv"
    before, after = (pd.read_csv(folder / where) for folder in (built.folder, fresh.folder))
    main = "executor == 'noisy' and shots == 8192"
    level = pd.read_csv(built.folder / "results/ci/baselines.csv").set_index("method").nll["compressed"]
    new = sorted(set(after.query(main).noise_scale) - set(before.query(main).noise_scale))
    nll = before.query(main).set_index("noise_scale").nll
    assert nll[0] < level < nll[1], "the tiny model's boundary lies below the only positive noise scale"
    assert new[-1] == 0.316
    assert len(new) == 2
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
    from cayley_adapters.compression import load_compressed

    folder = built.folder / "results" / "ci"
    manifest = pd.read_csv(folder / "adapters" / "manifest.csv")
    for row in manifest.itertuples():
        model = PeftModel.from_pretrained(
            load_compressed(folder / "compressed" / f"ratio{row.compression_ratio}"), folder / "adapters" / row.folder
        )
        assert model.peft_config["default"].block_dim == row.block_dim


def test_tracking_runs_can_be_read_back(built):
    folder = built.folder / "results" / "ci" / "wandb"
    runs = {path.name.split("-", 3)[3]: path for path in folder.glob("offline-run-*")}
    assert set(runs) == {
        *(f"ci-control-ratio0.3-{name}-seed0" for name in ("lora-d4", "oft-d4", "boft-d4", "ia3")),
        "ci-train-ratio0.3-d2-seed0",
        "ci-train-ratio0.3-d4-seed0",
        "ci-evaluate-ratio0.3-d2-seed0",
        "ci-evaluate-ratio0.3-d4-seed0",
        "ci-phase_diagram",
    }
    # Run files hold protocol buffers, in which strings stand as they are.
    content = {name: next(path.glob("*.wandb")).read_bytes() for name, path in runs.items()}
    assert b"cross_entropy" in content["ci-train-ratio0.3-d4-seed0"]
    assert b"perplexity" in content["ci-evaluate-ratio0.3-d2-seed0"]
    assert list(runs["ci-phase_diagram"].glob("files/media/images/*.png"))
    assert list(runs["ci-phase_diagram"].glob("files/media/table/*.json"))


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
    assert list(folder.glob("wandb/offline-run-*-ci-entanglement/files/media/images/*.png"))
    assert project.planned(target="entanglement") == {}


def test_a_second_run_does_nothing_and_quickly(built):
    start = time.monotonic()
    done = built.snakemake("phase_diagram", "--config", "experiment=ci")
    assert "Nothing to be done" in done.stdout + done.stderr
    assert time.monotonic() - start < 15


def test_same_seed_same_bytes(built, fresh):
    fresh.snakemake("phase_diagram", "--config", "experiment=ci", "overrides=run=again track.mode=disabled")
    for name in ("phase_diagram.csv", "baselines.csv"):
        again = (fresh.folder / "results" / "again" / name).read_bytes()
        assert again == (built.folder / "results" / "ci" / name).read_bytes()
    assert not (fresh.folder / "results" / "again" / "wandb").exists()


def test_a_killed_run_continues_to_the_same_result(built, fresh):
    """SIGKILL to the whole process group in the middle, then the very same command."""
    arguments = ("phase_diagram", "--config", "experiment=ci", "overrides=control=none")
    with (fresh.folder / "out").open("w") as out:
        process = subprocess.Popen(
            fresh.command(*arguments), stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **fresh.options()
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not re.search(r"rule train:", (fresh.folder / "out").read_text()):
            time.sleep(0.1)
        time.sleep(2)  # into the job
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finished = {path for path in (fresh.folder / "results").rglob("*.safetensors") if not path.name.startswith(".")}
    times = {path: path.stat().st_mtime_ns for path in finished if "compressed" in path.parts}
    assert times
    fresh.snakemake(*arguments)
    csv = "results/ci/phase_diagram.csv"
    assert (fresh.folder / csv).read_bytes() == (built.folder / csv).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in times} == times  # finished work was not repeated


def test_two_local_models_make_two_maps_and_a_page(fresh, tiny_folder):
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    for index, name in enumerate(("alpha", "beta")):
        torch.manual_seed(index)
        config = LlamaConfig.from_pretrained(tiny_folder)
        LlamaForCausalLM(config).save_pretrained(fresh.folder / name)
        AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(fresh.folder / name)
    overrides = (
        f"model=local model.path={fresh.folder}/alpha,{fresh.folder}/beta run=two "
        "sweep.block_dim=2 train.steps=1 control=none track.mode=disabled"
    )
    fresh.snakemake("phase_diagram", "--config", "experiment=ci", f"overrides={overrides}")
    folder = fresh.folder / "results" / "two"
    tables = [pd.read_csv(folder / name / "phase_diagram.csv") for name in ("alpha", "beta")]
    assert [set(table.model) for table in tables] == [{"alpha"}, {"beta"}]
    assert tables[0].nll[0] != tables[1].nll[0]
    page = (folder / "models.html").read_text()
    assert "alpha" in page
    assert "beta" in page


def test_two_workflows_on_one_folder(fresh):
    """The second stops with a sentence while the first works, and starts once the first is gone."""
    arguments = ("results/ci/prepared/model.json", "--config", "experiment=ci")
    lock = fresh.folder / "results" / "ci" / ".lock"
    first = subprocess.Popen(
        fresh.command("phase_diagram", "--config", "experiment=ci"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **fresh.options(),
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not lock.exists():
            time.sleep(0.1)
        time.sleep(0.5)
        done = fresh.snakemake(*arguments, check=False)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert done.returncode != 0
    assert "another workflow is writing to results/ci" in done.stdout + done.stderr
    fresh.snakemake(*arguments)


def test_an_edited_text_is_prepared_anew(fresh):
    for name in ("train", "test"):
        (fresh.folder / f"{name}.txt").write_text("some words in a line\n" * 400)
    overrides = "data=text data.train=train.txt data.test=test.txt data.window=32 data.calibration_windows=8 run=text"
    target = "results/text/prepared/tokens.safetensors"
    fresh.snakemake(target, "--config", "experiment=ci", f"overrides={overrides}")
    assert "prepare" not in fresh.planned(overrides)
    (fresh.folder / "train.txt").write_text("other words in a line\n" * 400)
    assert "prepare" in fresh.planned(overrides)
