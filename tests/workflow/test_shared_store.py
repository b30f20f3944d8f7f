"""Further runs beside one that is there: what they share is not made again, and their maps are compared."""

from __future__ import annotations

import dataclasses
import shutil

import pandas as pd
import pytest

from cayley_adapters.pipeline.verification import verify


@pytest.fixture
def project(built, tmp_path):
    """A copy of the built project that a test may add to."""
    shutil.copytree(built.folder, tmp_path / "p", symlinks=True)
    return dataclasses.replace(built, folder=tmp_path / "p", served=True)


def test_another_noise_axis_trains_compresses_and_transpiles_nothing(built):
    assert set(built.planned("sweep.noise_scale=0,0.5,1 run=b")) == {
        *("configure", "evaluate", "evaluate_identity", "compare_circuits", "aggregate", "draw", "scaling", "recovery"),
    }


def test_devices_share_all_but_their_evaluations_and_end_in_a_comparison(project):
    overrides = "noise=fake_fez,fake_boston sweep.block_dim=4 control=none track.mode=disabled run=devices"
    gathered = ("configure", "compare_circuits", "aggregate", "draw", "scaling", "recovery")
    assert project.planned(overrides) == {
        "evaluate": 1,
        "evaluate_identity": 1,
        "compare": 1,
        **dict.fromkeys(gathered, 2),
    }
    project.snakemake("phase_diagram", "--config", "experiment=ci", f"overrides={overrides}")
    results = project.folder / "results"
    cell = "adapters/ratio0.3/d4/seed0"
    places = {(results / run / cell).resolve() for run in ("ci", "devices/fake_fez", "devices/fake_boston")}
    assert len(places) == 1
    numbers = pd.read_csv(results / "devices/comparison.csv")
    assert set(numbers["map"]) == {"fake_fez", "fake_boston"}
    assert set(numbers["noise.backend"]) == {"FakeFez", "FakeBoston"}
    assert (numbers[numbers["method"] == "cayley"]["training_cpu_seconds"] > 0).all()
    differences = pd.read_csv(results / "devices/comparison_differences.csv")
    assert set(differences["quantity"]) == {"nll_difference", "gain_difference", "lambda_c_ratio"}
    assert "fake_boston" in (results / "devices/comparison.html").read_text()
    assert project.planned(overrides) == {}


def test_levers_are_compared_from_one_command(project):
    overrides = (
        "levers.names=[characterised] sweep.block_dim=4 sweep.noise_scale=0,1,2 control=none "
        "evaluate.unlimited_shots_block_dims=[] track.mode=disabled run=levers"
    )
    target = "results/levers/levers.csv"  # and not the map's pictures
    # The map's blocks are there; those of the identity, of no steps, are not, nor what has another noise axis.
    assert project.planned(overrides, target=target) == {
        **{"teacher": 1, "train": 1, "transpile": 1, "evaluate": 4, "evaluate_identity": 1},
        **{"aggregate": 1, "compare_levers": 1},
    }
    project.snakemake(target, "results/levers/config.yaml", "--config", "experiment=ci", f"overrides={overrides}")
    folder = project.folder / "results" / "levers"
    table = pd.read_csv(folder / "levers.csv").set_index("lever")
    assert {"plain", "characterised", "compressed"} <= set(table.index)
    costs = pd.read_csv(folder / "levers_costs.csv").set_index("lever")
    assert (costs["training_cpu_seconds"] > 0).all()
    assert costs.loc["plain", "training_cpu_seconds"] == costs.loc["characterised", "training_cpu_seconds"]
    changed = project.planned(overrides.replace("[characterised]", "[characterised,best_qubits]"), target=target)
    assert changed == {"evaluate": 2, "compare_levers": 1}  # the lever, and the identity on those qubits
    (folder / "levers.csv").write_text((folder / "levers.csv").read_text().replace("plain", "pl4in", 1))
    verdict = verify(folder, cells=2, seed=9)
    assert len(verdict.cells) == 2
    assert all(cell.difference == 0 for cell in verdict.cells)
    wrong = " ".join(note for check in verdict.checks for note in check.notes)
    assert "levers.csv is not what the files of its cells give; line 2 is" in wrong
