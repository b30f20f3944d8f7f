"""Width pruning: least squares against brute force, and a model that is what it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods.width import prune_inputs
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.compression.widths import ATTENTION, MLP

ALL = (*ATTENTION, *MLP)


def problem(seed: int, out: int = 5, inputs: int = 6, tokens: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight, and inputs that depend on each other."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(inputs, tokens, generator=generator, dtype=torch.float64)
    mixed = torch.randn(inputs, inputs, generator=generator, dtype=torch.float64) @ x
    return torch.randn(out, inputs, generator=generator, dtype=torch.float64), mixed


def least(weight: torch.Tensor, x: torch.Tensor, kept: list[int]) -> tuple[torch.Tensor, float]:
    """The best weights for some inputs, by NumPy, and what they leave."""
    solved = np.linalg.lstsq(x[kept].T.numpy(), (weight @ x).T.numpy(), rcond=None)[0].T
    rest = float((weight @ x - torch.from_numpy(solved) @ x[kept]).square().sum() / (weight @ x).square().sum())
    return torch.from_numpy(solved), rest


@given(seed=st.integers(0, 1000), remove=st.integers(1, 5))
def test_what_stays_is_solved_by_least_squares(seed, remove):
    weight, x = problem(seed)
    pruned = prune_inputs(weight, x @ x.T, remove, ridge=0.0)
    assert len(pruned.kept) == 6 - remove
    solved, rest = least(weight, x, pruned.kept.tolist())
    torch.testing.assert_close(pruned.weight, solved, rtol=1e-6, atol=1e-8)
    assert pruned.errors[-1] == pytest.approx(rest, rel=1e-6, abs=1e-12)
    assert (np.diff(pruned.errors) >= -1e-12).all()


@given(seed=st.integers(0, 1000))
def test_the_first_to_go_is_the_one_that_costs_least(seed):
    weight, x = problem(seed)
    pruned = prune_inputs(weight, x @ x.T, 1, ridge=0.0)
    every = [least(weight, x, [k for k in range(6) if k != gone])[1] for gone in range(6)]
    assert pruned.errors[-1] == pytest.approx(min(every), rel=1e-6, abs=1e-12)
    grouped = prune_inputs(weight, x @ x.T, 1, ridge=0.0, group=2)
    pairs = [least(weight, x, [k for k in range(6) if k // 2 != gone])[1] for gone in range(3)]
    assert grouped.errors[-1] == pytest.approx(min(pairs), rel=1e-6, abs=1e-12)


def test_greedy_choices_are_near_the_best_of_all():
    found = []
    for seed in range(20):
        weight, x = problem(seed)
        best = min(least(weight, x, list(kept))[1] for kept in itertools.combinations(range(6), 3))
        found.append(prune_inputs(weight, x @ x.T, 3, ridge=0.0).errors[-1] / best)
    assert min(found) == pytest.approx(1, rel=1e-6)
    assert np.median(found) < 1.2


@pytest.mark.parametrize("kind", ["dead", "repeated", "zero", "massive"])
def test_inputs_that_say_little_are_no_obstacle(kind):
    weight, x = problem(0)
    if kind == "dead":
        x[3:] = 0
    elif kind == "repeated":
        x[:] = x[:, :1]
    elif kind == "zero":
        x *= 0
    else:
        x[0] *= 1e4
    pruned = prune_inputs(weight, x @ x.T, 3, ridge=0.0)
    assert torch.isfinite(pruned.weight).all()
    output = weight @ x
    rest = float((output - pruned.weight @ x[pruned.kept]).square().sum())
    assert rest <= (1e-6 if kind in ("dead", "repeated", "zero") else 1) * max(float(output.square().sum()), 1e-30)


def test_no_numbers_are_refused():
    weight, x = problem(0)
    x[0, 0] = torch.nan
    with pytest.raises(CayleyError, match="not finite"):
        prune_inputs(weight, x @ x.T, 1, ridge=0.0)


def test_nothing_removed_is_the_same_model(tiny_model, tokens):
    before = tiny_model(torch.as_tensor(tokens, dtype=torch.long)).logits
    assert compress(tiny_model, 0.0, tokens=tokens, method="width") == []
    assert tiny_model(torch.as_tensor(tokens, dtype=torch.long)).logits.equal(before)


@pytest.mark.parametrize(("targets", "ratio"), [(MLP, 0.25), (ATTENTION, 0.5), (ALL, 0.375)])
def test_the_model_is_smaller_and_comes_back_to_the_last_digit(targets, ratio, tiny_model, tokens, tmp_path):
    records = compress(tiny_model, ratio, tokens=tokens, method="width", targets=targets)
    before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
    assert 1 - after / before == pytest.approx(ratio, abs=0.005)
    assert all(type(tiny_model.get_submodule(record["projection"])) is torch.nn.Linear for record in records)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "width"})
    ids = torch.as_tensor(tokens, dtype=torch.long)
    assert load_compressed(tmp_path / "model")(ids).logits.equal(tiny_model(ids).logits)


def test_others_load_what_is_alike_in_all_layers(tiny_model, tokens, tmp_path):
    from transformers import AutoModelForCausalLM

    records = compress(tiny_model, 0.375, tokens=tokens, method="width", targets=ALL)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "width"})
    plain, ids = AutoModelForCausalLM.from_pretrained(tmp_path / "model"), torch.as_tensor(tokens, dtype=torch.long)
    assert (plain.config.intermediate_size, plain.config.num_key_value_heads) == (40, 1)
    torch.testing.assert_close(plain(ids).logits, tiny_model(ids).logits, rtol=0, atol=0)


def test_half_a_unit_is_refused(tiny_model, tokens):
    with pytest.raises(CayleyError, match="takes all of gate_proj, up_proj, down_proj, or none"):
        compress(tiny_model, 0.25, tokens=tokens, method="width", targets=("down_proj",))


def test_a_ratio_that_leaves_nothing_is_refused(tiny_model, tokens):
    with pytest.raises(CayleyError, match="leaves no 8 of 64 neurons"):
        compress(tiny_model, 0.97, tokens=tokens, method="width")
