"""Blocks rotate the inputs of any projection, and are merged only into numbers that are what they stand for."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from peft import LoraConfig, get_peft_model, inject_adapter_in_model
from torch import nn
from torch.nn.utils import parametrizations

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.core.errors import CayleyError


class Codes(nn.Parameter):
    """As bitsandbytes keeps 8-bit numbers: a parameter of its own class, scaled by something stored elsewhere."""


class Eight(nn.Linear):
    """A projection of 8-bit numbers with a scale for each row."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        matrix = self.weight.data
        self.scale = matrix.abs().amax(1, keepdim=True) / 127
        self.weight = Codes((matrix / self.scale).round().to(torch.int8), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.weight * self.scale, self.bias)


class StillFloat(Eight):
    """Its parameter's class says that the numbers are codes, whatever their type says."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.weight = Codes(self.weight.float(), requires_grad=False)


class Packed(nn.Module):
    """As GPTQ keeps them: buffers, several codes an integer, and nothing called weight."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        self.register_buffer("qweight", torch.randint(-8, 8, (outputs, inputs), dtype=torch.int32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x, self.qweight.float() / 8)


def float8(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    layer.weight = nn.Parameter(layer.weight.detach().to(torch.float8_e4m3fn), requires_grad=False)
    layer.forward = lambda x: nn.functional.linear(x, layer.weight.float(), layer.bias)
    return layer


def weight_normed(inputs: int, outputs: int) -> nn.Linear:
    return parametrizations.weight_norm(nn.Linear(inputs, outputs))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (Eight, "a Eight whose weight is a Codes of torch.int8"),
        (StillFloat, "a StillFloat whose weight is a Codes of torch.float32"),
        (Packed, "a Packed, which stores no matrix"),
        (float8, "a Linear whose weight is a Parameter of torch.float8_e4m3fn"),
        (weight_normed, "whose weight is a Tensor of torch.float32"),
    ],
)
def test_a_merge_into_codes_is_refused_by_name_and_changes_nothing(make, named):
    torch.manual_seed(0)
    base, x = nn.Sequential(OrderedDict(lin=make(8, 6))).eval(), torch.randn(5, 8)
    model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["lin"], init_weights=False))
    [layer] = adapted_layers(model).values()
    assert layer.cayley_theta["default"].dtype == torch.float32
    expected = layer.base_layer(x @ torch.block_diag(*layer.blocks()).T)
    assert torch.allclose(model(x), expected, atol=1e-6)
    for merge in (model.merge_adapter, model.merge_and_unload):
        with pytest.raises(CayleyError, match=f"^lin .*{named}"):
            merge()
        assert not layer.merged
        assert torch.allclose(model(x), expected, atol=1e-6)


def test_a_matrix_that_others_use_is_not_merged_into(tiny_folder, tokens):
    """A tied output embedding: rotating the matrix would change what every token enters as."""
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(tiny_folder, tie_word_embeddings=True),
        CayleyConfig(block_dim=4, target_modules=["lm_head"], init_weights=False),
    ).eval()
    x = torch.as_tensor(tokens[:1], dtype=torch.long)
    expected = model(x).logits
    with pytest.raises(CayleyError, match=r"lm_head shares its matrix with model\.embed_tokens"):
        model.merge_and_unload()
    assert torch.equal(model(x).logits, expected)


def test_a_module_in_two_places_is_not_merged_into():
    shared = nn.Linear(8, 8)
    model = get_peft_model(
        nn.ModuleDict({"a": shared, "b": shared}), CayleyConfig(target_modules=["a"], init_weights=False)
    )
    with pytest.raises(CayleyError, match="a shares its matrix with b"):
        model.merge_adapter()


def test_blocks_round_another_method_are_not_merged_past_it():
    """LoRA's product meets the rotated input, too, so the matrix alone is not all that the blocks act on."""
    torch.manual_seed(0)
    layer = CayleyLayer(nn.Linear(8, 6), "outer", CayleyConfig(block_dim=4, init_weights=False), "key")
    x, config = torch.randn(5, 8), LoraConfig(target_modules=["base_layer"], init_lora_weights=False)
    inject_adapter_in_model(config, layer, "inner")
    layer.eval()
    expected = layer(x)
    with pytest.raises(CayleyError, match="key has another adapter inside"):
        layer.merge()
    layer.base_layer.merge()
    layer.merge()
    assert torch.allclose(layer(x), expected, atol=1e-5)
