"""CPU and CUDA agree; skipped where there is no GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from peft import get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.training.frozen import from_layer, hidden_states
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter
from cayley_adapters.models.base import load_model
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.placement import device_named, place

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def test_training_and_evaluation_agree(tiny_folder, tokens, tmp_path):
    ends, losses = [], []
    for name in ("cpu", "auto"):
        base = place(load_model(tiny_folder), device_named(name))
        model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["v_proj"], layers_to_transform=[1]))
        assert next(model.parameters()).device.type == ("cpu" if name == "cpu" else "cuda")
        states = hidden_states(model, tokens, 1, tmp_path / name)
        text = TrainingText(tokens, len(tokens), None, 1, states)
        train_adapter(model, text, Recipe(steps=4, batch_windows=2, learning_rate=0.01, distillation=0.0))
        ends.append(next(iter(adapted_layers(model).values())).cayley_theta["default"].detach().cpu())
        with from_layer(model, 1):
            losses.append(token_losses(model, tokens, 3, states=states[0 : len(tokens)]))
    assert ends[0].abs().max() > 1e-3
    assert (ends[0] - ends[1]).abs().max() < 1e-3
    assert np.abs(losses[0] - losses[1]).max() < 1e-3
