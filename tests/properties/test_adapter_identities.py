"""Rotations: linear, norm-preserving, blockwise; merging a block is applying it; OFT and back changes no number."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import OFTConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import nn

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer, blocks_of
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.cayley.oft import from_oft, to_oft
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.adapters.cayley.transform import block_dimension, brickwork_blocks, cayley, inverse_cayley
from cayley_adapters.circuits.ansatz import bricks
from cayley_adapters.core.errors import CayleyError

EXACT = {"dtype": torch.float64}


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(*shape, generator=torch.manual_seed(seed), **EXACT)


def triangle(d: int) -> int:
    return d * (d - 1) // 2


def skew(theta: torch.Tensor, d: int) -> torch.Tensor:
    k = torch.zeros(*theta.shape[:-1], d, d, dtype=theta.dtype)
    rows, columns = torch.triu_indices(d, d, 1)
    k[..., rows, columns] = theta
    return k - k.mT


@pytest.mark.parametrize("scale", [0.5, 200.0])
@pytest.mark.parametrize("d", [2, 3, 5, 16, 17])
def test_blocks_solve_their_defining_equation(d, scale):
    """Q (I + K/2) = I − K/2, with and without pivoting, one lane of a vector or several."""
    for count in (1, 8, 11):
        theta = numbers(count, triangle(d), seed=d, scale=scale)
        k, eye = skew(theta, d), torch.eye(d, **EXACT)
        q = cayley(theta)
        assert q.dtype == torch.float64
        assert (q @ (eye + k / 2) - (eye - k / 2)).abs().max() < 1e-12 * scale
        assert (q @ q.mT - eye).abs().max() < 1e-12
        assert torch.allclose(torch.linalg.det(q), torch.ones(count, **EXACT))
        if scale < 1:
            assert torch.allclose(inverse_cayley(q), theta, atol=1e-10)


def test_single_precision_on_the_pivoted_path_is_orthogonal():
    theta = numbers(50, triangle(16), scale=1e3).float()
    q = cayley(theta)
    assert q.dtype == torch.float32
    assert (q.mT @ q - torch.eye(16)).abs().max() < 2e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_single_precision(dtype):
    theta = numbers(3, 6).to(dtype)
    assert torch.equal(cayley(theta), cayley(theta.float()).to(dtype))
    assert cayley(theta).dtype == dtype


@pytest.mark.parametrize("d", [2, 3, 17])
def test_gradient_is_the_directional_derivative(d):
    theta, direction = (numbers(2, 5, triangle(d), seed=seed) for seed in (1, 2))
    weight = numbers(2, 5, d, d, seed=3)
    theta.requires_grad_()
    (gradient,) = torch.autograd.grad((weight * cayley(theta)).sum(), theta)
    step = 1e-6 * direction
    with torch.no_grad():
        change = (weight * (cayley(theta + step) - cayley(theta - step))).sum() / 2e-6
    assert float((gradient * direction).sum()) == pytest.approx(float(change), rel=1e-7)
    assert (
        gradient - torch.autograd.grad((weight * cayley(theta)).sum(), theta, create_graph=True)[0]
    ).abs().max() < 1e-12
    if d < 4:
        assert torch.autograd.gradgradcheck(cayley, theta[:1, :1].detach().requires_grad_())


@pytest.mark.parametrize("d", [4, 17])
def test_autocast_rounds_no_block(d):
    theta = numbers(2, triangle(d)).float().requires_grad_()
    (expected,) = torch.autograd.grad(cayley(theta).square()[0].sum() + cayley(theta)[1].sum(), theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        q = cayley(theta)
        assert q.dtype == torch.float32
        (gradient,) = torch.autograd.grad(cayley(theta).square()[0].sum() + q[1].sum(), theta)
    assert (q @ q.mT - torch.eye(d)).abs().max() < 1e-5
    assert torch.allclose(gradient, expected, atol=1e-4)


def test_shapes_of_batches():
    for d in (2, 4, 17):
        assert cayley(torch.zeros(0, triangle(d))).shape == (0, d, d)
        assert torch.equal(cayley(torch.zeros(2, 3, triangle(d))), torch.eye(d).expand(2, 3, d, d))
        assert torch.equal(inverse_cayley(torch.eye(d).expand(2, 3, d, d)), torch.zeros(2, 3, triangle(d)))


def test_dimension_of_a_triangle():
    assert [block_dimension(triangle(d)) for d in range(2, 40)] == list(range(2, 40))
    for wrong in (0, 2, 4, 7):
        with pytest.raises(CayleyError, match=f"{wrong} entries"):
            block_dimension(wrong)


@pytest.mark.parametrize(("n", "depth"), [(2, 1), (2, 3), (3, 2), (3, 3), (4, 2)])
def test_brickwork_is_the_product_of_its_embedded_gates(n, depth):
    pairs = bricks(n, depth)
    theta = numbers(2, len(pairs), 6)
    found = brickwork_blocks(theta, 2**n, depth)
    for b in range(2):
        whole = torch.eye(2**n, **EXACT)
        for gate, low in zip(cayley(theta[b]), pairs, strict=True):
            below, above = torch.eye(2**low, **EXACT), torch.eye(2 ** (n - 2 - low), **EXACT)
            whole = torch.kron(above, torch.kron(gate, below)) @ whole
        assert torch.allclose(found[b], whole, atol=1e-12)


@settings(max_examples=25)
@given(st.sampled_from([2, 3, 4, 5, 8]), st.integers(1, 3), st.integers(0, 99), st.floats(-3, 3))
def test_rotation_is_blockwise_linear_and_keeps_norms(d, blocks, seed, factor):
    q = cayley(numbers(blocks, triangle(d), seed=seed))
    x, y = numbers(2, 4, blocks * d, seed=seed + 1)
    turned = rotate(q, x)
    assert torch.allclose(turned, x @ torch.block_diag(*q).T, atol=1e-12)
    assert torch.allclose(rotate(q, x + factor * y), turned + factor * rotate(q, y), atol=1e-11)
    assert torch.allclose(turned.reshape(4, blocks, d).norm(dim=-1), x.reshape(4, blocks, d).norm(dim=-1))
    assert torch.allclose(rotate(q.mT, turned), x, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 4, 5])
@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
def test_gradients_of_a_rotation(d, wanted):
    """Qᵀg for the activations, the sum over tokens of g xᵀ for the blocks, whichever of them is asked for."""
    q, x, g = numbers(3, d, d, seed=1), numbers(2, 5, 3 * d, seed=2), numbers(2, 5, 3 * d, seed=3)
    q.requires_grad_(wanted[0]), x.requires_grad_(wanted[1])
    y = rotate(q, x)
    assert y.requires_grad
    (y * g).sum().backward()
    slices, of_slices = (part.detach().reshape(10, 3, d) for part in (x, g))
    if wanted[0]:
        assert torch.allclose(q.grad, torch.einsum("tbi,tbj->bij", of_slices, slices), atol=1e-12)
    if wanted[1]:
        assert torch.allclose(x.grad, rotate(q.detach().mT, g), atol=1e-12)
    assert (q.grad is None, x.grad is None) == (not wanted[0], not wanted[1])
    with torch.no_grad():
        assert not rotate(q, x).requires_grad
    if wanted == (True, True):
        assert torch.autograd.gradgradcheck(
            rotate, (q.detach()[:, :, :].requires_grad_(), x.detach()[0].requires_grad_())
        )


@pytest.mark.parametrize(
    ("d", "threads", "dtype", "compiled"),
    [
        (4, 1, torch.float32, True),
        (4, 8, torch.float64, True),
        (5, 1, torch.float32, False),
        (4, 9, torch.float32, False),
        (4, 1, torch.bfloat16, False),
    ],
)
def test_small_blocks_on_few_threads_take_the_compiled_loops(monkeypatch, d, threads, dtype, compiled):
    """Which the gradient's name tells."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    q, x = numbers(6, d, d).to(dtype).requires_grad_(), numbers(2, 6 * d).to(dtype)
    y = rotate(q, x)
    assert ("Rotate" in y.grad_fn.name()) == compiled
    assert torch.allclose(y.double(), x.double() @ torch.block_diag(*q.double()).T, atol=0.1)


