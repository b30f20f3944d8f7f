"""The tracked run of each cell against the rows of the tables that it is made from."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from map_tables import SCALES, small_map

from cayley_adapters.report.wandb.cells import METRICS, cell_runs


@pytest.fixture(scope="module")
def runs():
    return {run.name: run for run in cell_runs(*small_map())}


def test_there_is_one_run_for_each_cell_control_and_reference(runs):
    blocks = {f"ratio{ratio} d{d} seed{seed}" for ratio in (0.2, 0.3) for d in (2, 4) for seed in (0, 1)}
    beside = {
        "uncompressed",
        "ratio0.2 compressed",
        "ratio0.3 compressed",
        "ratio0.2 lora-d4 seed0",
        "ratio0.2 ia3 seed1",
    }
    assert set(runs) == blocks | beside


def test_a_cells_numbers_are_those_of_the_maps_rows(runs):
    run = runs["ratio0.3 d4 seed1"]
    nll = 3 + 0.3 - 0.4 + 0.01 + 0.001  # at 8,192 shots and no noise
    assert run.summary["nll"] == pytest.approx(nll)
    assert run.summary["perplexity"] == pytest.approx(math.exp(nll))
    assert run.summary["recovery"] == pytest.approx(1 - nll / 10)
    assert run.summary["perplexity_device"] == pytest.approx(math.exp(nll + 4 / 20))
    assert run.summary["perplexity_exact"] == pytest.approx(math.exp(nll - 0.001 - 0.05))
    assert {key: run.summary[key] for key in ("lambda_c", "lambda_c_low", "lambda_c_high")} == {
        "lambda_c": 1.0,
        "lambda_c_low": 0.75,
        "lambda_c_high": 1.25,
    }
    assert run.summary["gain"] == pytest.approx(0.1)
    assert (run.summary["two_qubit_gates"], run.summary["adapter_parameters"], run.summary["tokens"]) == (3, 400, 100)
    assert [point["noise_scale"] for point in run.history] == list(SCALES)
    assert [point["curve/nll"] for point in run.history] == pytest.approx([nll + scale * 4 / 20 for scale in SCALES])


def test_fields_to_sort_and_filter_by_are_numbers_and_seeds_share_a_cell(runs):
    config = runs["ratio0.3 d4 seed1"].config
    assert {key: config[key] for key in ("compression_ratio", "block_dim", "seed", "qubits", "shots")} == {
        "compression_ratio": 0.3,
        "block_dim": 4,
        "seed": 1,
        "qubits": 2,
        "shots": 8192,
    }
    assert all(type(config[key]) is int for key in ("block_dim", "seed", "qubits"))
    assert config["cell"] == runs["ratio0.3 d4 seed0"].config["cell"] == "ratio0.3 d4"
    assert (config["backend"], config["method"]) == ("FakeFez", "cayley")
    assert runs["ratio0.2 d2 seed0"].config["lambda_c_censored"] == "above"


def test_controls_and_references_have_what_they_have_and_no_more(runs):
    lora, reference = runs["ratio0.2 lora-d4 seed0"], runs["uncompressed"]
    assert lora.summary["perplexity"] == pytest.approx(math.exp(2.9))
    assert lora.summary["recovery"] == pytest.approx(0.71)
    assert (lora.config["method"], lora.config["block_dim"], lora.config["seed"]) == ("lora", 4, 0)
    assert pd.isna(reference.summary["recovery"])  # nothing was lost
    assert "seed" not in reference.config
    assert not lora.history


def test_every_metric_is_documented_with_its_unit(runs):
    assert {key for run in runs.values() for key in run.summary} == set(METRICS)


def test_a_map_without_the_devices_noise_scale_says_nothing_of_it():
    cells, baselines, result = small_map()
    run = next(cell_runs(cells[cells.noise_scale != 1], baselines, result))
    assert not [key for key in run.summary if key.endswith("_device")]
