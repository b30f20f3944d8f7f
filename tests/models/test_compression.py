"""Ratio arithmetic, optimality on the calibration data, and that saved models are the same models."""

from __future__ import annotations

import gc
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.allocation import shares_by_sensitivity
from cayley_adapters.models.compression.factored import FactoredLinear, factored_parameters, factored_rank
from cayley_adapters.models.compression.methods import METHODS, method_named
from cayley_adapters.models.compression.methods.whitened_svd import whitened_factors, whitened_spectrum
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed

MLP = ("gate_proj", "up_proj", "down_proj")
ALONE = [entry.name for entry in METHODS.values() if not entry.structured]
"""Methods that replace one projection at a time."""


@given(st.integers(8, 3000), st.integers(8, 3000), st.floats(0.0, 0.7))
def test_the_ratio_is_met_from_above(inputs, outputs, ratio):
    budget = (1 - ratio) * inputs * outputs
    rank = factored_rank(inputs, outputs, budget)
    assert factored_parameters(inputs, outputs, rank) <= budget * (1 + 1e-6)
    assert rank == min(inputs, outputs) or factored_parameters(inputs, outputs, rank + 1) > budget * (1 - 1e-6)


@pytest.mark.parametrize("method", ALONE)
@pytest.mark.parametrize("ratio", [0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize(("inputs", "outputs"), [(576, 1536), (1536, 576), (4096, 14336), (2048, 8192)])
def test_every_method_meets_the_ratio_of_real_projections(method, ratio, inputs, outputs):
    how = method_named(method)
    kept = how.parameters(inputs, outputs, how.size(inputs, outputs, (1 - ratio) * inputs * outputs))
    assert 0 <= 1 - kept / (inputs * outputs) - ratio < 0.01


@pytest.mark.parametrize("method", ALONE)
def test_an_impossible_ratio_names_the_projection_and_the_largest(tiny_model, tokens, method):
    with pytest.raises(CayleyError, match=r"layers\.0\.mlp\.gate_proj: compression ratio 0\.995.*at most 0\.\d+"):
        compress(tiny_model, 0.995, tokens=tokens, method=method)


def test_methods_are_modules():
    assert list(METHODS) == ["mpo", "mpo_plain", "svd", "whitened_svd", "width"]
    with pytest.raises(CayleyError, match=r"did you mean 'svd'.*known: mpo, mpo_plain, svd, whitened_svd, width"):
        method_named("sdv")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 12), st.data())
def test_the_pivoted_factors_are_the_product(seed, inputs, outputs, data):
    rank = data.draw(st.integers(1, min(inputs, outputs)))
    generator = torch.manual_seed(seed)
    up = torch.linalg.qr(torch.randn(outputs, rank, dtype=torch.float64, generator=generator)).Q
    down = torch.randn(rank, inputs, dtype=torch.float64, generator=generator)
    bias = torch.randn(outputs, generator=generator)
    layer = FactoredLinear.from_factors(up, down, bias)
    x = torch.randn(5, inputs, generator=generator)
    assert torch.allclose(layer(x), x @ (up @ down).float().T + bias, atol=1e-4)
    assert torch.allclose(layer.weight, (up @ down).float(), atol=1e-4)
    stored = sum(p.numel() for p in (layer.down.weight, layer.rest))
    assert stored == factored_parameters(inputs, outputs, rank)


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


@pytest.mark.parametrize("method", ALONE)
@pytest.mark.parametrize(("inputs", "outputs"), [(24, 60), (60, 24), (36, 36)])
def test_full_size_reproduces_the_layer(method, inputs, outputs):
    linear = torch.nn.Linear(inputs, outputs)
    x, how = torch.randn(50, inputs), method_named(method)
    gram = x.T @ x if inputs < outputs or how.of_inputs else (linear(x) - linear.bias).T @ (linear(x) - linear.bias)
    size = how.size(inputs, outputs, 10 * inputs * outputs)
    layer, error = how.fit(linear, gram, size, 1e-6)
    assert torch.allclose(layer(x), linear(x), atol=1e-4)
    assert torch.allclose(layer(x[:1]), linear(x[:1]), atol=1e-4)
    assert torch.allclose(layer.weight, linear.weight, atol=1e-4)
    assert error < 1e-5


def test_plain_mpo_is_the_truncation_across_the_bond():
    """Against the singular values of the rearranged matrix."""
    linear = torch.nn.Linear(24, 60, bias=False)
    layer, _ = method_named("mpo_plain").fit(linear, None, 7, 0.0)
    (o1, i1, _), (_, o2, i2) = layer.first.shape, layer.second.shape
    rearranged = linear.weight.detach().reshape(o1, o2, i1, i2).permute(0, 2, 1, 3).reshape(o1 * i1, o2 * i2)
    tail = torch.linalg.svdvals(rearranged.double())[7:].square().sum()
    assert float((layer.weight - linear.weight).square().sum()) == pytest.approx(float(tail), rel=1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), [(9, 14), (14, 9)])
