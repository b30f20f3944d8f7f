"""Distillation, and that training learns, repeats itself, resumes and stays stable for every block dimension."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.adapters.training.distillation import (
    TeacherTargets,
    distillation_loss,
    load_targets,
    save_targets,
    teacher_targets,
)
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.sequential import compress


def text_of(model, tokens, train=None, distil=True) -> TrainingText:
    targets = TeacherTargets(**teacher_targets(model, tokens, top_k=16)) if distil else None
    return TrainingText(tokens, len(tokens) if train is None else train, targets)


def trained(model, text, block_dim=4, **options):
    """Train an adapter of the tiny model with the step that the workflow takes."""
    torch.manual_seed(0)
    rate = options.pop("learning_rate", 0.04) / block_dim
    call = {name: options.pop(name) for name in ("checkpoint", "progress") if name in options}
    adapted = get_peft_model(model, CayleyConfig(block_dim=block_dim, target_modules=["v_proj", "o_proj"]))
    recipe = Recipe(**{"steps": 8, "batch_windows": 2, "learning_rate": rate, **options})
    return adapted, train_adapter(adapted, text, recipe, **call)


def thetas(model) -> torch.Tensor:
    return torch.cat([layer.cayley_theta["default"].detach().flatten() for layer in adapted_layers(model).values()])


def compressed(folder, tokens, train=None):
    """The tiny model with half of its parameters gone, and the text with the whole model's predictions."""
    model = load_model(folder)
    text = text_of(model, tokens, train)
    compress(model, 0.4, tokens=tokens)
    return model, text


def test_distillation_is_the_divergence_where_all_tokens_are_kept():
    student, teacher = torch.randn(3, 5, 20).log_softmax(-1), torch.randn(3, 5, 20).log_softmax(-1)
    expected = (teacher.exp() * (teacher - student)).sum(-1).mean()
    assert distillation_loss(student, teacher).mean().item() == pytest.approx(expected.item(), abs=1e-4)


def test_distillation_is_a_divergence():
    student = torch.randn(4, 50).log_softmax(-1)
    best = student.topk(8)
    assert distillation_loss(best.values, best.values).mean().item() == pytest.approx(0, abs=1e-6)
    other = torch.randn(4, 50).log_softmax(-1).topk(8)
    assert (distillation_loss(student.gather(-1, other.indices), other.values) > 0).all()


def test_teacher_targets_are_the_models_own_and_read_by_parts(tiny_model, tokens, tmp_path):
    targets = teacher_targets(tiny_model, tokens, top_k=5)
    logits = tiny_model(torch.as_tensor(tokens, dtype=torch.long)).logits[:, :-1].log_softmax(-1)
    assert torch.allclose(targets["log_probabilities"], logits.topk(5).values, atol=1e-5)
    save_targets(targets, tmp_path / "t.safetensors")
    values, indices = load_targets(tmp_path / "t.safetensors").batch([4, 1])
    assert torch.equal(values, targets["log_probabilities"][[4, 1]])
    assert torch.equal(indices, targets["indices"][[4, 1]])


def test_training_lowers_the_loss_and_repeats_itself(tiny_folder, tokens):
    curves, ends = [], []
    for _ in range(2):
        adapted, history = trained(*compressed(tiny_folder, tokens), steps=30)
        curves.append([record["loss"] for record in history[1:]])
        ends.append(thetas(adapted))
    assert np.mean(curves[0][-6:]) < np.mean(curves[0][:6])
    assert curves[0] == curves[1]
    assert torch.equal(*ends)