def test_a_rotation_refuses_what_does_not_fit():
    for q, x in (((2, 3, 4), (1, 6)), ((2, 3, 3), (1, 7)), ((2, 3, 3), (1, 3)), ((3, 3), (1, 9)), ((2, 3, 3), (6, 1))):
        with pytest.raises(CayleyError, match="do not fit"):
            rotate(torch.zeros(q), torch.zeros(x))


def layer_of(inputs: int = 8, d: int = 4, **options) -> CayleyLayer:
    """A projection with random blocks, in float64."""
    base = nn.Linear(inputs, 3, bias=True, **EXACT)
    layer = CayleyLayer(base, "one", CayleyConfig(block_dim=d, **options), "the.key").double()
    layer.cayley_theta["one"].data = numbers(*layer.cayley_theta["one"].shape)
    return layer


@pytest.mark.parametrize("options", [{}, {"ansatz": "brickwork", "brickwork_depth": 2}])
def test_merging_is_rotating_and_can_be_undone(options):
    layer, x = layer_of(**options), numbers(5, 8, seed=4)
    weight, bias = layer.base_layer.weight.clone(), layer.base_layer.bias
    dense = torch.block_diag(*blocks_of(layer.cayley_theta["one"], layer.cayley_config["one"]))
    assert torch.allclose(layer(x), x @ dense.T @ weight.T + bias)
    expected = layer(x)
    layer.merge()
    assert layer.merged
    assert torch.allclose(layer.base_layer.weight, weight @ dense)
    assert torch.allclose(layer(x), expected)
    assert layer.merged
    layer.unmerge()
    assert torch.allclose(layer.base_layer.weight, weight)
    assert torch.allclose(layer(x), expected)
    layer.merge()
    layer.enable_adapters(False)
    assert torch.allclose(layer(x), x @ weight.T + bias)
    assert not layer.merged


