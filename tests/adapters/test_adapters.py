"""The Cayley transform's identities, and the adapters as PEFT users meet them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel, get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import blocks_of, constrain_signs
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.adapters.cayley.transform import cayley, inverse_cayley
from cayley_adapters.circuits.synthesis import brickwork_circuits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model

TARGETS = ["v_proj", "o_proj"]


def thetas(scale: float = 3.0):
    """Batches of free parameters of d = 2 … 16."""
    return st.tuples(st.sampled_from([2, 4, 8, 16]), st.integers(0, 2**31), st.floats(0, scale)).map(
        lambda drawn: (
            drawn[2]
            * torch.randn(3, drawn[0] * (drawn[0] - 1) // 2, dtype=torch.float64, generator=torch.manual_seed(drawn[1]))
        )
    )


@pytest.fixture
def adapted(tiny_model):
    """A tiny model whose blocks are not the identity."""
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=4, target_modules=TARGETS))
    randomise(model)
    return model.eval()


def randomise(model, adapter: str = "default", seed: int = 0) -> None:
    generator = torch.manual_seed(seed)
    for layer in adapted_layers(model).values():
        torch.nn.init.normal_(layer.cayley_theta[adapter].data, generator=generator)


@settings(deadline=None, max_examples=40)
@given(thetas())
def test_blocks_are_rotations_and_invert(theta):
    q = cayley(theta)
    identity = torch.eye(q.shape[-1], dtype=q.dtype)
    assert (q.mT @ q - identity).abs().max() < 1e-12
    assert torch.allclose(torch.linalg.det(q), torch.ones(3, dtype=q.dtype), atol=1e-10)
    # Towards eigenvalue −1 the inverse is ill-conditioned: compare the rotations, not the parameters.
    assert (cayley(inverse_cayley(q)) - q).abs().max() < 1e-7
    assert (cayley(-theta) - q.mT).abs().max() < 1e-12


def test_sign_convention_against_scipy():
    """Q = (I − K/2)(I + K/2)⁻¹ with K_01 = +theta, filled row by row."""
    theta = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    k = np.array([[0, 0.3, -0.2], [-0.3, 0, 0.5], [0.2, -0.5, 0]])
    expected = (np.eye(3) - k / 2) @ scipy.linalg.inv(np.eye(3) + k / 2)
    assert np.abs(cayley(theta).numpy() - expected).max() < 1e-14
    # To second order Q = exp(−K).
    small = cayley(1e-4 * theta).numpy()
    assert np.abs(small - scipy.linalg.expm(-1e-4 * k)).max() < 1e-11


@pytest.mark.parametrize("d", [2, 4, 8, 16, 32, 64])
def test_identity_at_zero_and_orthogonality(d):
    count = d * (d - 1) // 2
    assert torch.equal(cayley(torch.zeros(5, count)), torch.eye(d).expand(5, d, d))
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        theta = torch.randn(300, count, dtype=dtype, generator=torch.manual_seed(0))
        rows, columns = torch.triu_indices(d, d, 1)
        k = torch.zeros(300, d, d, dtype=dtype)
        k[:, rows, columns] = theta
        size = torch.linalg.matrix_norm(k - k.mT, 2)[:, None]
        for norm in (0.1, 1.0, 10.0):  # largest singular value of K
            q = cayley(theta * norm / size).double()
            assert (q.mT @ q - torch.eye(d)).abs().max() < tolerance


@pytest.mark.parametrize("d", [2, 4, 8, 16, 32])
def test_compiled_and_library_blocks_agree(d):
    """Whatever solves them: the library's solve, in value and in gradient."""
    for dtype, tolerance in ((torch.float32, 2e-6), (torch.float64, 1e-12)):
        theta = torch.randn(19, d * (d - 1) // 2, dtype=dtype, generator=torch.manual_seed(0)).requires_grad_()
        weight = torch.randn(19, d, d, dtype=dtype, generator=torch.manual_seed(1))
        rows, columns = torch.triu_indices(d, d, 1)
        half = torch.zeros(19, d, d, dtype=dtype)
        half[:, rows, columns] = theta / 2
        half = half - half.mT
        identity = torch.eye(d, dtype=dtype)
        expected = torch.linalg.solve(identity + half, identity - half)
        found = cayley(theta)
        assert (found - expected).abs().max() < tolerance
        wanted = torch.autograd.grad((expected * weight).sum(), theta)[0]
        assert torch.allclose(torch.autograd.grad((found * weight).sum(), theta)[0], wanted, atol=20 * tolerance)
    large = 1e4 * torch.randn(4, d * (d - 1) // 2, dtype=torch.float64, generator=torch.manual_seed(0))
    q = cayley(large)  # beyond what is solved without pivoting
    assert (q.mT @ q - torch.eye(d)).abs().max() < 1e-9
    assert cayley(torch.zeros(0, d * (d - 1) // 2)).shape == (0, d, d)
    assert cayley(torch.zeros(2, 3, d * (d - 1) // 2)).shape == (2, 3, d, d)


@pytest.mark.parametrize("d", [2, 4, 8, 32])
def test_gradients_against_finite_differences(d):
    theta = 0.3 * torch.randn(2, d * (d - 1) // 2, dtype=torch.float64)
    x = torch.randn(3, 2 * d, dtype=torch.float64)
    theta, x = theta[:, : min(d * (d - 1) // 2, 6)].requires_grad_(), x.requires_grad_()

    def rotated(theta, x):
        rest = torch.zeros(2, d * (d - 1) // 2 - theta.shape[1], dtype=theta.dtype)
        return rotate(cayley(torch.cat([theta, rest], dim=1)), x)

    assert torch.autograd.gradcheck(rotated, (theta, x))
    if d < 32:
        assert torch.autograd.gradgradcheck(rotated, (theta, x))


def test_wrong_number_of_parameters_is_refused():
    with pytest.raises(CayleyError, match="5 entries"):
        cayley(torch.zeros(5))
    with pytest.raises(CayleyError, match="eigenvalue"):
        inverse_cayley(-torch.eye(2))


def test_rotate_is_the_block_diagonal_product():
    q, x = cayley(torch.randn(3, 6)), torch.randn(5, 7, 12)
    dense = torch.block_diag(*q)
    assert torch.allclose(rotate(q, x), x @ dense.T, atol=1e-6)
    strided = torch.randn(12, 7, 5).permute(2, 1, 0)
    assert torch.allclose(rotate(q, strided), strided @ dense.T, atol=1e-6)
    assert rotate(q, torch.zeros(0, 12)).shape == (0, 12)
    half, of_half = q.bfloat16(), x.bfloat16()
    assert torch.allclose(rotate(half, of_half).float(), x @ dense.T, atol=0.1)


def test_blocks_and_activations_that_do_not_fit_are_refused():
    for q, x in ((torch.zeros(8, 2, 2), torch.zeros(3, 4)), (torch.zeros(2, 4), torch.zeros(3, 8))):
        with pytest.raises(CayleyError, match="do not fit activations"):
            rotate(q, x)


@pytest.mark.parametrize("d", [4, 32])
def test_blocks_stay_rotations_under_autocast(d):
    theta = torch.randn(20, d * (d - 1) // 2, generator=torch.manual_seed(0)).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        q = cayley(theta)
        gradient = torch.autograd.grad(q[:, 0, 1].sum(), theta)[0]
    assert (q.mT @ q - torch.eye(d)).abs().max() < 1e-6
    assert torch.allclose(gradient, torch.autograd.grad(cayley(theta)[:, 0, 1].sum(), theta)[0], atol=1e-6)


@pytest.mark.parametrize("d", [2, 4])
def test_threads_do_not_change_a_rotation(d):
    """Compiled loops on few threads and the library's products on many give the same values and gradients."""
    q = cayley(torch.randn(6, d * (d - 1) // 2)).requires_grad_()
    x = torch.randn(40, 6 * d, requires_grad=True)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 64):
            torch.set_num_threads(threads)
            y = rotate(q, x)
            results.append([y, *torch.autograd.grad(y.square().sum() + y.sum(), (q, x))])
    finally:
        torch.set_num_threads(before)
    for few, many in zip(*results, strict=True):
        assert torch.allclose(few, many, rtol=1e-4, atol=1e-4)


def test_kept_blocks_follow_their_parameters(tiny_model):
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=4, target_modules=TARGETS)).eval()
    layer = next(iter(adapted_layers(model).values()))
    theta = layer.cayley_theta["default"]
    with torch.no_grad():
        first = layer.blocks()
        assert layer.blocks() is first
        theta.data[0, 0] = 0.5  # behind autograd's back
        assert layer.blocks()[0, 0, 1] != 0
        theta.zero_()
        assert torch.equal(layer.blocks(), first)
    assert layer.blocks().requires_grad
    with torch.inference_mode():
        kept = layer.blocks()
    assert not kept.is_inference()


def test_sign_of_zero_is_plus_and_magnitudes_are_kept():
    x, y = torch.tensor([0.0, -1.0, 2.0]), torch.tensor([0.5, 0.25, 1.0])
    assert constrain_signs(x, y).tolist() == [0.5, -0.25, 1.0]


def test_identity_blocks_leave_logits_unchanged(tiny_model, tokens):
    x = torch.as_tensor(tokens, dtype=torch.long)
    before = tiny_model(x).logits
    for readout in ("signed", "sign_constrained"):
        model = get_peft_model(tiny_model, CayleyConfig(block_dim=8, target_modules=TARGETS, readout=readout))
        assert torch.equal(model(x).logits, before)
        tiny_model = model.unload()


def test_round_trip_disable_merge_and_generate(adapted, tiny_folder, tmp_path, tokens):
    x = torch.as_tensor(tokens, dtype=torch.long)
    with torch.no_grad():
        expected, base = adapted(x).logits, load_model(tiny_folder)(x).logits
        assert (expected - base).abs().max() > 1e-2
        adapted.save_pretrained(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".md") == [
            "adapter_config.json",
            "adapter_model.safetensors",
        ]
        loaded = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path)
        assert torch.equal(loaded(x).logits, expected)
        with loaded.disable_adapter():
            assert torch.equal(loaded(x).logits, base)
        assert loaded.generate(input_ids=x[:1], max_new_tokens=3, do_sample=False).shape[1] <= x.shape[1] + 3
        merged = loaded.merge_and_unload()
        assert (merged(x).logits - expected).abs().max() < 1e-4


def test_two_adapters_switch(adapted, tokens):
    x = torch.as_tensor(tokens, dtype=torch.long)
    with torch.no_grad():
        first = adapted(x).logits
        adapted.add_adapter("second", CayleyConfig(block_dim=2, target_modules=TARGETS))
        adapted.set_adapter("second")
        assert not torch.allclose(adapted(x).logits, first)  # identity blocks
        adapted.set_adapter("default")
        assert torch.equal(adapted(x).logits, first)


def test_only_the_triangle_is_stored_and_trained(adapted):
    trainable = {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}
    assert all("cayley_theta" in name for name in trainable)
    assert sum(trainable.values()) == 4 * (32 // 4) * 6


def test_sign_constrained_mode_and_its_merge(tiny_model, tokens):
    model = get_peft_model(
        tiny_model, CayleyConfig(block_dim=4, target_modules=TARGETS, readout="sign_constrained")
    ).eval()
    randomise(model)
    layer = next(iter(adapted_layers(model).values()))
    x = torch.randn(3, 32)
    expected = torch.where(x < 0, -1, 1) * rotate(layer.blocks(), x).abs()
    assert torch.allclose(layer(x), layer.base_layer(expected), atol=1e-6)
    with pytest.raises(CayleyError, match="not linear"):
        model.merge_and_unload()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_dim": 1}, "no dimension of a block"),
        ({"block_dim": "inputs"}, "or 'input' for one block"),
        ({"block_dim": 6, "ansatz": "brickwork"}, "block_dim=6 is no power of two"),
        ({"ansatz": "ful"}, "did you mean 'full'"),
        ({"readout": "sign"}, "sign"),
    ],
)
def test_wrong_configurations_are_refused(options, message):
    with pytest.raises(CayleyError, match=message):
        CayleyConfig(target_modules=TARGETS, **options)


def test_a_block_far_too_large_names_the_projection(tiny_model):
    with pytest.raises(CayleyError, match=r"block_dim=129 is more than 4 times the 32 inputs of .*v_proj; use 'input'"):
        get_peft_model(tiny_model, CayleyConfig(block_dim=129, target_modules=["v_proj"]))


@pytest.mark.parametrize(("d", "depth", "gates"), [(4, 1, 1), (8, 2, 2), (16, 3, 5)])
def test_brickwork_blocks(tiny_model, d, depth, gates):
    config = CayleyConfig(block_dim=d, target_modules=TARGETS, ansatz="brickwork", brickwork_depth=depth)
    model = get_peft_model(tiny_model, config)
    randomise(model)
    for layer in adapted_layers(model).values():
        assert layer.cayley_theta["default"].shape == (32 // d, gates, 6)
        q = layer.blocks()
        assert (q.mT @ q - torch.eye(d)).abs().max() < 1e-5
        theta = layer.cayley_theta["default"].detach().double()
        circuits = brickwork_circuits(cayley(theta).numpy(), layer.ansatz().qubits, depth)
        assert np.abs(circuits.unitaries() - blocks_of(theta, config).numpy()).max() < 1e-12
        layer.cayley_theta["default"].data.zero_()
        assert torch.equal(layer.blocks(), torch.eye(d).expand(32 // d, d, d))


def test_brickwork_is_saved_and_loaded(tiny_model, tiny_folder, tmp_path, tokens):
    config = CayleyConfig(block_dim=8, target_modules=TARGETS, ansatz="brickwork", brickwork_depth=2)
    model = get_peft_model(tiny_model, config)
    randomise(model)
    batch = torch.as_tensor(tokens, dtype=torch.long)
    expected = model.eval()(input_ids=batch).logits
    model.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path).eval()
    assert torch.equal(loaded(input_ids=batch).logits, expected)
    merged = loaded.merge_and_unload()
    assert torch.allclose(merged(input_ids=batch).logits, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"block_dim": 2}, "needs two qubits"), ({"block_dim": 4, "brickwork_depth": 0}, "use 1 to 64")],
)
def test_refused_brickworks(options, message):
    with pytest.raises(CayleyError, match=message):
        CayleyConfig(target_modules=TARGETS, ansatz="brickwork", **options)
