"""Classical controls: parameters counted against PEFT's own, on dense and on compressed projections."""

from __future__ import annotations

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.adapters.training.controls import control_config, free_parameters
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model, projections
from cayley_adapters.models.compression.sequential import compress

TARGETS = ["v_proj", "up_proj", "down_proj"]


def controlled(model, method, block_dim=4):
    shapes = [(module.in_features, module.out_features) for module in projections(model, TARGETS).values()]
    return get_peft_model(model, control_config(method, block_dim, TARGETS, None, shapes)), shapes


@pytest.mark.parametrize("method", CONTROLS)
@pytest.mark.parametrize("compression", ["none", "whitened_svd", "mpo"])
def test_controls_start_as_the_base_and_come_back_from_disk(tiny_folder, tokens, tmp_path, method, compression):
    def base():
        model = load_model(tiny_folder)
        if compression != "none":
            compress(model, 0.3, tokens=tokens, method=compression)
        return model

    x = torch.as_tensor(tokens, dtype=torch.long)
    with torch.no_grad():
        expected = base()(x).logits
        model, _ = controlled(base(), method)
        assert torch.allclose(model.eval()(x).logits, expected, atol=1e-5)
        generator = torch.manual_seed(0)
        for value in model.parameters():
            if value.requires_grad:
                value.add_(0.1 * torch.randn(value.shape, generator=generator))
        changed = model(x).logits
        assert not torch.allclose(changed, expected, atol=1e-3)
        model.save_pretrained(tmp_path)
        assert torch.allclose(PeftModel.from_pretrained(base(), tmp_path)(x).logits, changed, atol=1e-5)


def test_parameters_are_as_equal_as_each_method_allows(tiny_folder, tmp_path):
    counts = {}
    for method in CONTROLS:
        model, shapes = controlled(load_model(tiny_folder), method, block_dim=8)
        model.save_pretrained(tmp_path / method)
        counts[method] = free_parameters(load_file(tmp_path / method / "adapter_model.safetensors"))
        if method != "boft":  # which PEFT counts with the entries that it does not use
            assert counts[method] == model.get_nb_trainable_parameters()[0]
    blocks = get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=8, target_modules=TARGETS))
    ours = blocks.get_nb_trainable_parameters()[0]
    assert ours == sum(inputs * 7 // 2 for inputs, _ in shapes)
    assert counts["oft"] == ours
    assert counts["boft"] == ours + sum(outputs for _, outputs in shapes)
    assert abs(counts["lora"] - ours) <= sum(inputs + outputs for inputs, outputs in shapes) / 2
    assert counts["ia3"] == sum({16: 16, 64: 64, 32: 64}[outputs] for _, outputs in shapes)


@pytest.mark.parametrize("method", ["oft", "boft"])
def test_blocks_that_do_not_fit_are_refused(tiny_folder, method):
    with pytest.raises(CayleyError, match="dimension 64 does not divide 32 inputs"):
        controlled(load_model(tiny_folder), method, block_dim=64)


@pytest.mark.parametrize("method", [name for name in CONTROLS if name != "unconstrained"])  # whose layers are ours
def test_merging_into_a_compressed_projection_is_refused_and_not_lost(tiny_folder, tokens, method):
    model = load_model(tiny_folder)
    compress(model, 0.3, tokens=tokens)
    controlled_model, _ = controlled(model, method)
    with pytest.raises(CayleyError, match="keep the adapter"):
        controlled_model.merge_and_unload()
