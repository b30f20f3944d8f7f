"""Runs that share nothing with any other, and so may go on beside the other tests of the workflow."""

from __future__ import annotations

import os
import signal
import subprocess

import pandas as pd
from safety import wait_for

from cayley_adapters.pipeline.verification import verify


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
    fresh.snakemake("results/two/comparison.html", "--config", "experiment=ci", f"overrides={overrides}")
    folder = fresh.folder / "results" / "two"
    tables = [pd.read_csv(folder / name / "phase_diagram.csv") for name in ("alpha", "beta")]
    assert [set(table.model) for table in tables] == [{"alpha"}, {"beta"}]
    assert tables[0].nll[0] != tables[1].nll[0]
    page = (folder / "comparison.html").read_text()
    assert "alpha" in page
    assert "beta" in page
    numbers = pd.read_csv(folder / "comparison.csv")
    assert set(numbers["map"]) == {"alpha", "beta"}
    assert set(numbers["model.path"]) == {str(fresh.folder / name) for name in ("alpha", "beta")}
    blocks = numbers[numbers["method"] == "cayley"]
    assert (blocks["training_cpu_seconds"] > 0).all()
    differences = pd.read_csv(folder / "comparison_differences.csv")
    assert set(differences["quantity"]) == {"nll_difference", "gain_difference", "lambda_c_ratio"}
    assert set(differences["map"]) == {"beta"}  # the same tokenizer, so that the losses are of the same tokens


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
        wait_for(lambda: first.poll() is not None or (lock.exists() and "process" in lock.read_text()))
        os.killpg(first.pid, signal.SIGSTOP)  # it holds its lock for as long as the second takes
        assert first.poll() is None
        done = fresh.snakemake(*arguments, check=False)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert done.returncode != 0
    assert "another workflow is writing to results/ci" in done.stdout + done.stderr
    fresh.snakemake(*arguments)


def test_an_edited_text_is_prepared_anew(fresh):
    for name in ("train", "test"):
        (fresh.folder / f"{name}.txt").write_text(f"some words to {name} in a line\n" * 400)
    overrides = "data=text data.train=train.txt data.test=test.txt data.window=32 data.calibration_windows=8 run=text"
    target = "results/text/prepared/tokens.safetensors"
    fresh.snakemake(target, "--config", "experiment=ci", f"overrides={overrides}")
    assert "prepare" not in fresh.planned(overrides)
    (fresh.folder / "train.txt").write_text("other words in a line\n" * 400)
    assert "prepare" in fresh.planned(overrides)


def test_levers_are_compared_from_one_command(fresh):
    overrides = (
        "levers.size=small levers.names=[characterised] model=tiny_random data.window=32 data.calibration_windows=8 "
        "control=none sweep.block_dim=4 train.steps=2 evaluate.windows=2 evaluate.refine=0 track.mode=disabled"
    )
    target = "results/levers/levers.csv"  # and not the map's pictures
    fresh.snakemake(target, "results/levers/config.yaml", "--config", "experiment=levers", f"overrides={overrides}")
    folder = fresh.folder / "results" / "levers"
    table = pd.read_csv(folder / "levers.csv").set_index("lever")
    assert {"plain", "characterised", "compressed"} <= set(table.index)
    costs = pd.read_csv(folder / "levers_costs.csv").set_index("lever")
    assert (costs["training_cpu_seconds"] > 0).all()
    assert costs.loc["plain", "training_cpu_seconds"] == costs.loc["characterised", "training_cpu_seconds"]
    changed = fresh.planned(overrides.replace("[characterised]", "[characterised,best_qubits]"), "levers", target)
    assert changed == {"evaluate": 2, "compare_levers": 1}  # the lever, and the identity on those qubits
    (folder / "levers.csv").write_text((folder / "levers.csv").read_text().replace("plain", "pl4in", 1))
    verdict = verify(folder, cells=2, seed=9, retrain=True)
    assert [cell.name.split()[0] for cell in verdict.cells] == ["characterised", "identity-characterised"]
    assert all(cell.difference == 0 for cell in verdict.cells)
    assert verdict.trained.difference == 0
    wrong = " ".join(note for check in verdict.checks for note in check.notes)
    assert "levers.csv is not what the files of its cells give; line 2 is" in wrong
