"""The plain torch path: the kernels' values, and gradients that finite differences confirm."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import Hidden
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation import compiled as simulator
from cayley_adapters.simulation import differentiable as torch_simulator
from cayley_adapters.simulation.surrogate import surrogate

NOISE = DeviceNoise.from_backend("FakeFez", layout=[[0, 1, 2, 3], [7, 6, 5, 4]])


def draw(d: int, blocks: int, tokens: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(blocks, d * (d - 1) // 2, generator=generator, dtype=torch.float64)
    return theta, torch.randn(tokens, blocks, d, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("idle", [False, True])
@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_equals_the_kernels(d, idle):
    theta, x = draw(d, 3, 40)
    x[1], x[2, 0, 1:], x[3] = 0, 0, 1
    q = cayley(theta)
    noise = DeviceNoise(NOISE.calibration, 1.3, NOISE.layout, idle)
    for device in (None, noise, noise.scaled(0)):
        expected = simulator.noisy_probabilities(q, x, device)
        assert (torch_simulator.noisy_probabilities(q, x, device) - expected).abs().max() < 1e-12
        assert (torch_simulator.noisy_probabilities(q, x.float(), device) - expected).abs().max() < 1e-5


@pytest.mark.parametrize(("d", "twirled"), [(2, False), (4, False), (8, False), (8, True)])
def test_equals_the_kernels_on_a_device_that_hides_something(d, twirled):
    theta, x = draw(d, 3, 10)
    noise = DeviceNoise(NOISE.calibration, 1.3, NOISE.layout, hidden=Hidden(0.2, coherent=0.5, twirled=twirled))
    expected = simulator.noisy_probabilities(cayley(theta), x, noise)
    assert (torch_simulator.noisy_probabilities(cayley(theta), x, noise) - expected).abs().max() < 1e-12


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([2, 4, 8]), st.lists(st.integers(-2, 2), min_size=8, max_size=8))
def test_both_choose_alike_where_an_angle_is_a_choice(d, values):
    theta, _ = draw(d, 1, 1)
    x = torch.tensor(values, dtype=torch.float64)[:d].reshape(1, 1, d)
    expected = simulator.noisy_probabilities(cayley(theta), x, NOISE)
    assert (torch_simulator.noisy_probabilities(cayley(theta), x, NOISE) - expected).abs().max() < 1e-10


def test_chunks_do_not_change_the_result(monkeypatch):
    theta, x = draw(4, 3, 40)
    whole = torch_simulator.noisy_probabilities(cayley(theta), x, NOISE)
    monkeypatch.setattr(torch_simulator, "CHUNK", 16 * 3 * 7)
    assert (torch_simulator.noisy_probabilities(cayley(theta), x, NOISE) - whole).abs().max() < 1e-14


@pytest.mark.parametrize("d", [2, 4])
def test_gradients_against_finite_differences(d):
    """The noisy probabilities themselves are differentiated, with respect to the free parameters and the slices."""
    theta, x = draw(d, 2, 3)
    theta.requires_grad_(), x.requires_grad_()
    assert torch.autograd.gradcheck(lambda t, s: simulator.noisy_probabilities(cayley(t), s, NOISE), (theta, x))
    assert torch.autograd.gradcheck(
        lambda t, s: simulator.noisy_probabilities(cayley(t), s, NOISE).clamp(min=1e-8).sqrt(), (theta, x)
    )


@pytest.mark.parametrize("d", [8, 16])
def test_larger_blocks_have_exact_values_and_the_surrogate_gradients(d):
    theta, x = draw(d, 2, 3)
    theta.requires_grad_(), x.requires_grad_()
    p = simulator.noisy_probabilities(cayley(theta), x, NOISE)
    exact = simulator.noisy_probabilities(cayley(theta).detach(), x.detach(), NOISE)
    assert (p.detach() - exact).abs().max() < 1e-12
    weights = torch.rand(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(0))
    found = torch.autograd.grad((weights * p).sum(), [theta, x])
    smooth = torch.autograd.grad((weights * surrogate(cayley(theta), x, NOISE)).sum(), [theta, x])
    for one, other in zip(found, smooth, strict=True):
        assert torch.allclose(one, other)


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_the_surrogate_explains_most_of_the_noise(d):
    theta, x = draw(d, 4, 100)
    q, noise = cayley(theta), DeviceNoise.from_backend("FakeFez")
    noisy, ideal = simulator.noisy_probabilities(q, x, noise), surrogate(q, x)
    assert (surrogate(q, x, noise) - noisy).abs().mean() < 0.2 * (ideal - noisy).abs().mean()
    assert torch.allclose(surrogate(q, x, noise).sum(-1), torch.ones(100, 4, dtype=torch.float64))
    assert (ideal - simulator.noisy_probabilities(q, x)).abs().max() < 1e-12


@pytest.mark.parametrize("d", [2, 4, 8])
def test_gradients_at_the_identity_are_finite(d):
    """Where training starts, angles are a choice."""
    theta, x = draw(d, 2, 3)
    theta = torch.zeros_like(theta).requires_grad_()
    x[0, 0] = 0
    x.requires_grad_()
    for p in (simulator.noisy_probabilities(cayley(theta), x, NOISE), surrogate(cayley(theta), x, NOISE)):
        gradients = torch.autograd.grad(p.square().sum(), [theta, x])
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_refused():
    theta, x = draw(4, 2, 3)
    with pytest.raises(CayleyError, match=r"\(T, B, d\)"):
        torch_simulator.noisy_probabilities(cayley(theta), x[:, :1])
    with pytest.raises(CayleyError, match="up to 16"):
        torch_simulator.noisy_probabilities(torch.eye(32)[None], torch.ones(1, 1, 32))
