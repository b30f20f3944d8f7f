"""Ratio arithmetic, optimality on the calibration data, and that saved models are the same models."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.compression import (
    FactoredLinear,
    compress,
    load_compressed,
    rank_for,
    save_compressed,
    whitened_factors,
)
from cayley_adapters.errors import CayleyError

MLP = ("gate_proj", "up_proj", "down_proj")


@given(st.integers(8, 3000), st.integers(8, 3000), st.floats(0.0, 0.7))
def test_the_ratio_is_met_from_above(inputs, outputs, ratio):
    rank = rank_for(inputs, outputs, ratio)
    kept = rank * (inputs + outputs) / (inputs * outputs)
    assert kept <= 1 - ratio + 1e-6
    assert kept + (inputs + outputs) / (inputs * outputs) > 1 - ratio


def test_impossible_ratio_names_the_largest():
    with pytest.raises(CayleyError, match="use at most"):
        rank_for(8, 8, 0.9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([(6, 9), (9, 6), (7, 7)]), st.integers(1, 5))
def test_truncation_is_optimal_for_its_calibration_data(seed, shape, rank):
    """Against brute force: the truncated SVD of W·L, with G = L Lᵀ, has the least ‖(W − W')X‖."""
    generator = torch.manual_seed(seed)
    w = torch.randn(*shape, dtype=torch.float64, generator=generator)
    x = torch.randn(shape[1], 40, dtype=torch.float64, generator=generator)
    data = x if shape[1] < shape[0] else w @ x
    up, down, error = whitened_factors(w, data @ data.T, rank, ridge=0.0)
    left = torch.linalg.cholesky(x @ x.T)
    u, s, vh = torch.linalg.svd(w @ left, full_matrices=False)
    best = (u[:, :rank] * s[:rank]) @ vh[:rank] @ torch.linalg.inv(left)
    achieved = torch.linalg.norm((w - up @ down) @ x)
    assert achieved <= torch.linalg.norm((w - best) @ x) * (1 + 1e-8)
    assert error == pytest.approx(float(achieved / torch.linalg.norm(w @ x)), abs=1e-6)


def test_full_rank_reproduces_the_layer():
    w, x = torch.randn(6, 10), torch.randn(10, 50)
    up, down, error = whitened_factors(w, w @ x @ x.T @ w.T, 6, ridge=1e-4)
    assert torch.allclose(up @ down, w, atol=1e-5)
    assert error < 1e-6


def test_weights_that_are_not_finite_are_refused():
    w = torch.full((4, 4), float("nan"))
    with pytest.raises(CayleyError, match="not finite"):
        whitened_factors(w, torch.eye(4), 2, 0.0)


def test_compressing_is_better_than_truncating_blindly(tiny_model, tiny_folder, tokens):
    """Whitened factors reproduce the layer's outputs better than a plain SVD of the same rank."""
    weight = tiny_model.model.layers[0].mlp.up_proj.weight.clone()
    inputs = []
    handle = tiny_model.model.layers[0].mlp.up_proj.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    tiny_model(torch.as_tensor(tokens, dtype=torch.long))
    handle.remove()
    records = compress(tiny_model, 0.4, tokens=tokens)
    factored = tiny_model.model.layers[0].mlp.up_proj
    assert isinstance(factored, FactoredLinear)
    x = inputs[0].flatten(0, -2).T
    u, s, vh = torch.linalg.svd(weight, full_matrices=False)
    naive = (u[:, : factored.rank] * s[: factored.rank]) @ vh[: factored.rank]
    assert torch.linalg.norm((weight - factored.weight) @ x) < torch.linalg.norm((weight - naive) @ x)
    removed = 1 - sum(r["parameters_after"] for r in records) / sum(r["parameters_before"] for r in records)
    assert 0.4 <= removed < 0.45
    assert [r["projection"].rsplit(".", 1)[-1] for r in records] == list(MLP) * 2


def test_saved_and_loaded_models_give_identical_logits(tiny_model, tokens, tmp_path):
    x = torch.as_tensor(tokens, dtype=torch.long)
    size = sum(p.numel() for p in tiny_model.parameters())
    records = compress(tiny_model, 0.3, tokens=tokens, batch_windows=4)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "whitened_svd"})
    loaded = load_compressed(tmp_path / "model")
    assert torch.equal(loaded(x).logits, tiny_model(x).logits)
    assert sum(p.numel() for p in loaded.parameters()) < size
    assert not any(p.requires_grad for p in loaded.parameters())


def test_ratio_zero_is_the_uncompressed_model(tiny_model, tiny_folder, tokens, tmp_path):
    x = torch.as_tensor(tokens, dtype=torch.long)
    before = tiny_model(x).logits
    save_compressed(tiny_model, tmp_path / "model", compress(tiny_model, 0, tokens=tokens), {"method": "whitened_svd"})
    assert torch.equal(load_compressed(tmp_path / "model")(x).logits, before)


def test_a_damaged_folder_says_how_to_make_it_again(tiny_model, tokens, tmp_path):
    records = compress(tiny_model, 0.3, tokens=tokens)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "whitened_svd"})
    description = json.loads((tmp_path / "model" / "compression.json").read_text())
    description["projections"][0]["rank"] += 1
    (tmp_path / "model" / "compression.json").write_text(json.dumps(description))
    with pytest.raises(CayleyError, match="cayley compress"):
        load_compressed(tmp_path / "model")


def test_unknown_projection_is_refused(tiny_model, tokens):
    with pytest.raises(CayleyError, match="fc1"):
        compress(tiny_model, 0.3, tokens=tokens, targets=("fc1",))
