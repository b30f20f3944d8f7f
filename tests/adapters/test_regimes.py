"""The paper's three regimes, its loss and its schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import nn

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.cayley.oft import to_oft
from cayley_adapters.adapters.training.distillation import TeacherTargets, teacher_targets
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, _AdapterObjective, train_adapter
from cayley_adapters.circuits.sizes import block_count
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.settings import compose
from cayley_adapters.simulation.executors import NoisyExecutor
from cayley_adapters.simulation.noisy import noisy
from cayley_adapters.simulation.trained_circuits import circuits_of

TARGETS = ["v_proj", "down_proj"]
EXACT = ["sweep.noise_scale=0", "evaluate.shots=inf"]


def free(base: nn.Module, targets=TARGETS, block_dim=12):
    """A model with blocks that are any matrices."""
    return get_peft_model(
        base, CayleyConfig(block_dim=block_dim, ansatz="free", target_modules=targets, init_weights=False)
    ).eval()


@pytest.mark.parametrize("block_dim", [4, 12, 512, "input"])
def test_unconstrained_blocks_have_a_parameter_an_entry_and_start_as_identities(block_dim):
    """d² of each block, as the paper counts them."""
    inputs = 576
    d = inputs if block_dim == "input" else block_dim
    meta = CayleyLayer(
        nn.Linear(inputs, 4, device="meta"), "one", CayleyConfig(block_dim=block_dim, ansatz="free"), "key"
    )
    assert meta.cayley_theta["one"].numel() == block_count(inputs, d) * d**2
    layer = CayleyLayer(nn.Linear(20, 4), "one", CayleyConfig(block_dim=12, ansatz="free"), "key")
    x = torch.randn(3, 20)
    assert torch.equal(layer(x), layer.base_layer(x))


def test_the_papers_unconstrained_block_on_llama():
    layer = CayleyLayer(nn.Linear(4096, 1, device="meta"), "one", CayleyConfig(block_dim="input", ansatz="free"), "key")
    assert layer.cayley_theta["one"].numel() == 16_777_216


def test_unconstrained_blocks_come_back_from_disk_are_merged_and_taken_off(tiny_folder, tmp_path, tokens):
    x, model = torch.as_tensor(tokens, dtype=torch.long), free(load_model(tiny_folder))
    (layer, *_) = adapted_layers(model).values()
    before = layer.base_layer.weight.clone()
    with torch.no_grad():
        wanted = model(x).logits
        model.save_pretrained(tmp_path)
        again = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path)
        assert torch.equal(again(x).logits, wanted)
        model.merge_adapter()
        assert torch.allclose(model(x).logits, wanted, atol=1e-3)
        model.unmerge_adapter()
    assert torch.equal(layer.base_layer.weight, before)
    with pytest.raises(CayleyError, match="ansatz=free has no counterpart in OFT"):
        to_oft(tmp_path, tmp_path / "oft")


def test_no_circuit_applies_what_is_no_rotation(tiny_folder):
    model = free(load_model(tiny_folder), ["v_proj"], 4)
    (layer, *_) = adapted_layers(model).values()
    with pytest.raises(CayleyError, match="whose ansatz is not free"), noisy(model):
        pass
    config = layer.cayley_config["default"]
    with pytest.raises(CayleyError, match="no circuit applies blocks of ansatz free"):
        circuits_of(layer.cayley_theta["default"].detach(), config, lambda q: q)


def test_an_ideal_device_shows_magnitudes_of_the_products():
    """Of rotations as well: there the length of a slice is that of its product."""
    q = np.random.default_rng(0).normal(size=(2, 3, 3))
    x = torch.randn(4, 5, generator=torch.manual_seed(0))
    y = (nn.functional.pad(x, (0, 1)) @ torch.block_diag(*torch.as_tensor(q).float()).T)[:, :5].abs()
    found = NoisyExecutor({"key": q})("key", x)
    assert torch.allclose(found, torch.where(x < 0, -y, y), atol=1e-5)


@pytest.mark.parametrize(
    ("regime", "made"),
    [
        ("unitary", ("full", "signed")),
        ("sign_constrained", ("full", "sign_constrained")),
        ("unconstrained", ("free", "signed")),
    ],
)
def test_a_regime_is_an_ansatz_and_a_readout(regime, made):
    (settings,) = compose("quickstart", [f"train.regime={regime}", *EXACT])
    assert (settings.train.ansatz, settings.train.readout) == made


@pytest.fixture(scope="module")
def distilled(tiny_folder, tokens):
    """The tiny model with blocks that have learnt something, and the whole model's own logits."""
    teacher = load_model(tiny_folder)
    model = get_peft_model(
        load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=TARGETS, init_weights=False)
    )
    with torch.no_grad():
        logits = teacher(torch.as_tensor(tokens, dtype=torch.long)).logits[:, :-1]
    return model, teacher, logits


def test_the_loss_is_the_papers(distilled, tokens):
    """2 CE + 0.1 KL at temperature 1.5, over the whole vocabulary, without the factor T²."""
    model, teacher, theirs = distilled
    targets = TeacherTargets(**teacher_targets(teacher, tokens, 1_000_000, temperature=1.5))
    recipe = Recipe(1, 1, 0.01, distillation=0.1, cross_entropy=2.0, temperature=1.5)
    objective = _AdapterObjective(model, TrainingText(tokens, len(tokens), targets), recipe)
    figures = objective.gradients(np.arange(len(tokens)))
    with torch.no_grad():
        ours = model(torch.as_tensor(tokens, dtype=torch.long)).logits[:, :-1]
    following = torch.as_tensor(tokens[:, 1:], dtype=torch.long)
    cross_entropy = nn.functional.cross_entropy(ours.flatten(0, 1), following.flatten()).item()
    p, q = ((logits / 1.5).log_softmax(-1) for logits in (theirs, ours))
    divergence = (p.exp() * (p - q)).sum(-1).mean().item()
    assert divergence > 1e-3
    assert figures["cross_entropy"] == pytest.approx(cross_entropy, rel=1e-5)
    assert figures["distillation"] == pytest.approx(divergence, rel=1e-3)
    assert figures["loss"] == pytest.approx(2 * cross_entropy + 0.1 * divergence, rel=1e-5)


def test_the_step_size_rises_over_steps_and_falls_linearly(tiny_folder, tokens):
    model = get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=4, target_modules=TARGETS))
    recipe = Recipe(8, 1, 0.08, distillation=0.0, warmup_steps=3, validate_start=False)
    history = train_adapter(model, TrainingText(tokens, len(tokens)), recipe)
    rates = [0.08 * share for share in (0, 1 / 3, 2 / 3, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5)]
    assert [record["learning_rate"] for record in history] == pytest.approx(rates)
