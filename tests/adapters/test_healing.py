"""Healing: its gradient beside autograd's, what it leaves of a model, and adapters that become its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cayley_adapters import compress
from cayley_adapters.adapters.training.healing import (
    HealingLoss,
    HealingObjective,
    Teacher,
    divergence_and_gradient,
    trainable,
)
from cayley_adapters.adapters.training.loop import Recipe, descend
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model

LOSSES = [HealingLoss(), HealingLoss(0.1, 2.0, 1.5), HealingLoss(0.0, 1.0), HealingLoss(1.0, 0.0, 0.5)]


def reference(z, taught, following, loss):
    """The loss by PyTorch's own functions, in float64."""
    z, taught, t = z.double(), taught.double(), loss.temperature
    divergence = nn.functional.kl_div(
        (z / t).log_softmax(-1), (taught / t).log_softmax(-1), log_target=True, reduction="batchmean"
    )
    cross_entropy = nn.functional.cross_entropy(z, following)
    return loss.distillation * divergence + loss.cross_entropy * cross_entropy, divergence, cross_entropy


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_autograds(loss):
    generator = torch.Generator().manual_seed(0)
    z, taught = (3 * torch.randn(70, 40, generator=generator) for _ in range(2))
    following = torch.randint(40, (70,), generator=generator)
    leaf = z.clone().requires_grad_()
    whole, divergence, cross_entropy = reference(leaf, taught, following, loss)
    whole.backward()
    sums, gradient = divergence_and_gradient(z, taught, following, loss)
    assert np.array(sums) / 70 == pytest.approx([divergence.item(), cross_entropy.item()], rel=1e-5)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-8)
    assert divergence_and_gradient(z, taught, following, loss, wanted=False)[0] == sums


def compressed(tiny_folder, method="whitened_svd", ratio=0.5):
    model = load_model(tiny_folder)
    tokens = np.random.default_rng(1).integers(1, 257, size=(8, 24))
    if method != "none":
        compress(model, ratio, method=method, tokens=tokens)
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def text():
    """Forty windows, of which the last four validate."""
    return np.random.default_rng(2).integers(1, 257, size=(40, 24), dtype=np.int32)


def healed(model, tiny_folder, tokens, steps, rank=None, rate=3e-3):
    teacher = Teacher(load_model(tiny_folder), range(len(tokens)))
    torch.manual_seed(0)
    with trainable(model, rank) as student:
        objective = HealingObjective(student, teacher, tokens, len(tokens) - 4)
        recipe = Recipe(steps=steps, batch_windows=2, learning_rate=rate, validate_every=5)
        history = descend(student, objective, recipe, fused=True)
        before_merging = student(torch.as_tensor(tokens[:2], dtype=torch.long)).logits.detach()
    return history, before_merging


def test_a_step_has_the_gradient_of_the_whole_batch(tiny_folder, tokens):
    loss = HealingLoss(0.3, 0.5, 1.5)
    model, teacher = compressed(tiny_folder).requires_grad_(True), load_model(tiny_folder)
    batch = torch.as_tensor(tokens[[0, 3]], dtype=torch.long)
    z, taught = (of(batch).logits[:, :-1].flatten(0, 1) for of in (model, teacher))
    reference(z, taught.detach(), batch[:, 1:].flatten(), loss)[0].backward()
    wanted = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()
    figures = HealingObjective(model, Teacher(teacher, range(0)), tokens, 6, loss).gradients(np.array([0, 3]))
    for name, value in model.named_parameters():
        torch.testing.assert_close(value.grad, wanted[name], rtol=1e-4, atol=1e-6)
    whole, divergence, cross_entropy = reference(z, taught, batch[:, 1:].flatten(), loss)
    found = figures["loss"], figures["distillation"], figures["cross_entropy"]
    assert found == pytest.approx((whole.item(), divergence.item(), cross_entropy.item()), rel=1e-5)


def test_the_teacher_runs_once_a_window_that_is_kept(tiny_folder, tokens):
    model, runs = load_model(tiny_folder), []
    model.model.layers[0].register_forward_hook(lambda *_: runs.append(1))
    teacher = Teacher(model, range(1, 6))
    window = torch.as_tensor(tokens[[2]], dtype=torch.long)
    with torch.no_grad():
        wanted = model(window).logits[0, :-1]
    runs.clear()
    for _ in range(3):
        torch.testing.assert_close(teacher.logits(2, window), wanted, rtol=1e-5, atol=1e-5)
    assert len(runs) == 1
    for _ in range(2):
        teacher.logits(0, window)
    assert len(runs) == 3
    assert len(model.model.layers) == 2


def test_a_whole_model_has_nothing_to_learn_of_itself(tiny_folder, tokens):
    model = compressed(tiny_folder, "none")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with trainable(model, None) as student:
        teacher = Teacher(load_model(tiny_folder), range(0))
        figures = HealingObjective(student, teacher, tokens, 6).gradients(np.array([0, 1]))
        assert max(value.grad.abs().max() for value in student.parameters()) < 1e-6
    assert figures["loss"] == pytest.approx(0, abs=1e-6)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("method", ["whitened_svd", "mpo", "mpo_plain", "width"])
def test_all_weights_are_healed_and_stay_what_they_were(tiny_folder, text, method):
    model = compressed(tiny_folder, method)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    history, _ = healed(model, tiny_folder, text, 40)
    after = model.state_dict()
    assert [*after] == [*before]
    assert all(after[name].shape == value.shape and after[name].dtype == value.dtype for name, value in before.items())
    untouched = {name for name, value in before.items() if torch.equal(after[name], value)}
    assert untouched == {name for name in before if name.endswith(".order")}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    validated = [record["validation"] for record in history if record["validation"] is not None]
    assert min(validated) < 0.95 * validated[0]
    assert not any(value.requires_grad for value in model.parameters())


@pytest.mark.parametrize("method", ["whitened_svd", "mpo", "mpo_plain", "width"])
def test_low_rank_adapters_become_the_weights(tiny_folder, text, method):
    model = compressed(tiny_folder, method)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    history, adapted = healed(model, tiny_folder, text, 40, rank=2)
    merged = model(torch.as_tensor(text[:2], dtype=torch.long)).logits
    torch.testing.assert_close(merged, adapted, rtol=1e-4, atol=1e-4)
    after = model.state_dict()
    assert [*after] == [*before]
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    matrices = {name for name, value in before.items() if ".layers." in name and value.dim() > 1}
    assert changed == matrices
    validated = [record["validation"] for record in history if record["validation"] is not None]
    assert min(validated) < validated[0]


def test_a_model_in_bfloat16_is_trained_in_float32_and_stays_one(tiny_folder, tokens):
    model = compressed(tiny_folder).bfloat16()
    with trainable(model, None) as student:
        assert {value.dtype for value in student.parameters()} == {torch.float32}
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}


def test_a_diverging_healing_says_which_key_to_lower(tiny_folder, text):
    with pytest.raises(CayleyError, match=r"lower heal\.learning_rate"):
        healed(compressed(tiny_folder), tiny_folder, text, 20, rate=1e10)
