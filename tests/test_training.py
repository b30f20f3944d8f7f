"""Distillation, and that training learns, repeats itself and stays stable for every block dimension."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import get_peft_model

from cayley_adapters.adapters import CayleyConfig, adapted_layers
from cayley_adapters.compression import compress
from cayley_adapters.errors import CayleyError
from cayley_adapters.training import distillation_loss, load_targets, save_targets, teacher_targets, train_adapter


def trained(model, tokens, targets, block_dim=4, steps=8, learning_rate=0.04, distillation=0.5):
    torch.manual_seed(0)
    adapted = get_peft_model(model, CayleyConfig(block_dim=block_dim, target_modules=["v_proj", "o_proj"]))
    options = {"steps": steps, "batch_windows": 2, "learning_rate": learning_rate / block_dim, "seed": 0}
    return adapted, train_adapter(adapted, tokens, targets, distillation=distillation, **options)


def test_distillation_is_the_divergence_where_all_tokens_are_kept():
    student, teacher = torch.randn(3, 5, 20).log_softmax(-1), torch.randn(3, 5, 20).log_softmax(-1)
    indices = torch.arange(20).expand(3, 5, 20)
    expected = (teacher.exp() * (teacher - student)).sum(-1).mean()
    assert distillation_loss(student, teacher, indices).item() == pytest.approx(expected.item(), abs=1e-4)


def test_distillation_is_a_divergence():
    student = torch.randn(4, 50).log_softmax(-1)
    best = student.topk(8)
    assert distillation_loss(student, best.values, best.indices).item() == pytest.approx(0, abs=1e-6)
    other = torch.randn(4, 50).log_softmax(-1).topk(8)
    assert distillation_loss(student, other.values, other.indices) > 0


def test_teacher_targets_are_the_models_own(tiny_model, tokens, tmp_path):
    targets = teacher_targets(tiny_model, tokens, top_k=5)
    logits = tiny_model(torch.as_tensor(tokens, dtype=torch.long)).logits[:, :-1].log_softmax(-1)
    assert torch.allclose(targets.log_probabilities, logits.topk(5).values, atol=1e-5)
    save_targets(targets, tmp_path / "t.safetensors")
    assert torch.equal(load_targets(tmp_path / "t.safetensors").indices, targets.indices)


def test_training_lowers_the_loss_and_repeats_itself(tiny_folder, tokens):
    from cayley_adapters.models import load_model

    curves, thetas = [], []
    for _ in range(2):
        model = load_model(tiny_folder)
        targets = teacher_targets(model, tokens, top_k=16)
        compress(model, 0.4, tokens=tokens)
        adapted, history = trained(model, tokens, targets, steps=30)
        curves.append([record["loss"] for record in history])
        thetas.append(
            torch.cat([layer.cayley_theta["default"].flatten() for layer in adapted_layers(adapted).values()])
        )
    assert np.mean(curves[0][-6:]) < np.mean(curves[0][:6])
    assert curves[0] == curves[1]
    assert torch.equal(thetas[0], thetas[1])


@pytest.mark.parametrize("block_dim", [2, 8, 32])
def test_one_learning_rate_suits_every_block_dimension(tiny_model, tokens, block_dim):
    """The last step is no worse than the first: with a step that ignores d, large blocks leave the basin."""
    targets = teacher_targets(tiny_model, tokens, top_k=16)
    _, history = trained(tiny_model, tokens, targets, block_dim=block_dim, steps=20)
    assert np.mean([r["loss"] for r in history[-6:]]) <= np.mean([r["loss"] for r in history[:6]]) + 0.02


def test_the_base_stays_frozen_and_no_steps_leave_the_identity(tiny_model, tokens):
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    adapted, history = trained(tiny_model, tokens, None, steps=0, distillation=0.0)
    assert history == []
    assert all(not layer.cayley_theta["default"].any() for layer in adapted_layers(adapted).values())
    _, history = trained(adapted.unload(), tokens, None, steps=2, distillation=0.0)
    assert all(
        torch.equal(tiny_model.state_dict()[name], value)
        for name, value in before.items()
        if name in tiny_model.state_dict()
    )
    assert history[0]["loss"] == history[0]["cross_entropy"]


def test_divergence_is_reported(tiny_model, tokens):
    tiny_model.model.norm.weight.data.fill_(float("inf"))
    with pytest.raises(CayleyError, match=r"lower train\.learning_rate"):
        trained(tiny_model, tokens, None, steps=2, distillation=0.0)
