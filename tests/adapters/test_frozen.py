"""Layers below the first adapter run once, and leave everything as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.training.controls import control_config
from cayley_adapters.adapters.training.frozen import first_adapted_layer, from_layer, hidden_states
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter
from cayley_adapters.models.losses import token_losses


@pytest.fixture
def upper(tiny_model):
    """Blocks in the second of two layers only."""
    model = get_peft_model(
        tiny_model, CayleyConfig(block_dim=4, target_modules=["v_proj", "down_proj"], layers_to_transform=[1])
    )
    for layer in adapted_layers(model).values():
        torch.nn.init.normal_(layer.cayley_theta["default"].data, generator=torch.manual_seed(1))
    return model.eval()


def test_the_first_adapted_layer(upper, tiny_model):
    assert first_adapted_layer(upper) == 1
    assert list(adapted_layers(upper)) == ["model.layers.1.self_attn.v_proj", "model.layers.1.mlp.down_proj"]
    everywhere = get_peft_model(upper.unload(), CayleyConfig(block_dim=4, target_modules=["v_proj"]))
    assert first_adapted_layer(everywhere) == 0


@pytest.mark.parametrize("method", ["lora", "oft", "boft", "ia3"])
def test_controls_adapt_the_same_layers(tiny_model, method):
    config = control_config(method, 4, ["v_proj", "down_proj"], [1], [(32, 16), (64, 32)])
    model = get_peft_model(tiny_model, config)
    assert first_adapted_layer(model) == 1
    assert all("layers.1" in name for name, value in model.named_parameters() if value.requires_grad)


def test_starting_at_a_layer_is_the_same_model(upper, tokens, tmp_path):
    expected = token_losses(upper, tokens, 3)
    states = hidden_states(upper, tokens, 1, tmp_path)
    with from_layer(upper, 1):
        losses = token_losses(upper, tokens, 3, states=states[0 : len(tokens)])
    assert np.abs(losses - expected).max() < 1e-5
    assert np.array_equal(token_losses(upper, tokens, 3), expected)
    (path,) = tmp_path.glob("*.safetensors")
    before = path.stat().st_mtime_ns
    hidden_states(upper, tokens, 1, tmp_path)
    assert path.stat().st_mtime_ns == before
    hidden_states(upper, tokens[:2], 1, tmp_path)
    kept = set(tmp_path.glob("*.safetensors"))
    assert len(kept) == 2
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    hidden_states(upper, tokens, 1, tmp_path)
    torch.set_num_threads(threads)
    assert len(set(tmp_path.glob("*.safetensors")) - kept) == 1  # of other last digits


def test_training_from_cached_states_is_the_same_training(tiny_folder, tokens, tmp_path):
    from cayley_adapters.models.base import load_model

    ends = []
    for cached in (False, True):
        config = CayleyConfig(block_dim=4, target_modules=["v_proj"], layers_to_transform=[1])
        model = get_peft_model(load_model(tiny_folder), config)
        states = hidden_states(model, tokens, 1, tmp_path) if cached else None
        text = TrainingText(tokens, len(tokens), None, 1 if cached else 0, states)
        train_adapter(model, text, Recipe(steps=6, batch_windows=2, learning_rate=0.01, distillation=0.0))
        ends.append(next(iter(adapted_layers(model).values())).cayley_theta["default"].detach())
    assert ends[0].abs().max() > 1e-3
    assert (ends[0] - ends[1]).abs().max() < 1e-5