def test_a_cut_off_training_goes_on_to_the_same_result(tiny_folder, tokens, tmp_path):
    options = {"steps": 11, "validate_every": 3, "warmup": 0.2, "schedule": "cosine", "max_grad_norm": 0.5}
    whole, history = trained(*compressed(tiny_folder, tokens, train=4), **options)

    class Cut(Exception):
        pass

    def cut(step: int, *_: object) -> None:
        if step == 8:
            raise Cut

    path = tmp_path / "state.safetensors"
    with pytest.raises(Cut):
        trained(*compressed(tiny_folder, tokens, train=4), **options, checkpoint=Checkpoint(path, "a"), progress=cut)
    steps = []
    resumed, again = trained(
        *compressed(tiny_folder, tokens, train=4),
        **options,
        checkpoint=Checkpoint(path, "a"),
        progress=lambda step, *_: steps.append(step),
    )
    assert steps == [7, 8, 9, 10, 11]  # from the checkpoint of step 6
    assert again == history
    assert torch.equal(thetas(resumed), thetas(whole))
    # A checkpoint of something else, or a torn one, is as good as none.
    for checkpoint in (Checkpoint(path, "b"), Checkpoint(path, "a")):
        steps.clear()
        trained(
            *compressed(tiny_folder, tokens, train=4),
            **options,
            checkpoint=checkpoint,
            progress=lambda step, *_: steps.append(step),
        )
        assert steps[0] == 1
        path.write_bytes(path.read_bytes()[:1000])


def test_the_best_validated_parameters_are_kept(tiny_folder, tokens):
    """A step far too large makes it worse: what is left is the start, whose loss was the lowest."""
    adapted, history = trained(*compressed(tiny_folder, tokens, train=4), steps=6, validate_every=2, learning_rate=10)
    measured = {record["step"]: record["validation"] for record in history if record["validation"] is not None}
    assert list(measured) == [0, 2, 4, 6]
    assert min(measured, key=measured.get) == 0
    assert not thetas(adapted).any()
    seen_before = np.concatenate([tokens[:4], tokens[:4]])  # of random text, nothing else can be learnt
    _, history = trained(*compressed(tiny_folder, seen_before, train=4), steps=20)
    assert history[-1]["validation"] < history[0]["validation"]


def test_schedule_and_clipping(tiny_folder, tokens):
    options = {"steps": 10, "warmup": 0.3, "max_grad_norm": 1e-12, "learning_rate": 0.04}
    model, text = compressed(tiny_folder, tokens)
    adapted, history = trained(model, text, **options)
    rates = [record["learning_rate"] / 0.01 for record in history[1:]]
    assert rates == pytest.approx([0, 1 / 3, 2 / 3, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7])
    assert history[1]["gradient_norm"] > 1e-6
    # Adam divides by the gradients' size, to which it adds 1e-8: clipped far below that, they move nothing.
    assert thetas(adapted).abs().max() < 1e-4


@pytest.mark.parametrize("block_dim", [2, 8, 32])
def test_one_learning_rate_suits_every_block_dimension(tiny_model, tokens, block_dim):
    """The last step is no worse than the first: with a step that ignores d, large blocks leave the basin."""
    _, history = trained(tiny_model, text_of(tiny_model, tokens), block_dim=block_dim, steps=20)
    losses = [record["loss"] for record in history[1:]]
    assert np.mean(losses[-6:]) <= np.mean(losses[:6]) + 0.02


def test_the_base_stays_frozen_and_no_steps_leave_the_identity(tiny_model, tokens):
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    text = text_of(tiny_model, tokens, distil=False)
    adapted, history = trained(tiny_model, text, steps=0, distillation=0.0)
    assert history == [{"step": 0, "validation": None}]
    assert not thetas(adapted).any()
    _, history = trained(adapted.unload(), text, steps=2, distillation=0.0)
    assert all(
        torch.equal(tiny_model.state_dict()[name], value)
        for name, value in before.items()
        if name in tiny_model.state_dict()
    )
    assert history[1]["loss"] == history[1]["cross_entropy"]


def test_divergence_is_reported(tiny_model, tokens):
    text = text_of(tiny_model, tokens, distil=False)
    tiny_model.model.norm.weight.data.fill_(float("inf"))
    with pytest.raises(CayleyError, match=r"lower train\.learning_rate"):
        trained(tiny_model, text, steps=2, distillation=0.0)
