"""The stages that measure levers, on the tiny model: every file from one run, checked against what it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.analysis import MEASUREMENTS
from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.cli import _add_all, app
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import read_cells
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.corpus import training_windows
from cayley_adapters.models.losses import token_losses
from cayley_adapters.pipeline.costs.plan import planned_jobs
from cayley_adapters.pipeline.jobs import jobs, make_job
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.pipeline.store import place_links
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.settings import compose
from cayley_adapters.settings.schema import partial
from cayley_adapters.simulation.arms import Arm
from cayley_adapters.stages.adapted_model import AdaptedModel, trained

OVERRIDES = [
    *("model=tiny_random", "data.window=32", "data.calibration_windows=8", "control=none", "sweep.block_dim=4,8"),
    *("train.steps=2", "train.validation_windows=2", "evaluate.windows=2", "evaluate.refine=0", "levers.size=small"),
    "levers.names=[characterised,qiskit_synthesis,ranked_projections]",
]
CELL = "ratio0.2/d8/seed0"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a run in which every stage up to the comparison of levers is done."""
    folder = tmp_path_factory.mktemp("levers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = compose("levers", OVERRIDES)
        place_links(variants(found).values(), lambda job: True)
        for item in planned_jobs(found, "levers"):
            if item.job.stage not in ("phase_diagram", "scaling", "recovery"):
                run_job(item.job)
    return folder / "results/levers"


def test_the_table_has_levers_and_controls(run):
    table = pd.read_csv(run / "levers.csv")
    assert list(table.loc[table["kind"] != "control", "lever"].unique()) == [
        *("plain", "characterised", "qiskit_synthesis", "ranked_projections")
    ]
    assert set(table.loc[table["kind"] == "control", "lever"]) == {"uncompressed", "compressed"}
    assert {"lambda_c", "perplexity_at_0", "perplexity_at_2", "identity_at_1"} <= set(table)
    costs = pd.read_csv(run / "levers_costs.csv").set_index(["lever", "block_dim"])
    assert len(costs) == 8
    assert costs["evaluation_cpu_seconds"].isna().all()  # jobs of a workflow have records, these have none
    goals = json.loads((run / "levers.json").read_text())["goals"]
    assert {goal["serving"] for goal in goals} == {"per_token", "characterised"}
    assert (run / "levers.png").stat().st_size > 10_000


def test_a_lever_that_changes_the_readout_alone_shares_blocks_and_circuits(run):
    for kind in ("adapters", "circuits"):
        assert (run / f"levers/characterised/{kind}/{CELL}").resolve() == (run / f"{kind}/{CELL}").resolve()
        assert (run / f"levers/qiskit_synthesis/{kind}/{CELL}").is_dir()
    plain = read_cells(run / f"evaluations/{CELL}/cells.csv")
    own = read_cells(run / f"levers/characterised/evaluations/{CELL}/cells.csv")
    assert plain["nll"].iloc[0] == own["nll"].iloc[0]  # in exact arithmetic
    assert set(own["readout"]) == {"signed", "characterised"}


def test_what_shots_of_one_measurement_leave_open_is_seen_by_measuring_again(run, monkeypatch):
    monkeypatch.chdir(run.parents[1])
    [variant] = variants(compose("levers", OVERRIDES)).values()
    [arm] = [arm for arm in variant.arms if (arm.name, arm.block_dim) == ("characterised", 8)]
    job = make_job("evaluate", arm.variant, arm.cell)
    own = read_cells(run / f"levers/characterised/evaluations/{CELL}/cells.csv").set_index("noise_scale").loc[2.0]
    arm = Arm(own["executor"], own["readout"], 2.0, own["shots"], own["mitigation"])
    model = AdaptedModel(job, partial(job.leaves), trained(job), job.seed)
    draws = [model.losses(arm, repeat=repeat).mean() for repeat in range(MEASUREMENTS)]
    assert draws[0] == pytest.approx(own["nll"], rel=1e-6)
    assert own["nll_se_shots"] == pytest.approx(np.std(draws, ddof=1), rel=1e-3)
    assert own["nll_se_shots"] > 0
    assert model.shot_error(replace(arm, shots=np.inf), model.losses(arm)) == 0


def test_circuits_as_long_as_qiskits_apply_the_same_blocks(run):
    exact, longer = load_circuits(run / f"circuits/{CELL}/angles.safetensors"), {}
    longer = load_circuits(run / f"levers/qiskit_synthesis/circuits/{CELL}/angles.safetensors")
    gates = pd.read_csv(run / "circuits.csv").query("block_dim == 8").set_index("synthesis")["cz"]
    for name, circuits in exact.items():
        np.testing.assert_allclose(longer[name].unitaries(), circuits.unitaries(), atol=1e-10)
    blocks = pd.read_csv(run / f"levers/qiskit_synthesis/circuits/{CELL}/blocks.csv")
    assert gates["qiskit"] - 1 <= blocks["cz"].mean() <= gates["qiskit"] + 2
    assert gates["ours"] < gates["qiskit"]


def test_blocks_that_learnt_nothing_are_the_identity(run):
    _, tensors = read_adapter(run / f"levers/identity-plain/adapters/{CELL}")
    assert all(not tensor.any() for tensor in tensors.values())
    cells = read_cells(run / f"levers/identity-plain/evaluations/{CELL}/cells.csv")
    compressed = pd.read_csv(run / "baselines.csv").query("method == 'compressed'")["nll"].iloc[0]
    assert cells["nll"].iloc[0] == pytest.approx(compressed, abs=1e-6)


def test_the_ranking_measures_each_projection_alone(run):
    """Gain and cost of one projection from whole passes, where the stage starts at its layer."""
    ranking = pd.read_csv(run / "ranking/ranking.csv")
    [job] = jobs(compose("levers", OVERRIDES), "rank")
    survey = run.parents[1] / job.inputs["adapter"][0].parent
    model = load_adapter(load_compressed(run / "compressed/ratio0.2"), survey)
    assert set(ranking["projection"]) == set(adapted_layers(model))
    windows, trained = training_windows(run / "prepared/tokens.safetensors", 2, 2)
    tokens, scored = windows.tokens, windows.scored[trained:, 1:]
    with torch.no_grad():
        whole = token_losses(model, tokens[trained:], 1)
        for row in ranking.iloc[[0, -1]].itertuples():
            set_executor(model, None)
            adapted_layers(model)[row.projection].executor = lambda key, x: x
            without = token_losses(model, tokens[trained:], 1)
            gain = np.average(without - whole, axis=1, weights=scored).mean()
            assert row.gain == pytest.approx(gain, abs=1e-6)
    assert ranking["rank"].tolist() == list(range(1, len(ranking) + 1))


def test_ranked_blocks_sit_on_the_best_projections_within_the_budget(run):
    ranking = pd.read_csv(run / "ranking/ranking.csv").set_index("projection")
    config = json.loads((run / f"levers/ranked_projections/adapters/{CELL}/adapter_config.json").read_text())
    chosen = config["target_modules"]
    plain = [name for name in ranking.index if name.endswith(("v_proj", "o_proj"))]
    assert ranking.loc[chosen, "inputs"].sum() <= ranking.loc[plain, "inputs"].sum()
    assert ranking["rank"].idxmin() in chosen
    cells = read_cells(run / f"levers/ranked_projections/evaluations/{CELL}/cells.csv")
    assert set(cells["targets"]) == {"ranked"}


def test_the_same_run_gives_the_same_bytes(run, monkeypatch):
    before = {name: (run / name).read_bytes() for name in ("levers.csv", "levers.json", "levers.svg")}
    monkeypatch.chdir(run.parents[1])
    (job,) = jobs(compose("levers", OVERRIDES), "levers")
    run_job(job)
    assert {name: (run / name).read_bytes() for name in before} == before


def test_a_run_without_levers_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _add_all()
    done = CliRunner().invoke(app, ["levers", "experiment=ci"])
    assert isinstance(done.exception, CayleyError)
    assert "type experiment=levers" in str(done.exception)
    assert not Path("results").exists()
