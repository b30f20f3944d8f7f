"""Numbers and differences of maps whose losses are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from compared_maps import AXIS, LEVEL, made_map, renamed

from cayley_adapters.analysis.comparison import REPLICATES, compare_maps
from cayley_adapters.analysis.maps import differing_keys, labels_of, shared_scales
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.report.captions.comparison import comparison_notes, comparison_text


@pytest.fixture(scope="module")
def weak():
    return made_map("weak")


@pytest.fixture(scope="module")
def strong():
    return made_map("strong", 2.0, draw=2, config={"noise": {"backend": "FakeBoston"}})


@pytest.fixture(scope="module")
def found(weak, strong):
    return compare_maps([weak, strong])


def row_of(found, quantity, d=4, scale=None, name=None):
    table = found.differences
    chosen = (table["quantity"] == quantity) & (table["block_dim"] == d)
    if scale is not None:
        chosen &= table["noise_scale"] == scale
    if name is not None:
        chosen &= table["map"] == name
    [row] = table[chosen].to_dict("records")
    return row


@pytest.mark.parametrize(
    "options",
    [{}, {"seeds": (0, 1, 2)}, {"readout": "characterised"}, {"readout": "characterised", "seeds": (0, 1)}],
    ids=str,
)
def test_a_map_differs_from_itself_by_nothing(options):
    """Also where seeds, shots and what lies between noise scales are drawn: the draws are then the same."""
    one = made_map("one", **options)
    table = compare_maps([one, renamed(one, "again")]).differences
    expected = np.where(table["quantity"] == "lambda_c_ratio", 1.0, 0.0)
    for column in ("estimate", "ci95_low", "ci95_high"):
        np.testing.assert_array_equal(table[column], expected)
    assert table["p"].isna().all()  # there is nothing to test
    assert set(table["comparisons"]) == {0}


def test_to_exchange_the_maps_turns_the_signs(weak, strong, found):
    back = compare_maps([weak, strong], reference="strong").differences
    ahead = found.differences
    assert set(back["map"]) == {"weak"}
    additive = (ahead["quantity"] != "lambda_c_ratio").to_numpy()
    ends = ["estimate", "ci95_low", "ci95_high"]
    turned = back[["estimate", "ci95_high", "ci95_low"]].to_numpy(float)
    np.testing.assert_allclose(ahead.loc[additive, ends].to_numpy(float), -turned[additive], rtol=1e-12)
    np.testing.assert_allclose(ahead.loc[~additive, ends].to_numpy(float), 1 / turned[~additive], rtol=1e-12)
    np.testing.assert_allclose(ahead["p"].to_numpy(float), back["p"].to_numpy(float), rtol=1e-9)


def test_differences_are_those_of_the_losses(weak, strong, found):
    for d in (2, 4):
        for scale in AXIS:
            rows = [
                one.evaluations.losses[((one.cells["block_dim"] == d) & (one.cells["noise_scale"] == scale)).to_numpy()]
                for one in (strong, weak)
            ]
            expected = rows[0].astype(float).mean() - rows[1].astype(float).mean()
            assert row_of(found, "nll_difference", d, scale)["estimate"] == pytest.approx(expected, abs=1e-12)
        # The compressed model is the same: what is gained less is what is lost without noise.
        at_zero = row_of(found, "nll_difference", d, 0.0)
        assert row_of(found, "gain_difference", d)["estimate"] == pytest.approx(-at_zero["estimate"], abs=1e-12)
        # The cost is proportional to λ and twice as high.
        assert row_of(found, "lambda_c_ratio", d)["estimate"] == pytest.approx(0.5, rel=0.05)


def test_intervals_are_those_of_whole_documents_drawn_one_by_one(weak, strong, found):
    rows = [(one.cells["block_dim"] == 4) & (one.cells["noise_scale"] == 1.0) for one in (weak, strong)]
    first, second = (
        one.evaluations.losses[row.to_numpy()][0].astype(float) for one, row in zip((weak, strong), rows, strict=True)
    )
    names, rng = np.unique(weak.documents), np.random.default_rng(99)
    tokens = [np.flatnonzero(weak.documents == name) for name in names]
    drawn = []
    for _ in range(4000):
        chosen = np.concatenate([tokens[place] for place in rng.integers(len(names), size=len(names))])
        drawn.append(second[chosen].mean() - first[chosen].mean())
    from scipy import stats

    reach = stats.t.ppf(0.975, len(names) - 1) * np.sqrt(len(names) / (len(names) - 1))
    expected = np.quantile(drawn, stats.norm.cdf([-reach, reach]))
    row = row_of(found, "nll_difference", 4, 1.0)
    length = expected[1] - expected[0]
    assert row["ci95_low"] == pytest.approx(expected[0], abs=0.08 * length)
    assert row["ci95_high"] == pytest.approx(expected[1], abs=0.08 * length)


def test_pairing_makes_intervals_shorter_than_the_maps_alone_would(weak, strong, found):
    """What documents have in common is no part of a difference."""
    row = row_of(found, "nll_difference", 4, 0.0)
    alone = weak.evaluations.losses[((weak.cells["block_dim"] == 4) & (weak.cells["noise_scale"] == 0)).to_numpy()][0]
    spread = pd.Series(alone).groupby(weak.documents).mean().std() / np.sqrt(len(np.unique(weak.documents)))
    assert row["ci95_high"] - row["ci95_low"] < 0.5 * 2 * 1.96 * spread


def test_seeds_that_both_maps_have_are_paired():
    """Here a seed moves both maps alike; maps of other seeds have that as part of their difference."""
    one = made_map("one", seeds=(0, 1, 2))
    same = made_map("same", 1.2, seeds=(0, 1, 2), draw=2)
    other = made_map("other", 1.2, seeds=(0, 1, 3), draw=2)
    table = compare_maps([one, same, other]).differences
    rows = table[(table["quantity"] == "gain_difference") & (table["block_dim"] == 4)].set_index("map")
    length = rows["ci95_high"] - rows["ci95_low"]
    assert length["same"] < 0.7 * length["other"]


def test_an_interval_holds_the_truth_as_often_as_it_says():
    """Of maps that differ by chance alone about one interval in twenty misses that they are the same."""
    missed = []
    for number in range(60):
        maps = [made_map(name, draw=2 * number + place, text=number, dims=(4,)) for place, name in enumerate("ab")]
        table = compare_maps(maps, noise_scales=[1.0]).differences.set_index("quantity")
        truth = pd.Series({"nll_difference": 0.0, "gain_difference": 0.0, "lambda_c_ratio": 1.0})
        expected = truth.reindex(table.index)
        missed.append(((table["ci95_low"] > expected) | (table["ci95_high"] < expected)).to_numpy())
    assert np.mean(missed) < 0.1
    assert np.mean(missed) > 0.0


def test_p_values_are_adjusted_for_all_comparisons(found):
    table = found.differences
    tested = table["p"].notna()
    assert set(table["comparisons"]) == {int(tested.sum())} == {2 * (len(AXIS) + 2)}
    order = table[tested].sort_values("p")
    assert order["p_holm"].iloc[0] == pytest.approx(len(order) * order["p"].iloc[0])
    assert order["p_holm"].is_monotonic_increasing
    assert row_of(found, "nll_difference", 4, 3.0)["p_holm"] < 1e-6
    assert REPLICATES >= 1000


def test_critical_noise_beyond_an_axis_leaves_its_ratio_open():
    table = compare_maps([made_map("one"), made_map("quiet", 1e-4), made_map("useless", gain=-0.5)]).differences
    rows = table[(table["quantity"] == "lambda_c_ratio") & (table["block_dim"] == 4)].set_index("map")
    assert rows["estimate"].isna().all()
    assert rows["p"].isna().all()
    assert rows.loc["quiet", "ci95_low"] > 5
    assert np.isnan(rows.loc["quiet", "ci95_high"])
    assert rows.loc["useless", ["ci95_low", "ci95_high"]].tolist() == [0, 0]


def test_the_table_has_every_number_with_controls_and_costs_beside(weak, strong, found):
    table = found.table.set_index(["map", "method", "block_dim"]).sort_index()
    assert len(table) == 2 * (2 + 1 + 2)
    blocks = table.loc["weak", "cayley", 4]
    [known] = [block for block in weak.transition["ratios"][0]["blocks"] if block["block_dim"] == 4]
    assert (blocks["lambda_c"], blocks["lambda_c_low"], blocks["lambda_c_high"]) == (known["lambda_c"], *known["ci95"])
    assert (blocks["two_qubit_gates"], blocks["adapter_parameters"]) == (3.0, 400)
    for scale in AXIS:
        cell = weak.cells[(weak.cells["block_dim"] == 4) & (weak.cells["noise_scale"] == scale)]
        assert blocks[f"perplexity_at_{scale:g}"] == pytest.approx(cell["perplexity"].iloc[0])
    costs = ["training_cpu_seconds", "synthesis_cpu_seconds", "evaluation_cpu_seconds"]
    assert blocks[costs].tolist() == [40.0, 2.0, 7.0]
    lora = table.loc["strong", "lora", 4]
    assert lora["perplexity_at_0"] == pytest.approx(np.exp(LEVEL - 0.4))
    assert lora["training_cpu_seconds"] == 33.0
    assert lora[["lambda_c", "perplexity_at_1", "evaluation_cpu_seconds"]].isna().all()
    assert lora["gain"] == pytest.approx(strong.transition["ratios"][0]["nll_compressed"] - LEVEL + 0.4)
    assert found.table["noise.backend"].tolist() == ["FakeFez"] * 5 + ["FakeBoston"] * 5


def test_settings_that_say_nothing_of_the_measurement_do_not_differ(weak):
    named = {"run": "b", "variant": "v", "title": "t", "experiment": "e", "store": "s", "track.mode": "online"}
    other = renamed(weak, "other", **named, **{"train.steps": 5, "train.layers": None})
    assert differing_keys([weak, other]) == {"train.steps": [3, 5]}


def test_titles_are_shown_where_there_are_any_that_tell_maps_apart(weak):
    titled = renamed(weak, "b", title="A title")
    assert labels_of([weak, titled]) == {"weak": "weak", "b": "A title"}
    assert labels_of([titled, renamed(titled, "c")]) == {"b": "b", "c": "c"}


def test_at_most_five_shared_noise_scales_and_the_device_as_calibrated_among_them():
    axis = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
    maps = [made_map("a", axis=axis), made_map("b", axis=(*axis, 20.0))]
    chosen = shared_scales(maps)
    assert len(chosen) == 5
    assert {0.1, 1.0, 10.0} <= set(chosen) < set(axis)
    assert shared_scales(maps, [2.0, 0.2]) == [0.2, 2.0]
    assert shared_scales([made_map("a", axis=(0, 2, 4)), made_map("b", axis=(0, 3, 4))]) == [4]


def test_models_with_other_tokens_stand_side_by_side_without_differences(weak):
    llama = made_map("llama", text=7, config={"model": {"name": "llama"}})
    found = compare_maps([weak, llama, made_map("third", 1.5)])
    assert set(found.table["map"]) == {"weak", "llama", "third"}
    assert set(found.differences["map"]) == {"third"}
    assert "different tokens" in found.unpaired["llama"]


def test_maps_without_a_block_in_common_have_no_differences(weak):
    found = compare_maps([weak, made_map("large", dims=(8,))])
    assert found.differences.empty
    assert set(found.table["block_dim"].dropna()) == {2, 4, 8}


@pytest.mark.parametrize(
    ("other", "options", "message"),
    [
        ({"text": 3}, {}, "the test texts differ (weak has 320 tokens"),
        ({"text": 3, "config": {"data": {"source": "wikitext2"}}}, {}, "since data.source differ"),
        ({"text": 3, "config": {"model": {"name": "x"}, "evaluate": {"windows": 9}}}, {}, "since evaluate.windows"),
        ({"axis": (0.0, 0.5, 2.0)}, {}, "share no noise scale above 0: weak has 0, 0.3, 1, 3, 10; b has 0, 0.5, 2"),
        ({}, {"noise_scales": [0.7]}, "--noise-scale 0.7: not all maps have it; above 0 all have 0.3, 1, 3, 10"),
        ({}, {"reference": "waek"}, "did you mean 'weak'?"),
    ],
)
def test_what_cannot_be_compared_is_refused(weak, other, options, message):
    with pytest.raises(CayleyError) as caught:
        compare_maps([weak, made_map("b", **other)], **options)
    assert message in str(caught.value)


def test_one_map_or_two_of_one_name_are_refused(weak):
    with pytest.raises(CayleyError, match="one map has nothing to be compared with"):
        compare_maps([weak])
    with pytest.raises(CayleyError, match="two maps are called weak"):
        compare_maps([weak, weak])


def test_one_document_gives_differences_without_intervals():
    found = compare_maps([made_map("a", documents=1), made_map("b", 2.0, documents=1)])
    assert found.clusters == 1
    assert found.differences["estimate"].notna().all()
    assert found.differences[["ci95_low", "ci95_high", "p", "p_holm"]].isna().all(axis=None)
    assert "cannot be resampled: no intervals" in comparison_text(found)


def test_the_notes_state_what_was_computed(found):
    text = " ".join(comparison_notes(found))
    real = int((found.differences["p_holm"] < 0.05).sum())
    assert "Settings that differ between weak and strong: noise.backend (FakeFez, FakeBoston)." in text
    assert f"p-values are Holm's for all {2 * (len(AXIS) + 2)} comparisons, of which {real} are below 0.05" in text
    assert "the same 24 test documents: intervals 95 %, each alone, from 2,000 paired draws" in text
    assert "The largest change of λ_c among them: strong" in text
