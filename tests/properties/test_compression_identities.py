"""Compression: no factors of the same rank are better for the calibration data, and files come out the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cayley_adapters.models.compression.factored import FactoredLinear
from cayley_adapters.models.compression.methods import method_named
from cayley_adapters.models.compression.methods.whitened_svd import whitened_factors
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed


@settings(max_examples=25)
@given(st.integers(0, 999), st.sampled_from([(6, 9), (9, 6), (5, 5)]), st.integers(1, 4), st.floats(1e-4, 1))
def test_no_perturbation_of_the_factors_is_better(seed, shape, rank, size):
    """Eckart and Young in the norm of the calibration data, ‖(W − UD)X‖, and its error is the discarded spectrum."""
    generator = torch.manual_seed(seed)
    w = torch.randn(*shape, dtype=torch.float64, generator=generator)
    x = torch.randn(shape[1], 30, dtype=torch.float64, generator=generator) * torch.arange(1.0, 31.0)
    data = x if shape[1] < shape[0] else w @ x
    up, down, error = whitened_factors(w, data @ data.T, rank, ridge=0.0)
    best = torch.linalg.norm((w - up @ down) @ x)
    for _ in range(5):
        changed = [m + size * torch.randn(m.shape, dtype=m.dtype, generator=generator) for m in (up, down)]
        assert best <= torch.linalg.norm((w - changed[0] @ changed[1]) @ x) * (1 + 1e-9)
        assert best <= torch.linalg.norm((w - changed[0] @ down) @ x) * (1 + 1e-9)
    spectrum = torch.linalg.svdvals(w @ x)
    assert float(best) == pytest.approx(float(spectrum[rank:].norm()), rel=1e-6, abs=1e-7 * float(spectrum[0]))
    assert error == pytest.approx(float(best / torch.linalg.norm(w @ x)), abs=1e-7)


@pytest.mark.parametrize("method", ["mpo", "svd", "whitened_svd"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_compressed_layer_is_its_dense_product(method, bias):
    """At any size, for one token and many, with the promised number of parameters, and so are its gradients."""
    generator = torch.manual_seed(0)
    linear, how = nn.Linear(12, 18, bias=bias), method_named(method)
    x = torch.randn(40, 12, generator=generator)
    for size in (1, 3, 7):
        layer, error = how.fit(linear, x.T @ x, size, 1e-6)
        stored = sum(p.numel() for p in layer.parameters()) - 18 * bias
        assert stored == how.parameters(12, 18, size)
        assert 0 < error < 1
        for tokens in (x[:1], x, x.reshape(2, 4, 5, 12)):
            expected = nn.functional.linear(tokens, layer.product(), layer.bias)
            assert torch.allclose(layer(tokens), expected, atol=1e-5)
        given = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(layer(given).square().sum(), given)
        (wanted,) = torch.autograd.grad(nn.functional.linear(given, layer.product(), layer.bias).square().sum(), given)
        assert torch.allclose(found, wanted, atol=1e-4)


def test_errors_fall_with_the_size():
    linear, x = nn.Linear(12, 18), torch.randn(40, 12)
    for method in ("mpo", "svd", "whitened_svd"):
        errors = [method_named(method).fit(linear, x.T @ x, size, 0.0)[1] for size in range(1, 12)]
        assert errors == sorted(errors, reverse=True), method


def test_factors_of_any_scale_are_stored_as_their_product():
    up, down = torch.randn(9, 4, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    layer = FactoredLinear.from_factors(1e3 * up, 1e-3 * down)
    assert torch.allclose(layer.product(), (up @ down).float(), atol=1e-5)
    assert layer.rest.abs().max() <= 2 ** (4 - 1)  # partial pivoting keeps it small
    assert torch.equal(layer.order.sort().values, torch.arange(9, dtype=torch.int32))


@pytest.mark.parametrize("method", ["mpo", "whitened_svd", "width"])
def test_saving_loading_and_saving_again_gives_the_same_bytes(tiny_model, tokens, tmp_path, method):
    records = compress(tiny_model, 0.3, tokens=tokens, method=method)
    save_compressed(tiny_model, tmp_path / "one", records, {"method": method})
    save_compressed(load_compressed(tmp_path / "one"), tmp_path / "two", records, {"method": method})
    for name in ("model.safetensors", "compression.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_ratio_zero_changes_no_weight(tiny_model, tokens):
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    assert all(
        record["parameters_after"] == record["parameters_before"] for record in compress(tiny_model, 0, tokens=tokens)
    )
    after = tiny_model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