def test_adapters_act_one_after_the_other_merged_or_not():
    layer, x = layer_of(), numbers(5, 8, seed=4)
    layer.update_layer("two", CayleyConfig(block_dim=2))
    layer.double()
    layer.cayley_theta["two"].data = numbers(4, 1, seed=5)
    layer.set_adapter(["one", "two"])
    assert torch.equal(layer.blocks(), layer.blocks("one"))
    assert layer.ansatz().qubits == 2
    one, two = (torch.block_diag(*layer.blocks(name)) for name in ("one", "two"))
    expected = layer.base_layer(x @ one.T @ two.T)
    assert torch.allclose(layer(x), expected)
    layer.merge(safe_merge=True)
    assert sorted(layer.merged_adapters) == ["one", "two"]
    assert torch.allclose(layer(x), expected)
    layer.unmerge()
    assert torch.allclose(layer(x), expected)
    layer.set_adapter("two")
    assert layer.ansatz().qubits == 1
    assert torch.equal(layer.blocks(), layer.blocks("two"))
    assert torch.allclose(layer(x), layer.base_layer(x @ two.T))


@pytest.mark.parametrize(
    "calls", [[["one"], ["two", "three"]], [["one", "two"], ["three"]], [["one"], ["two"], ["three"]]]
)
def test_merging_in_several_calls_is_merging_in_one(calls):
    """Unmerged, x meets the blocks of the first adapter first: W Q₃ Q₂ Q₁ x."""
    layer, x = layer_of(), numbers(5, 8, seed=4)
    for name, seed in (("two", 5), ("three", 6)):
        layer.update_layer(name, CayleyConfig(block_dim=8))
        layer.cayley_theta[name].data = numbers(1, 28, seed=seed)
    layer.set_adapter(["one", "two", "three"])
    weight, expected = layer.base_layer.weight.clone(), layer(x)
    for names in calls:
        layer.merge(adapter_names=names)
    assert sorted(layer.merged_adapters) == ["one", "three", "two"]
    assert torch.allclose(layer(x), expected)
    with pytest.warns(UserWarning, match="already merged"):
        layer.merge()
    assert torch.allclose(layer(x), expected)
    layer.unmerge()
    assert torch.allclose(layer.base_layer.weight, weight)


def test_a_merge_of_several_adapters_rounds_once():
    layer = layer_of().float()
    layer.update_layer("two", CayleyConfig(block_dim=8))
    layer.cayley_theta["two"].data = numbers(1, 28, seed=5).float()
    layer.set_adapter(["one", "two"])
    layer.base_layer.bfloat16()
    exact = layer.base_layer.weight.double()
    for name in ("two", "one"):
        exact = exact @ torch.block_diag(*layer.blocks(name).double())
    layer.merge()
    assert layer.base_layer.weight.dtype == torch.bfloat16
    assert torch.equal(layer.base_layer.weight, exact.bfloat16())


def test_safe_merge_leaves_a_broken_adapter_out():
    layer = layer_of()
    layer.cayley_theta["one"].data[0, 0] = float("nan")
    weight = layer.base_layer.weight.clone()
    with pytest.raises(ValueError, match="NaNs detected"):
        layer.merge(safe_merge=True)
    assert torch.equal(layer.base_layer.weight, weight)
    assert not layer.merged
    layer.merge()  # which is not safe unless asked
    assert layer.merged


