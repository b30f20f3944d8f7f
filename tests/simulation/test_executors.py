"""Executors in a model: what they must agree on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from peft import get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.models.losses import token_losses
from cayley_adapters.simulation.arms import Arm, make_executor
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import AerExecutor, ExactExecutor, NoisyExecutor, characterised
from cayley_adapters.simulation.mitigations import mitigation_for
from cayley_adapters.simulation.surrogate import SurrogateExecutor


@pytest.fixture(params=[2, 4, 8, 16])
def adapted(request, tiny_model):
    """A model with random blocks, and these in float64."""
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=request.param, target_modules=["v_proj", "o_proj"]))
    generator = torch.manual_seed(1)
    blocks = {}
    for name, layer in adapted_layers(model).items():
        torch.nn.init.normal_(layer.cayley_theta["default"].data, std=0.5, generator=generator)
        blocks[name] = cayley(layer.cayley_theta["default"].detach().double())
    return model.eval(), blocks


def circuits(blocks, scale: float, shots: float = np.inf, seed: int = 0) -> NoisyExecutor:
    noise = DeviceNoise.from_backend("FakeFez", scale=scale)
    compiled = {name: compile_blocks(q.numpy(), noise) for name, q in blocks.items()}
    return NoisyExecutor(compiled, shots, np.random.SeedSequence(seed))


def test_ideal_circuits_equal_exact_arithmetic_in_the_same_readout(adapted, tokens):
    model, blocks = adapted
    own = token_losses(model, tokens, 3)
    set_executor(model, ExactExecutor(blocks, "signed"))
    assert np.allclose(token_losses(model, tokens, 3), own, atol=1e-4)
    set_executor(model, ExactExecutor(blocks, "sign_constrained"))
    exact = token_losses(model, tokens, 3)
    assert np.abs(exact - own).max() > 1e-2
    set_executor(model, circuits(blocks, scale=0.0))
    assert np.abs(token_losses(model, tokens, 3) - exact).max() < 2e-3
    set_executor(
        model, NoisyExecutor({name: q.numpy() for name, q in blocks.items()}, np.inf, np.random.SeedSequence(0))
    )
    assert np.abs(token_losses(model, tokens, 3) - exact).max() < 2e-3
    set_executor(model, None)
    assert np.array_equal(token_losses(model, tokens, 3), own)


def test_noise_and_shots_change_the_output_less_as_they_vanish(adapted):
    _, blocks = adapted
    name = next(iter(blocks))
    x = torch.randn(200, 32)
    ideal = ExactExecutor(blocks, "sign_constrained")(name, x)

    def distance(scale, shots):
        return float((circuits(blocks, scale, shots)(name, x) - ideal).norm() / ideal.norm())

    assert distance(0.1, np.inf) < distance(1, np.inf) < distance(10, np.inf)
    assert distance(0, 1e6) < distance(0, 1e4) < distance(0, 100)
    assert distance(0, 1e6) < 0.01


def test_signs_norms_and_zero_slices(adapted):
    _, blocks = adapted
    name = next(iter(blocks))
    d = blocks[name].shape[-1]
    x = torch.randn(20, 32)
    x[:, :d] = 0
    for shots in (np.inf, 64):
        y = circuits(blocks, 1.0, shots)(name, x)
        assert torch.equal(y[:, :d], torch.zeros(20, d))
        assert ((y * x) >= 0).all()
        norms = y.reshape(20, -1, d).norm(dim=-1)
        assert torch.allclose(norms, x.reshape(20, -1, d).norm(dim=-1), rtol=1e-4)


def test_the_same_seed_gives_the_same_shots(adapted):
    _, blocks = adapted
    name, x = next(iter(blocks)), torch.randn(20, 32)
    first = circuits(blocks, 1.0, 128, seed=3)(name, x)
    assert torch.equal(circuits(blocks, 1.0, 128, seed=3)(name, x), first)
    assert not torch.equal(circuits(blocks, 1.0, 128, seed=4)(name, x), first)


def test_ideal_signs_and_mitigation(adapted):
    _, blocks = adapted
    name, x = next(iter(blocks)), torch.randn(200, 32)
    exact = ExactExecutor(blocks, "signed")(name, x)
    ideal = {key: q.float() for key, q in blocks.items()}
    noise = DeviceNoise.from_backend("FakeFez", scale=1.0)
    compiled = {key: compile_blocks(q.numpy(), noise) for key, q in blocks.items()}

    def distance(**options):
        return float((NoisyExecutor(compiled, **options)(name, x) - exact).norm() / exact.norm())

    undo = {key: mitigation_for("readout+depolarizing", synthesise(q.numpy()), noise) for key, q in blocks.items()}
    assert distance(ideal=ideal, mitigation=undo) < distance(ideal=ideal) < distance()
    clean = {key: q.numpy() for key, q in blocks.items()}
    assert torch.allclose(NoisyExecutor(clean, ideal=ideal)(name, x), exact, atol=1e-5)


def test_magnitudes_are_the_measured_ones_without_signs():
    """What the readout of the same shots shows, its signs taken off."""
    q = {"key": cayley(torch.randn(5, 6, generator=torch.manual_seed(0)).double())}
    x = torch.randn(50, 20, generator=torch.manual_seed(1))
    device = DeviceNoise.from_backend("FakeFez")
    made = {name: synthesise(blocks.numpy()) for name, blocks in q.items()}
    plain, signed = (
        make_executor(Arm("noisy", readout, 1.0, 1024), q, made, device, 0)("key", x)
        for readout in ("magnitude", "sign_constrained")
    )
    assert (plain >= 0).all()
    assert (signed < 0).any()
    assert torch.equal(plain, signed.abs())


def test_characterised_maps_serve_every_token(adapted):
    _, blocks = adapted
    name, x = next(iter(blocks)), torch.randn(200, 32)
    exact = ExactExecutor(blocks, "signed")(name, x)

    def served(scale, shots):
        device = circuits(blocks, scale)
        return characterised(device, blocks, {}, shots, np.random.SeedSequence(0))(name, x)

    assert torch.allclose(served(0, np.inf), exact, atol=1e-4)
    assert (served(1, np.inf) - exact).norm() < 0.1 * exact.norm()
    assert torch.equal(served(1, 4096), served(1, 4096))
    assert 0 < (served(0, 4096) - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize("idle", [False, True])
def test_aer_runs_the_same_circuits(tiny_model, tokens, idle):
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=4, target_modules=["v_proj"], layers_to_transform=[0]))
    layers, generator = adapted_layers(model.eval()), torch.manual_seed(1)
    for layer in layers.values():
        torch.nn.init.normal_(layer.cayley_theta["default"].data, std=0.5, generator=generator)
    noise = DeviceNoise.from_backend("FakeFez", scale=2.0, layout=[[0, 1], [5, 4]], idle=idle)
    found = {
        name: synthesise(cayley(layer.cayley_theta["default"].detach().double()).numpy())
        for name, layer in layers.items()
    }
    set_executor(model, NoisyExecutor({name: compile_blocks(item, noise) for name, item in found.items()}))
    simulated = token_losses(model, tokens[:2], 2)
    set_executor(model, AerExecutor(found, noise))
    assert np.abs(token_losses(model, tokens[:2], 2) - simulated).max() < 1e-4


@pytest.mark.parametrize("ansatz", ["full", "brickwork"])
def test_training_through_the_surrogate(tiny_model, tokens, ansatz):
    """A few steps under strong noise lower the loss under that noise."""
    config = CayleyConfig(block_dim=4, target_modules=["v_proj", "o_proj"], ansatz=ansatz)
    model = get_peft_model(tiny_model, config)
    noise = DeviceNoise.from_backend("FakeFez", scale=5.0)
    set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05)
    batch, losses = torch.as_tensor(tokens, dtype=torch.long), []
    for _ in range(12):
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.01


def test_circuits_keep_to_the_configured_threads():
    """numba's pool resets OpenMP's thread count; in the order that the stage uses, torch's stays as configured."""
    code = (
        "import numpy as np, torch\n"
        "from numba import set_num_threads\n"
        "from cayley_adapters.models.base import set_threads\n"
        "from cayley_adapters.simulation.compiled import noisy_probabilities\n"
        "set_num_threads(1); set_threads(1)\n"
        "noisy_probabilities(np.eye(4)[None].repeat(8, 0), np.ones((64, 8, 4), np.float32))\n"
        "print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