def test_the_spectrum_is_that_of_the_whitened_weight(inputs, outputs):
    w, x = torch.randn(outputs, inputs, dtype=torch.float64), torch.randn(inputs, 60, dtype=torch.float64)
    data = x if inputs < outputs else w @ x
    expected = torch.linalg.svdvals(w @ torch.linalg.cholesky(x @ x.T)).square()
    found = torch.as_tensor(whitened_spectrum(w, data @ data.T))[: len(expected)]
    assert torch.allclose(found, expected, rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(0.3, 0.95))
def test_sensitive_shares_keep_to_the_budget_and_favour_what_matters(seed, kept):
    rng = np.random.default_rng(seed)
    spectra = {name: np.sort(rng.exponential(size=20))[::-1] for name in "abc"}
    sizes, budget = dict.fromkeys("abc", (20, 50)), kept * 3 * 1000
    wide, narrow = dict.fromkeys("abc", (1, 20)), dict.fromkeys("abc", (3, 18))
    ranks = shares_by_sensitivity(spectra, {"a": 1, "b": 1, "c": 50}, sizes, wide, budget, factored_parameters)
    assert sum(factored_parameters(20, 50, rank) for rank in ranks.values()) <= budget
    same, costs = dict.fromkeys("abc", spectra["a"]), {"a": 1, "b": 2, "c": 50}
    ranks = shares_by_sensitivity(same, costs, sizes, wide, budget, factored_parameters)
    assert ranks["a"] <= ranks["b"] <= ranks["c"]
    ranks = shares_by_sensitivity(same, costs, sizes, narrow, budget, factored_parameters)
    assert all(3 <= rank <= 18 for rank in ranks.values())


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
    naive = load_model(tiny_folder)
    records = compress(tiny_model, 0.4, tokens=tokens)
    compress(naive, 0.4, method="svd")
    x = inputs[0].flatten(0, -2).T
    errors = [torch.linalg.norm((weight - m.model.layers[0].mlp.up_proj.weight) @ x) for m in (tiny_model, naive)]
    assert errors[0] < errors[1]
    assert float(errors[0] / torch.linalg.norm(weight @ x)) == pytest.approx(records[1]["relative_error"], rel=1e-2)
    removed = 1 - sum(r["parameters_after"] for r in records) / sum(r["parameters_before"] for r in records)
    assert 0.4 <= removed < 0.45
    assert [r["projection"].rsplit(".", 1)[-1] for r in records] == list(MLP) * 2


@pytest.mark.parametrize("method", METHODS)
def test_saved_and_loaded_models_give_identical_logits(tiny_model, tiny_folder, tokens, tmp_path, method):
    x = torch.as_tensor(tokens, dtype=torch.long)
    size = sum(p.numel() for p in tiny_model.parameters())
    records = compress(tiny_model, 0.3, tokens=tokens, batch_windows=4, method=method)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": method}, tiny_folder)
    loaded = load_compressed(tmp_path / "model")
    assert torch.equal(loaded(x).logits, tiny_model(x).logits)
    removed = sum(record["parameters_before"] - record["parameters_after"] for record in records)
    assert size - sum(p.numel() for p in loaded.parameters()) == removed > 0
    assert not any(p.requires_grad for p in loaded.parameters())
    shrunk = sum(file.stat().st_size for file in tiny_folder.glob("*.safetensors"))
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < shrunk
    assert (tmp_path / "model" / "tokenizer.json").exists()


@pytest.mark.parametrize("method", ["svd", "mpo_plain"])
def test_the_product_of_a_compressed_projection_cannot_be_written(tiny_model, method):
    compress(tiny_model, 0.3, method=method)
    layer = tiny_model.model.layers[0].mlp.up_proj
    w, before = layer.weight, layer.weight.clone()
    writes = (
        lambda: w.add_(1),
        lambda: w.__setitem__(0, 1.0),
        lambda: w[1:].mul_(2),
        lambda: w.data.copy_(w + 1),
        lambda: w.chunk(2)[1].zero_(),
        lambda: torch.add(before, 1, out=w),
        lambda: setattr(w, "data", before),
        lambda: w.__iadd__(1),
    )
    for write in writes:
        with pytest.raises(CayleyError, match="keep the adapter"):
            write()
    assert torch.equal(layer.weight, before)
    w.requires_grad = False
    assert type(w + 1) is type(torch.linalg.svd(w)[0]) is torch.Tensor
    assert torch.equal(torch.nn.functional.linear(input=torch.eye(w.shape[1]), weight=w), before.T)
    assert float(w[0, 0]) == float(before[0, 0])