def test_a_new_adapter_is_the_identity_with_one_triangle_a_block():
    layer = CayleyLayer(nn.Linear(24, 3), "one", CayleyConfig(block_dim=8), "the.key")
    assert layer.cayley_theta["one"].shape == (3, 28)
    assert layer.cayley_theta["one"].requires_grad
    assert torch.equal(layer.blocks(), torch.eye(8).expand(3, 8, 8))
    assert (layer.in_features, layer.out_features, layer.key) == (24, 3, "the.key")
    assert (layer.ansatz().qubits, len(layer.ansatz().couplers)) == (3, 14)
    bricked = CayleyLayer(
        nn.Linear(24, 3), "one", CayleyConfig(block_dim=8, ansatz="brickwork", brickwork_depth=3), "k"
    )
    assert bricked.cayley_theta["one"].shape == (3, 3, 6)
    assert bricked.ansatz().couplers == (0, 0, 1, 1, 0, 0)
    filled = CayleyLayer(nn.Linear(24, 3), "one", CayleyConfig(block_dim=16), "the.key")
    assert filled.cayley_theta["one"].shape == (2, 120)
    with pytest.raises(CayleyError, match=r"block_dim=97 is more than 4 times the 24 inputs of the\.key; use 'input'"):
        CayleyLayer(nn.Linear(24, 3), "one", CayleyConfig(block_dim=97), "the.key")


def test_the_sign_constrained_readout_keeps_the_signs_of_inputs():
    """And takes 0 for positive."""
    layer, x = layer_of(readout="sign_constrained"), numbers(5, 8, seed=4)
    x[0, :3] = torch.tensor([0.0, -0.0, 1.0])
    layer.base_layer = nn.Identity()
    y = layer(x)
    assert torch.allclose(y.abs(), rotate(layer.blocks(), x).abs())
    assert torch.equal(y >= 0, x >= 0)
    with pytest.raises(CayleyError, match="not linear"):
        layer.merge()
    assert repr(layer).startswith("cayley.CayleyLayer")


def test_blocks_that_are_no_numbers_are_not_loaded():
    """Whatever the projection's own weight holds."""
    layer = layer_of()
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    state["base_layer.weight"][0, 0] = float("nan")
    layer.load_state_dict(state)
    state["cayley_theta.one"][0, 0] = float("inf")
    with pytest.raises(CayleyError, match=r"blocks of the\.key hold NaN"):
        layer.load_state_dict(state)


def test_parameters_lie_where_the_weight_is_used():
    """Offloaded weights are on the meta device, and accelerate's hook knows where they will be."""
    for place, hook, expected in (("meta", None, "meta"), ("meta", "cpu", "cpu"), ("cpu", "meta", "cpu")):
        base = nn.Linear(8, 3, device=place)
        if hook:
            base._hf_hook = SimpleNamespace(execution_device=torch.device(hook))
        assert CayleyLayer(base, "one", CayleyConfig(block_dim=4), "k").cayley_theta["one"].device.type == expected


def test_kept_blocks_follow_the_precision_of_their_parameters():
    layer = layer_of().float()
    with torch.no_grad():
        single, double = layer.blocks(), layer.double().blocks()
        assert layer.blocks() is double
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert (double @ double.mT - torch.eye(4, **EXACT)).abs().max() < 1e-14


def test_half_precision_activations_meet_unrounded_blocks():
    layer = layer_of().float()
    x = numbers(50, 8, seed=4).bfloat16()
    expected = rotate(layer.blocks(), x.float())
    layer.base_layer = nn.Identity()
    assert torch.equal(layer(x), expected.bfloat16())


def test_an_executor_takes_the_place_of_the_product():
    layer, x = layer_of(), numbers(5, 8, seed=4)
    layer.executor = lambda key, given: given * (2 if key == "the.key" else 3)
    assert torch.allclose(layer(x), layer.base_layer(2 * x))


def test_oft_and_back_changes_no_number(tiny_model, tmp_path):
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=4, target_modules=["v_proj"], layers_to_transform=[1]))
    for layer in adapted_layers(model).values():
        nn.init.normal_(layer.cayley_theta["default"].data, generator=torch.manual_seed(0))
    model.save_pretrained(tmp_path / "ours")
    theirs = to_oft(tmp_path / "ours", tmp_path / "oft")
    back = from_oft(tmp_path / "oft", tmp_path / "back")
    assert isinstance(theirs, OFTConfig)
    assert (theirs.r, theirs.oft_block_size, theirs.layers_to_transform, theirs.inference_mode) == (0, 4, [1], True)
    assert (back.block_dim, back.target_modules, back.layers_to_transform) == (4, {"v_proj"}, [1])
    first, last = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("ours", "back"))
    assert first.keys() == last.keys()
    assert all(torch.equal(first[key], last[key]) for key in first)
    middle = load_file(tmp_path / "oft" / "adapter_model.safetensors")
    assert all(torch.equal(-2 * w, value) for w, value in zip(middle.values(), first.values(), strict=True))
    loaded = PeftModel.from_pretrained(tiny_model, tmp_path / "back")
    assert not any(p.requires_grad for p in loaded.parameters())
