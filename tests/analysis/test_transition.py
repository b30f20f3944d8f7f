"""The content of transition.json: boundaries, best blocks, intervals, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.resampling import bootstrap_means
from cayley_adapters.analysis.transition import not_excluded, transition
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.report.plots.grid import average_seeds

AXIS = np.array([0, 0.1, 0.3, 1.0, 3.0])
CROSSING = 0.3 * (1 / 0.3) ** (np.log(2) / np.log(3))
"""Where a cost that is half the gain at 0.3 and one and a half times the gain at 1 has eaten it, as a power law."""


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


def test_transition_has_the_promised_structure():
    curves = {2: [1.6, 1.6, 1.6, 1.6, 1.7], 4: [1.5, 1.55, 1.61, 2.39, 3.0], 8: [1.2, 1.9, 2.1, 4.0, 6.0]}
    cells = pd.concat([make_cells(curves, ratio=0.1), make_cells(curves, ratio=0.2)], ignore_index=True)
    result = json.loads(json.dumps(run(cells), allow_nan=False))
    assert [part["compression_ratio"] for part in result["ratios"]] == [0.1, 0.2]
    part = result["ratios"][0]
    assert part["nll_compressed"] == 2.0
    assert [block["censored"] for block in part["blocks"]] == ["above", None, None]
    assert [block["block_dim"] for block in part["blocks"]] == [2, 4, 8]
    critical = 0.3 * (1 / 0.3) ** (np.log(50 / 11) / np.log(89 / 11))
    assert part["blocks"][1]["lambda_c"] == pytest.approx(critical, rel=1e-3)
    low, high = part["blocks"][1]["ci95"]  # losses are the same in all documents: only the axis leaves something open
    assert 0.75 * critical < low < critical < high < 1.25 * critical
    assert part["blocks"][1]["bracket"] == [0.3, 1.0]
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
    assert run(cells)["ratios"][0]["blocks"][0]["lambda_c"] == pytest.approx(CROSSING, rel=1e-3)
    table = average_seeds(cells)
    assert table["seeds"].tolist() == [2] * 5
    np.testing.assert_allclose(table["perplexity"], np.exp(table["nll"]))


def test_seeds_may_have_been_refined_apart():
    """Each seed's axis has scales of its own; the mean curve is that of the seeds' interpolated curves."""
    exponent, other = 1.2, np.array([0, 0.1, 0.3, 0.55, 1.0])
    one = make_cells({4: 1.5 + 0.5 * AXIS**exponent}, seeds=(0,))
    two = make_cells({4: 1.5 + 0.5 * (2 * other) ** exponent}, seeds=(1,), axis=other)
    part = run(pd.concat([one, two], ignore_index=True))["ratios"][0]
    block = part["blocks"][0]
    assert block["seeds"] == 2
    assert block["lambda_c"] == pytest.approx((2 / (1 + 2**exponent)) ** (1 / exponent), rel=2e-3)
    assert block["bracket"] == [0.55, 1.0]
    assert [entry["noise_scale"] for entry in part["best_block"]] == [0, 0.1, 0.3, 0.55, 1.0]


def test_the_spread_over_seeds_is_part_of_the_interval():
    alone = run(make_cells({4: [1.5, 1.55, 1.65, 2.4, 3.0]}), bootstrap=400)["ratios"][0]["blocks"][0]
    seeds = [
        make_cells({4: np.array([1.5, 1.55, 1.65, 2.4, 3.0]) + by}, seeds=(s,)) for s, by in enumerate((-0.1, 0, 0.1))
    ]
    three = run(pd.concat(seeds, ignore_index=True), bootstrap=400)["ratios"][0]["blocks"][0]
    assert three["gain"] == pytest.approx(alone["gain"])
    assert alone["gain_ci95"] == pytest.approx([0.5, 0.5])
    low, high = three["gain_ci95"]  # Student's t of two degrees of freedom, widened for two documents
    assert high - low > 2 * 4.3 * 0.1 / np.sqrt(3)


def test_the_best_block_comes_with_what_the_data_do_not_exclude():
    rng = np.random.default_rng(0)
    cells = make_cells({2: [1.5, 1.5, 1.6, 1.7, 1.9], 4: [1.4, 1.504, 1.7, 2.5, 4.0]})
    losses = flat(cells, 60) + rng.normal(scale=0.02, size=(len(cells), 60))
    cells["nll"] = losses.mean(axis=1)
    result = transition(cells, losses, np.arange(60) // 3, {0.1: np.full(60, 2.0)}, nll_uncompressed=1.0)
    best = {entry["noise_scale"]: entry for entry in result["ratios"][0]["best_block"]}
    assert best[0.0]["ci95"] == [4]
    assert best[0.1]["ci95"] == [2, 4]  # 0.004 nats apart, with a standard error as large
    assert sum(best[0.1]["support"].values()) == pytest.approx(1)
    assert best[3.0]["ci95"] == [2]


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
    assert json.loads(json.dumps(result, allow_nan=False)) == result  # which NaN would fail
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
        ((cells, losses, documents, {0.2: np.full(4, 2.0)}), "no losses of the compressed model"),
        ((cells[1:], losses[1:], documents, compressed), "must start at 0"),
        ((cells.assign(seed=0), losses, documents, compressed), "each given once"),
        ((cells[cells["noise_scale"] > 0], losses[cells["noise_scale"] > 0], documents, compressed), "start at 0"),
        ((cells.assign(readout="ideal_sign"), losses, documents, compressed), "there are: ideal_sign"),
        ((cells.assign(layout=["a", "b"] * 5), losses, documents, compressed), "mix layout"),
    ]:
        with pytest.raises(CayleyError, match=message):
            transition(*wrong, **known)


def test_the_bootstrap_repeats():
    rng = np.random.default_rng(0)
    cells = make_cells({4: [1.5, 1.6, 1.7, 2.4, 3.0]})
    losses = flat(cells, 60) + rng.normal(scale=1e-2, size=(1, 60))
    arguments = (cells, losses, np.arange(60) // 6, {0.1: rng.normal(2, 0.1, 60)})
    first, second, third = (transition(*arguments, nll_uncompressed=1.0, seed=seed) for seed in (3, 3, 4))
    assert first == second
    assert first["ratios"][0]["blocks"][0]["ci95"] != third["ratios"][0]["blocks"][0]["ci95"]


def test_every_cell_has_its_uncertainty_from_documents_shots_and_seeds():
    rng = np.random.default_rng(0)
    parts = [make_cells({4: np.array([1.5, 1.55, 1.65, 2.4, 3.0]) + by}, seeds=(s,)) for s, by in ((0, 0.0), (1, 0.02))]
    cells = pd.concat(parts, ignore_index=True).assign(nll_se_shots=0.003)
    losses = flat(cells, 90) + rng.normal(scale=0.3, size=(1, 90))
    cells["nll"] = losses.mean(axis=1)
    result = transition(cells, losses, np.arange(90) // 3, {0.1: rng.normal(2, 0.1, 90)}, nll_uncompressed=1.0)
    level = result["ratios"][0]["nll_compressed"]
    for entry in result["ratios"][0]["recovery_nll"]:
        of_cell = cells[cells["noise_scale"] == entry["noise_scale"]]["nll"]
        assert entry["nll_difference"] == pytest.approx(of_cell.mean() - level)
        low, high = entry["nll_difference_ci95"]
        assert low < entry["nll_difference"] < high
        assert entry["nll_se_shots"] == pytest.approx(0.003 / np.sqrt(2))
        assert entry["nll_se_seeds"] == pytest.approx(0.01, rel=1e-4)  # losses are kept as float32


@pytest.mark.parametrize(("documents", "rivals"), [(8, 2), (8, 4), (23, 4)])
def test_the_best_blocks_set_holds_the_best(documents, rivals):
    """Blocks as good as each other to within 1e-4 nats, the hardest case: the best is in the set 95 times of 100."""
    rng, held = np.random.default_rng(0), []
    for _ in range(600):
        means = 2.0 + 1e-4 * np.arange(rivals)
        losses = means[:, None] + rng.normal(scale=0.05, size=(rivals, documents))
        draws = bootstrap_means(losses, np.arange(documents), 300, rng)
        held.append(0 in not_excluded(np.concatenate([losses.mean(axis=1, keepdims=True), draws], axis=1), documents))
    assert np.mean(held) >= 0.93


def test_a_block_that_is_clearly_worse_is_excluded():
    rng = np.random.default_rng(0)
    losses = np.array([[2.0], [2.1], [np.inf]]) + rng.normal(scale=0.05, size=(3, 20))
    draws = bootstrap_means(losses, np.arange(20), 300, rng)
    assert not_excluded(np.concatenate([losses.mean(axis=1, keepdims=True), draws], axis=1), 20) == [0]


def test_a_seed_whose_loss_is_without_bound_is_not_the_best():
    curves = [{2: [1.5] * 5, 4: [1.4, 1.5, 1.7, 2.5, last]} for last in (np.inf, 3.0)]
    result = run(pd.concat([make_cells(c, seeds=(s,)) for s, c in enumerate(curves)], ignore_index=True))
    last = result["ratios"][0]["best_block"][-1]
    assert (last["noise_scale"], last["block_dim"], last["ci95"]) == (3.0, 2, [2])


def test_an_interval_that_reaches_beyond_the_axis_is_open():
    rng = np.random.default_rng(0)
    hurt = 1 + 0.4 * rng.standard_normal(30)

    def block(crossing):
        cells = make_cells({4: 1.5 + 0.5 * AXIS / crossing})
        losses = 1.5 + np.outer(0.5 * AXIS / crossing, hurt / hurt.mean())
        compressed = {0.1: np.full(30, 2.0)}
        return transition(cells, losses, np.arange(30), compressed, nll_uncompressed=1.0)["ratios"][0]["blocks"][0]

    near = block(2.9)  # the axis ends at 3
    assert near["censored"] is None
    assert near["ci95"][0] < 2.9
    assert near["ci95"][1] is None
    far = block(30.0)
    assert (far["censored"], far["lambda_c"], far["ci95"]) == ("above", 3.0, [3.0, None])
    early = block(0.02)
    assert (early["censored"], early["lambda_c"]) == ("below", 0.1)
    assert early["ci95"] == [0.0, 0.1]


def test_every_cell_has_its_cost_and_every_number_its_unit():
    result = run(make_cells({4: [1.5, 1.55, 1.65, 2.4, 3.0]}))
    assert [entry["cost"] for entry in result["ratios"][0]["recovery_nll"]] == pytest.approx([0, 0.05, 0.15, 0.9, 1.5])
    for name in (
        "lambda_c",
        "gain",
        "crossover_decades",
        "cost",
        "nll_difference",
        "nll_se_shots",
        "affordable_budget",
    ):
        assert name in result["units"]