@pytest.mark.parametrize("method", ["svd", "mpo_plain"])
def test_the_error_without_calibration_is_that_of_the_weights(tiny_model, tiny_folder, method):
    dense = load_model(tiny_folder)
    for record in compress(tiny_model, 0.3, method=method):
        weight, smaller = (m.get_submodule(record["projection"]).weight for m in (dense, tiny_model))
        assert record["relative_error"] == pytest.approx(float((weight - smaller).norm() / weight.norm()), rel=1e-4)


def test_only_one_layers_statistics_are_held_at_a_time(tiny_model, tokens, monkeypatch):
    """Gram matrices are float64 and square: count those alive whenever one more is used."""
    how, alive = method_named("whitened_svd"), []

    def count() -> int:
        tensors = [item for item in gc.get_objects() if type(item) is torch.Tensor]
        return sum(t.dtype == torch.float64 and t.ndim == 2 and t.shape[0] == t.shape[1] for t in tensors)

    def counted(linear, gram, size, ridge):
        alive.append(count())
        return type(how).fit(how, linear, gram, size, ridge)

    before = count()
    monkeypatch.setattr(how, "fit", counted, raising=False)
    compress(tiny_model, 0.3, tokens=tokens)
    assert len(alive) == 6
    assert 1 <= max(alive) - before <= len(MLP)


def test_sensitivity_keeps_the_budget_and_moves_it(tiny_model, tiny_folder, tokens):
    uniform = compress(load_model(tiny_folder), 0.3, tokens=tokens)
    moved = compress(tiny_model, 0.3, tokens=tokens, allocation="sensitivity")
    after = [sum(record["parameters_after"] for record in records) for records in (uniform, moved)]
    before = sum(record["parameters_before"] for record in moved)
    assert after[1] <= 0.7 * before
    assert after[1] > 0.95 * after[0]
    assert [r["size"] for r in uniform] != [r["size"] for r in moved]
    assert {type(tiny_model.get_submodule(r["projection"])).__name__ for r in moved} == {"FactoredLinear"}
    assert [tiny_model.get_submodule(r["projection"]).rank for r in moved] == [r["size"] for r in moved]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "pca"}, "unknown"),
        ({"allocation": "greedy"}, "allocation 'greedy' is unknown"),
        ({"allocation": "sensitivity", "method": "svd"}, "possible with method=mpo or whitened_svd or width"),
        ({"tokens": None}, "give it tokens"),
        ({"ratio": 1.0}, "below 1"),
        ({"ratio": -0.1}, "below 1"),
        ({"targets": ("fc1",)}, "fc1"),
        ({"targets": ("mlp",)}, "LlamaMLP, not a linear projection"),
        ({"tokens": np.arange(1, 50)}, r"shape \(49,\)"),
    ],
)
def test_refused(tiny_model, tokens, options, message):
    arguments = {"ratio": 0.3, "tokens": tokens} | options
    with pytest.raises(CayleyError, match=message):
        compress(tiny_model, arguments.pop("ratio"), **arguments)


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_not_finite_are_refused_by_every_method(tiny_model, tokens, method):
    tiny_model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("inf")
    with pytest.raises(CayleyError, match="not finite"):
        compress(tiny_model, 0.3, tokens=tokens, method=method)


def test_blocks_are_not_merged_into_a_matrix_product(tiny_model, tokens):
    from peft import get_peft_model

    from cayley_adapters.adapters.cayley.config import CayleyConfig

    compress(tiny_model, 0.3, method="mpo_plain")
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=4, target_modules=["up_proj"]))
    assert torch.isfinite(model(torch.as_tensor(tokens, dtype=torch.long)).logits).all()
    with pytest.raises(CayleyError, match=r"MpoLinear.*keep the adapter"):
        model.merge_and_unload()


def test_ratio_zero_is_the_uncompressed_model(tiny_model, tiny_folder, tokens, tmp_path):
    x = torch.as_tensor(tokens, dtype=torch.long)
    before = tiny_model(x).logits
    save_compressed(tiny_model, tmp_path / "model", compress(tiny_model, 0, tokens=tokens), {"method": "whitened_svd"})
    assert torch.equal(load_compressed(tmp_path / "model")(x).logits, before)


def test_a_damaged_folder_says_how_to_make_it_again(tiny_model, tokens, tmp_path):
    records = compress(tiny_model, 0.3, tokens=tokens)
    save_compressed(tiny_model, tmp_path / "model", records, {"method": "whitened_svd"})
    description = json.loads((tmp_path / "model" / "compression.json").read_text())
    description["projections"][0]["size"] += 1
    (tmp_path / "model" / "compression.json").write_text(json.dumps(description))
    with pytest.raises(CayleyError, match="cayley compress"):
        load_compressed(tmp_path / "model")
