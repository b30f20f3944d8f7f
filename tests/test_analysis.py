"""Critical noise, its intervals and the scaling law against known truths."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.analysis import bootstrap_means, critical_noise, scaling_law, transition
from cayley_adapters.errors import CayleyError
from cayley_adapters.phase_map import average_seeds

AXIS = np.array([0, 0.1, 0.3, 1.0, 3.0])


def make_cells(curves, seeds=(0,), ratio=0.1, gates=None, axis=AXIS, **changed):
    """Rows of a table in which ``curves[block_dim]`` is nll over the axis."""
    rows = [
        {
            "model": "toy", "compression": "svd", "compression_ratio": ratio, "ansatz": "full", "block_dim": dim,
            "qubits": int(np.log2(dim)), "noise_scale": scale, "shots": 8192.0, "readout": "sign_constrained",
            "seed": seed, "tokens": 4, "nll": nll, "nll_se": 0.1, "perplexity": np.exp(nll), "recovery": 0.5,
            "adapter_parameters": 10, "two_qubit_gates": (gates or {}).get(dim, dim - 1.0), "executor": "noisy",
            "backend": "FakeFez", "layout": "median", "mitigation": "none", "targets": "all",
        }
        for dim, curve in curves.items()
        for seed in seeds
        for scale, nll in zip(axis, curve, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changed)


def flat(cells, tokens=4):
    """Token losses that are constant in each cell."""
    return np.repeat(cells["nll"].to_numpy(np.float32)[:, None], tokens, axis=1)


def run(cells, level=2.0, tokens=4, **options):
    documents = np.arange(tokens) // 2
    compressed = {ratio: np.full(tokens, level) for ratio in cells["compression_ratio"].unique()}
    options = {"nll_uncompressed": 1.0, "bootstrap": 50, **options}
    return transition(cells, flat(cells, tokens), documents, compressed, **options)


@pytest.mark.parametrize(
    ("curve", "value", "censored"),
    [
        ([1.0, 1.2, 1.5, 2.5, 4.0], np.sqrt(0.3), 0),  # half-way in log λ between 0.3 and 1
        ([1.0, 1.2, 2.0, 2.5, 4.0], 0.3, 0),  # on a grid point
        ([2.0, 2.2, 2.3, 2.5, 4.0], 0, 0),  # no gain: G = 0
        ([2.5, 1.0, 1.0, 1.0, 1.0], 0, 0),  # G < 0, whatever follows
        ([1.0, 1.2, 1.5, 1.6, 1.9], 3.0, 1),  # never reached
        ([1.0, 2.1, 2.5, 3.0, 4.0], 0.1, -1),  # reached before the first positive scale
        ([1.0, 2.0, 2.5, 3.0, 4.0], 0.1, 0),  # reached at it exactly
        ([1.0, 1.5, 2.5, 1.0, 4.0], np.sqrt(0.03), 0),  # not monotone: the first crossing counts
        ([1.0, 1.5, np.nan, np.nan, np.nan], 0.1, 0),  # a loss that is no number is above every level
    ],
)
def test_critical_noise_of_known_curves(curve, value, censored):
    found, code = critical_noise(AXIS, np.array(curve), 2.0)
    assert found == pytest.approx(value)
    assert code == censored


@given(st.floats(0.11, 2.9), st.floats(0.1, 5))
def test_an_exact_log_line_gives_back_its_crossing(crossing, slope):
    curve = 2.0 + slope * np.log(np.maximum(AXIS, 1e-3) / crossing)
    found, code = critical_noise(AXIS, curve, 2.0)
    assert code == 0
    assert found == pytest.approx(crossing, rel=1e-9)


def test_critical_noise_takes_stacks_with_a_level_each():
    curves = np.array([[1.0, 1.2, 1.5, 2.5, 4.0]] * 2)
    found, code = critical_noise(AXIS, curves, np.array([2.0, 9.0]))
    np.testing.assert_allclose(found, [np.sqrt(0.3), 3.0])
    np.testing.assert_array_equal(code, [0, 1])


@pytest.mark.parametrize("axis", [[0.1, 0.3, 1, 2, 3], [0, 1, 1, 2, 3], []])
def test_an_axis_must_start_at_zero_and_increase(axis):
    with pytest.raises(CayleyError, match=r"noise axis|do not fit"):
        critical_noise(np.array(axis), np.ones(len(axis)), 2.0)


def test_bootstrap_means_are_ratios_of_sums_and_paired():
    losses = np.array([[1.0, 1, 1, 5], [2.0, 2, 2, 6]])
    means = bootstrap_means(losses, np.array([7, 7, 7, 9]), 200, np.random.default_rng(0))
    np.testing.assert_allclose(means[1] - means[0], 1)  # the same documents in both rows
    assert set(np.round(means[0], 9)) == {1.0, 2.0, 5.0}  # only the first, both (3 and 1 tokens), only the second


def test_transition_has_the_promised_structure():
    curves = {2: [1.6, 1.6, 1.6, 1.6, 1.7], 4: [1.5, 1.55, 1.61, 2.39, 3.0], 8: [1.2, 1.9, 2.1, 4.0, 6.0]}
    cells = pd.concat([make_cells(curves, ratio=0.1), make_cells(curves, ratio=0.2)], ignore_index=True)
    result = json.loads(json.dumps(run(cells), allow_nan=False))
    assert [part["compression_ratio"] for part in result["ratios"]] == [0.1, 0.2]
    part = result["ratios"][0]
    assert part["nll_compressed"] == 2.0
    assert [block["censored"] for block in part["blocks"]] == ["above", None, None]
    assert [block["block_dim"] for block in part["blocks"]] == [2, 4, 8]
    assert part["blocks"][1]["lambda_c"] == pytest.approx(np.sqrt(0.3))
    assert part["blocks"][1]["ci95"] == pytest.approx([np.sqrt(0.3)] * 2)
    assert part["blocks"][2]["gain"] == pytest.approx(0.8)
    best = {entry["noise_scale"]: entry["block_dim"] for entry in part["best_block"]}
    assert best == {0.0: 8, 0.1: 4, 0.3: 2, 1.0: 2, 3.0: 2}
    share = {(entry["block_dim"], entry["noise_scale"]): entry["value"] for entry in part["recovery_nll"]}
    assert share[8, 0.0] == pytest.approx(0.8)
    assert share[4, 1.0] == pytest.approx(-0.39)
    assert result["scaling"]["points"] == 4
    assert {"units", "definition", "readout", "shots", "executor", "bootstrap"} <= set(result)


def test_no_best_block_where_none_beats_the_compressed_model():
    result = run(make_cells({4: [1.5, 1.6, 1.7, 2.4, 3.0]}))
    assert [entry["block_dim"] for entry in result["ratios"][0]["best_block"]] == [4, 4, 4, None, None]


def test_losses_are_averaged_over_seeds():
    one = make_cells({4: [1.0, 1.2, 1.4, 2.4, 4.0]}, seeds=(0,))
    two = make_cells({4: [1.0, 1.2, 1.6, 2.6, 4.0]}, seeds=(1,))
    cells = pd.concat([one, two], ignore_index=True)
    assert run(cells)["ratios"][0]["blocks"][0]["lambda_c"] == pytest.approx(np.sqrt(0.3))
    table = average_seeds(cells)
    assert table["seeds"].tolist() == [2] * 5
    np.testing.assert_allclose(table["perplexity"], np.exp(table["nll"]))


def test_only_the_given_readout_shots_and_executor_count():
    cells = make_cells({4: [1.5, 1.6, 1.7, 2.4, 3.0]})
    others = [
        make_cells({4: [1.0] * 5}, readout="signed", shots=np.inf, executor="exact"),
        make_cells({4: [1.0] * 5}, shots=np.inf),
        make_cells({4: [1.0] * 5}, executor="aer"),
    ]
    mixed = pd.concat([others[0], cells, *others[1:]], ignore_index=True)
    assert run(mixed, executor="noisy") == run(cells)
    assert run(mixed, executor="noisy", shots=np.inf)["shots"] == "inf"
    with pytest.raises(CayleyError, match="mix executor"):
        run(mixed)


def test_what_is_no_number_becomes_null():
    cells = make_cells({4: [1.5, 1.6, 1.7, 2.4, np.nan]}, gates={4: np.nan})
    result = run(cells, nll_uncompressed=2.0)  # ratio 0: the compressed model is the uncompressed one
    text = json.dumps(result, allow_nan=False)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert {entry["value"] for entry in result["ratios"][0]["recovery_nll"]} == {None}
    assert result["ratios"][0]["blocks"][0]["two_qubit_gates"] is None


def test_one_document_has_no_interval():
    cells = make_cells({4: [1.5, 1.6, 1.7, 2.4, 3.0]})
    result = transition(cells, flat(cells), np.zeros(4), {0.1: np.full(4, 2.0)}, nll_uncompressed=1.0)
    assert result["ratios"][0]["blocks"][0]["ci95"] == [None, None]


def test_mistakes_are_named():
    cells = make_cells({4: [1.5, 1.6, 1.7, 2.4, 3.0]}, seeds=(0, 1))
    losses, documents, compressed = flat(cells), np.arange(4), {0.1: np.full(4, 2.0)}
    known = {"nll_uncompressed": 1.0, "bootstrap": 5}
    for wrong, message in [
        ((cells, losses[:, :3], documents, compressed), "do not fit"),
        ((cells, losses[::-1], documents, compressed), "same order"),
        ((cells, losses, documents, {0.2: np.full(4, 2.0)}), "no losses of the compressed model"),
        ((cells[:-1], losses[:-1], documents, compressed), "share one noise axis"),
        ((cells[1:], losses[1:], documents, compressed), "share one noise axis"),
        ((cells[cells["noise_scale"] > 0], losses[cells["noise_scale"] > 0], documents, compressed), "start at 0"),
        ((cells.assign(readout="ideal_sign"), losses, documents, compressed), "there are: ideal_sign"),
        ((cells.assign(layout=["a", "b"] * 5), losses, documents, compressed), "mix layout"),
    ]:
        with pytest.raises(CayleyError, match=message):
            transition(*wrong, **known)


def test_scaling_law_recovers_a_power_law():
    def block(gates, critical, censored=None):
        return {"two_qubit_gates": gates, "lambda_c": critical, "censored": censored}

    blocks = [block(gates, 5 * gates**-0.8) for gates in (3.0, 17.0, 66.0)]
    ignored = [
        block(0.0, 9.0),
        block(200.0, 0.1, "below"),
        block(5.0, 10.0, "above"),
        block(9.0, 0.0),
        block(None, 1.0),
    ]
    law = scaling_law(blocks + ignored)
    assert law["points"] == 3
    assert law["a"] == pytest.approx(5)
    assert law["b"] == pytest.approx(0.8)
    assert "no degrees of freedom" not in law["note"]
    assert "no degrees of freedom" in scaling_law([*blocks[:2], block(3.01, 2.0)])["note"]
    for few in ([], blocks[:1], [blocks[0], block(3.01, 2.0)]):
        law = scaling_law(few)
        assert law["a"] is None
        assert law["b"] is None
        assert "not fitted" in law["note"]


def test_the_interval_covers_a_simulated_truth():
    """Documents differ in difficulty and in how noise hurts them; the truth is the crossing of the population means."""
    rng = np.random.default_rng(1)
    means = {4: np.array([1.6, 1.65, 1.75, 2.3, 3.6])}
    truth, _ = critical_noise(AXIS, means[4], 2.0)
    covered = 0
    for trial in range(100):
        sizes = rng.integers(10, 40, size=20)
        owner = np.repeat(np.arange(20), sizes)
        difficulty = rng.normal(scale=0.4, size=20)[owner]
        hurt = rng.normal(scale=0.3, size=(20, 1)) * np.array([1, 1, 1, 1.5, 2]) + rng.normal(scale=0.05, size=(20, 5))
        noise = rng.normal(scale=0.2, size=(5, len(owner)))
        losses = means[4][:, None] + difficulty + hurt.T[:, owner] + noise
        cells = make_cells({4: losses.mean(axis=1)})
        options = {"nll_uncompressed": 1.0, "bootstrap": 300, "seed": trial}
        block = transition(cells, losses, owner, {0.1: 2.0 + difficulty}, **options)["ratios"][0]["blocks"][0]
        covered += block["ci95"][0] <= truth <= block["ci95"][1]
    assert covered >= 85
    assert covered < 100  # an interval that always covers is no 95 % interval


def test_the_bootstrap_repeats():
    rng = np.random.default_rng(0)
    cells = make_cells({4: [1.5, 1.6, 1.7, 2.4, 3.0]})
    losses = flat(cells, 60) + rng.normal(scale=1e-2, size=(1, 60))
    arguments = (cells, losses, np.arange(60) // 6, {0.1: rng.normal(2, 0.1, 60)})
    first, second, third = (transition(*arguments, nll_uncompressed=1.0, seed=seed) for seed in (3, 3, 4))
    assert first == second
    assert first["ratios"][0]["blocks"][0]["ci95"] != third["ratios"][0]["blocks"][0]["ci95"]
