"""Tables, goal and picture of levers whose curves are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.lever_goal import describe_goal
from cayley_adapters.analysis.levers import arms_of, columns_of, control_rows, lever_rows
from cayley_adapters.core.tables import CELL_COLUMNS, write_table
from cayley_adapters.report.plots.levers import levers_figure
from cayley_adapters.settings.levers import LEVERS

AXIS = (0.0, 1.0, 2.0)
TOKENS = 12
DOCUMENTS = np.arange(TOKENS) // 2
LEVEL = 2.0


def make(name, curves, seeds=(0,), **changed):
    """An arm for each block dimension, ``curves[d]`` its nll over the axis; without a circuit it is 1.0."""
    given = {
        "model": "toy", "compression": "svd", "compression_ratio": 0.2, "ansatz": "full", "shots": 8192.0,
        "readout": "sign_constrained", "tokens": TOKENS, "nll_se": 0.1, "adapter_parameters": 5600,
        "two_qubit_gates": 17.0, "executor": "noisy", "backend": "FakeFez", "layout": "median", "mitigation": "none",
        "targets": "v_proj o_proj", "synthesis": "exact", "trained_noise_scale": 0.0, "nll_se_shots": 0.0,
    } | changed  # fmt: skip
    rows = []
    for d, curve in curves.items():
        for seed in seeds:
            own = given | {"block_dim": d, "qubits": int(math.log2(d)), "seed": seed}
            rows.append(own | {"noise_scale": 0.0, "nll": 1.0, "executor": "exact", "readout": "signed"})
            rows += [own | {"noise_scale": scale, "nll": nll} for scale, nll in zip(AXIS, curve, strict=True)]
    cells = pd.DataFrame(rows, columns=CELL_COLUMNS)
    losses = np.repeat(cells["nll"].to_numpy(np.float32)[:, None], TOKENS, axis=1)
    errors = {d: {"cz": 0.1, "sx": 0.02, "readout": 0.03} for d in curves}
    return arms_of(name, cells, losses, DOCUMENTS, np.full(TOKENS, LEVEL), errors, 8192.0, bootstrap=40)


@pytest.fixture(scope="module")
def arms():
    return [
        *make("plain", {4: [1.2, 1.6, 2.4], 8: [1.1, 2.6, 4.0]}),
        *make("characterised", {4: [1.0, 1.1, 1.3], 8: [0.9, 1.0, 1.1]}, seeds=(0, 1), readout="characterised"),
        *make("fake_aachen", {8: [1.1, 1.1, 1.1]}, backend="FakeAachen"),
        *make("brickwork_1", {8: [2.1, 2.2, 2.3]}, ansatz="brickwork", brickwork_depth=1, adapter_parameters=600),
    ]


def rows_of(arms):
    identities = {}
    for arm in arms:
        (twin,) = make("identity-plain", {arm.block_dim: [1.9, 2.9, 3.9]})
        identities[arm.name, arm.block_dim] = twin
    labels = {name: (lever.title, lever.kind) for name, lever in LEVERS.items()}
    rows = lever_rows(arms, identities, AXIS, len(np.unique(DOCUMENTS)), 80, labels)
    return pd.DataFrame(rows, columns=columns_of(AXIS)).set_index(["lever", "block_dim"])


def test_boundary_gain_and_control_of_each_lever(arms):
    table = rows_of(arms)
    plain = table.loc["plain", 4]
    # The cost is 0.4 at 1 and 1.2 at 2, a power of the noise: it has eaten the gain of 0.8 at 2^(ln 2/ln 3).
    assert plain["lambda_c"] == pytest.approx(2 ** (math.log(2) / math.log(3)), rel=1e-3)
    assert plain["lambda_c_low"] < plain["lambda_c"] < plain["lambda_c_high"]
    assert plain["gain"] == pytest.approx(0.8)
    assert plain["perplexity_at_1"] == pytest.approx(math.exp(1.6))
    assert plain["identity_at_1"] == pytest.approx(math.exp(2.9))
    assert plain["identity_difference"] == pytest.approx(-1.3)
    assert plain["perplexity_exact"] == pytest.approx(math.e)
    assert table.loc["characterised", 8]["censored"] == "above"
    assert table.loc["brickwork_1", 8]["lambda_c"] == 0  # no gain, whatever the noise


def test_each_lever_is_charged(arms):
    table = rows_of(arms)
    assert table.loc["plain", 8]["circuits_per_token"] == 5600 / 28
    assert table.loc["plain", 8]["circuits_once"] == 0
    assert table.loc["characterised", 8]["circuits_per_token"] == 0
    assert table.loc["characterised", 8]["circuits_once"] == 5600 / 28 * 36
    assert table.loc["brickwork_1", 8]["circuits_per_token"] == 600 / 6
    assert (table["training_steps"] == 80).all()


def test_the_goal_compares_within_one_device_and_one_way_of_serving(arms):
    errors = {(arm.name, arm.block_dim): 0.004 for arm in arms}
    found = json.loads(json.dumps(describe_goal(arms, "FakeFez", errors, 6), allow_nan=False))["goals"]
    by_kind = {(goal["block_dim"], goal["serving"]): goal for goal in found}
    token = by_kind[8, "per_token"]
    assert token["seeds"] == 1
    assert token["lever"] == "brickwork_1"  # the lowest at λ = 2 on this device, though it gains nothing
    assert token["two_qubits"]["lever"] == "characterised"  # whichever way it is served
    assert token["two_qubits_same_serving"]["lever"] == "plain"
    assert not token["reached"]
    assert token["two_qubit_error_needed"] is None  # measured once, two qubits are better at any noise
    # 1.1 + 1.5 λ is below 1.2 + 0.4 λ up to λ = 1/11, a share of 0.045 of the goal's; seen in steps of 0.01.
    assert token["two_qubit_error_needed_same_serving"] == pytest.approx(0.04 * 0.004)
    assert token["errors"]["cz"] == pytest.approx(0.2)
    once = by_kind[8, "characterised"]
    assert once["lever"] == "characterised"
    assert once["nll_difference"] == pytest.approx(-0.2)
    assert once["reached"]
    assert not once["certain"]  # of two seeds
    assert once["two_qubit_error_needed"] == pytest.approx(0.004)  # the device's own
    assert once["two_qubit_error_needed_same_serving"] == pytest.approx(0.004)
    assert (16, "per_token") not in by_kind


def test_the_choice_of_the_best_is_part_of_the_goals_interval():
    """Three seeds of equal levers: the lowest of many is no finding."""
    curves = {4: [1.5, 1.6, 1.7], 8: [1.5, 1.6, 1.69]}
    many = [*make("plain", curves, (0, 1, 2)), *make("best_qubits", curves, (0, 1, 2))]
    errors = dict.fromkeys([(arm.name, arm.block_dim) for arm in many], 0.004)
    (goal,) = describe_goal(many, "FakeFez", errors, 6)["goals"]
    assert goal["nll_difference"] == pytest.approx(-0.01)
    assert goal["reached"]
    sure = make("characterised", {8: [1.0, 1.1, 1.2]}, (0, 1, 2), readout="characterised")
    goals = describe_goal([*many, *sure], "FakeFez", errors | {("characterised", 8): 0.004}, 6)["goals"]
    assert [goal["certain"] for goal in goals if goal["serving"] == "characterised"] == [True]


def test_controls_stand_in_the_same_table():
    given = {"compression_ratio": 0.2, "adapter_parameters": 0, "seed": 0, "nll": 2.0}
    baselines = pd.DataFrame(
        [
            given | {"method": "uncompressed", "compression_ratio": 0.0, "nll": 1.0},
            given | {"method": "compressed"},
            given | {"method": "lora", "matched_block_dim": 8, "adapter_parameters": 9, "nll": 1.5},
            given | {"method": "lora", "matched_block_dim": 8, "adapter_parameters": 9, "nll": 1.7, "seed": 1},
            given | {"method": "compressed", "compression_ratio": 0.3},
        ]
    )
    rows = {row["lever"]: row for row in control_rows(baselines, 0.2)}
    assert rows["lora"]["perplexity_exact"] == pytest.approx(math.exp(1.6))
    assert rows["lora"]["seeds"] == 2
    assert rows["compressed"]["perplexity_exact"] == pytest.approx(math.exp(2.0))
    assert rows["uncompressed"]["perplexity_exact"] == pytest.approx(math.e)


def test_the_picture_shows_each_lever_and_marks_what_is_not_reached(arms, tmp_path):
    rows = rows_of(arms).reset_index()
    table = write_table(rows, tmp_path / "levers.csv", columns_of(AXIS))
    figure = levers_figure(table, "toy", "FakeFez", 0.2)
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[0] == "as the default map"
    assert len(labels) == 4
    assert axes.get_xscale() == "log"
    shown = [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]
    assert shown == ["2 qubits", "3 qubits"]
    named = [text.get_text() for text in axes.texts if text.get_text()]
    assert sorted(named) == sorted(["device", *dict.fromkeys(table.loc[table["kind"] != "control", "kind"])])
    arrows = [text for text in axes.texts if not text.get_text()]
    beyond = table["censored"].notna() | (table["lambda_c"] == 0)  # a brickwork gains nothing
    assert len(arrows) == beyond.sum() == 5
    points = [line for line in axes.lines if line.get_marker() in ("o", "s", "^") and len(line.get_xdata())]
    assert len(points) == (table["kind"] != "control").sum() - len(arrows)
