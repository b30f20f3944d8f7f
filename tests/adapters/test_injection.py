"""Where blocks go: which modules take them, in which sizes, all of them or none."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.cayley.oft import from_oft
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.sequential import compress

ENDS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def net(*widths: int, kind=nn.Linear) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*[kind(a, b) for a, b in pairwise(widths)])


def dense(layer: CayleyLayer, name: str = "default") -> torch.Tensor:
    """The rotation as one matrix."""
    return torch.block_diag(*layer.blocks(name).detach())


def places(model: nn.Module) -> dict[str, int]:
    return {name: layer.cayley_config["default"].block_dim for name, layer in adapted_layers(model).items()}


@pytest.mark.parametrize("added", [False, True])
def test_a_refused_projection_leaves_no_layer_changed(added):
    """The last projection has 6 inputs, of which 32 are more than four times as many."""
    model = net(8, 8, 6, 4)
    if added:
        model = get_peft_model(model, CayleyConfig(block_dim=2, target_modules=["0"], init_weights=False))
    before = {name: (type(module), id(module)) for name, module in model.named_modules()}
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    state = {name: value.clone() for name, value in model.state_dict().items()}
    config = CayleyConfig(block_dim=32, target_modules=["0", "1", "2"])
    with pytest.raises(CayleyError, match="block_dim=32 is more than 4 times the 6 inputs of 2"):
        model.add_adapter("more", config) if added else get_peft_model(model, config)
    assert {name: (type(module), id(module)) for name, module in model.named_modules()} == before
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == flags
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    if added:
        assert list(model.peft_config) == ["default"]
        model.add_adapter("more", CayleyConfig(block_dim=2, target_modules=["0", "2"]))


def test_several_sizes_on_one_model(tmp_path):
    pattern = {"1": 8, r".*\.2": 2, "2": 16}
    model = get_peft_model(
        nn.ModuleDict({"a": net(16, 16, 16, 4), "b": net(16, 4)}),
        CayleyConfig(block_dim=4, target_modules=["0", "1", "2"], block_dim_pattern=pattern, init_weights=False),
    )
    assert places(model) == {"a.0": 4, "a.1": 8, "a.2": 2, "b.0": 4}
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(nn.ModuleDict({"a": net(16, 16, 16, 4), "b": net(16, 4)}), tmp_path)
    assert places(again) == places(model)
    for name, layer in adapted_layers(again).items():
        assert torch.equal(layer.blocks(), adapted_layers(model)[name].blocks())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_dim_pattern": {"lin": 1}}, r"block_dim_pattern\['lin'\]=1 is no dimension of a block"),
        ({"block_dim_pattern": ["lin"]}, "is no mapping"),
        ({"block_dim_pattern": {"lin": 2}, "ansatz": "brickwork"}, r"use block_dim_pattern\['lin'\]=4 or larger"),
        ({"block_dim": True}, "block_dim=True is no dimension of a block"),
        ({"target_modules": ".*lin", "layers_to_transform": [0]}, "not read where target_modules is text"),
        ({"target_modules": ["lin"], "layers_pattern": "h"}, "add layers_to_transform"),
    ],
)
def test_configurations_that_say_nothing_clear_are_refused(options, message):
    with pytest.raises(CayleyError, match=message):
        CayleyConfig(**options)


def test_oft_adapters_of_several_sizes_become_one(tmp_path):
    from peft import OFTConfig

    base = {"a": nn.Linear(16, 4), "b": nn.Linear(8, 4), "c": nn.Linear(8, 4)}
    config = OFTConfig(r=2, oft_block_size=0, use_cayley_neumann=False, target_modules=["a", "b", "c"])
    get_peft_model(nn.ModuleDict(base), config).save_pretrained(tmp_path / "oft")
    ours = from_oft(tmp_path / "oft", tmp_path / "ours")
    assert (ours.of("a").block_dim, ours.of("b").block_dim, ours.of("c").block_dim) == (8, 4, 4)


def test_names_are_found_as_peft_finds_them(tiny_folder):
    everywhere = {f"model.layers.{index}.{part}" for index in (0, 1) for part in
                  [f"self_attn.{end}" for end in ENDS[:4]] + [f"mlp.{end}" for end in ENDS[4:]]}  # fmt: skip
    for options, wanted in (
        ({"target_modules": "all-linear"}, everywhere),
        ({"target_modules": r".*\.1\.self_attn\.(q|v)_proj"}, {f"model.layers.1.self_attn.{e}_proj" for e in "qv"}),
        (
            {"target_modules": list(ENDS), "layers_to_transform": 1, "exclude_modules": ["o_proj"]},
            {name for name in everywhere if ".1." in name and "o_proj" not in name},
        ),
        (
            {"target_modules": "all-linear", "exclude_modules": r".*mlp.*"},
            {name for name in everywhere if "mlp" not in name},
        ),
        ({}, {name for name in everywhere if name.endswith(("q_proj", "v_proj"))}),
    ):
        model = get_peft_model(load_model(tiny_folder), CayleyConfig(block_dim=2, **options))
        assert set(places(model)) == wanted, options
        model.add_adapter("second", CayleyConfig(block_dim=4, **options))
        assert all("second" in layer.cayley_theta for layer in adapted_layers(model).values())


def test_all_linear_takes_compressed_projections_whole(tiny_model, tokens):
    compress(tiny_model, 0.3, tokens=tokens)
    model = get_peft_model(tiny_model, CayleyConfig(block_dim=2, target_modules="all-linear"))
    assert len(places(model)) == 14
    assert not any(name.endswith("down") for name in places(model))


def test_gpt2s_transposed_projections_rotate_and_merge():
    torch.manual_seed(0)
    base = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=16)).eval()
    model = get_peft_model(base, CayleyConfig(init_weights=False))  # PEFT's default for GPT-2: c_attn
    [(name, layer)] = adapted_layers(model).items()
    assert (name, layer.in_features, layer.out_features) == ("transformer.h.0.attn.c_attn", 16, 48)
    assert isinstance(layer.base_layer, Conv1D)
    x, weight, ids = torch.randn(3, 16), layer.base_layer.weight.clone(), torch.arange(10)[None]
    expected = model(ids).logits
    assert torch.allclose(layer(x), x @ dense(layer).T @ weight + layer.base_layer.bias, atol=1e-5)
    model.merge_adapter()
    assert torch.allclose(layer.base_layer.weight, dense(layer).T @ weight, atol=1e-5)
    assert torch.allclose(model(ids).logits, expected, atol=1e-4)
    model.unmerge_adapter()
    assert torch.allclose(layer.base_layer.weight, weight, atol=1e-5)


def test_torchs_attention_rotates_what_enters_its_projections():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, q, k):
            return self.attention(q, k, k)[0]

    torch.manual_seed(0)
    base, (q, k) = Attends().eval(), torch.randn(2, 3, 5, 8)
    model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["attention"], init_weights=False))
    [layer] = adapted_layers(model).values()
    turn = dense(layer)
    expected = layer.base_layer(q @ turn.T, k @ turn.T, k @ turn.T)[0]
    assert torch.allclose(model(q, k), expected, atol=1e-6)
    calls = []
    layer.executor = lambda key, x: (calls.append(key), x)[1]
    model(q, q)
    assert calls == ["attention"]  # once for the tensor that is query, key and value
    model(q, k)
    assert calls == ["attention"] * 3
    layer.executor = None
    merged = model.merge_and_unload()
    assert type(merged.attention) is nn.MultiheadAttention
    assert torch.allclose(merged(q, k), expected, atol=1e-5)


def test_an_encoder_layer_does_not_pass_its_blocks_by():
    """In evaluation torch reads the attention's weights and never calls it, where it may."""
    torch.manual_seed(0)
    base = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(2, 3, 8)
    with torch.no_grad():
        plain = base(x)
        model = get_peft_model(base, CayleyConfig(block_dim=4, target_modules=["self_attn"], init_weights=False))
        adapted = model.eval()(x)
        assert (adapted - plain).abs().max() > 1e-2
        assert torch.allclose(model.merge_and_unload()(x), adapted, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Embedding(8, 8), "is a Embedding, not a linear projection"),
        (nn.Conv2d(8, 8, 1), "is a Conv2d, not a linear projection"),
        (nn.Linear(8, 8, dtype=torch.complex64), "of complex numbers"),
        (nn.MultiheadAttention(8, 2, kdim=4), "kdim=4, vdim=8, embed_dim=8"),
    ],
)
def test_what_is_no_map_of_real_inputs_is_refused_by_name(module, message):
    with pytest.raises(CayleyError, match=f"^0 .*{message}"):
        get_peft_model(nn.Sequential(module), CayleyConfig(target_modules=["0"]))


def test_a_projection_that_is_never_called_is_refused():
    model = nn.Sequential(nn.MultiheadAttention(8, 2))
    with pytest.raises(CayleyError, match=r"0\.out_proj is read by its attention, which never calls it.*Target 0 "):
        get_peft_model(model, CayleyConfig(target_modules=["out_proj"]))
    assert places(get_peft_model(nn.Sequential(nn.MultiheadAttention(8, 2), nn.Linear(8, 8)),
                                 CayleyConfig(target_modules="all-linear"))) == {"1": 4}  # fmt: skip


def test_names_of_no_projection_are_told():
    with pytest.raises(CayleyError, match=r"block_dim_pattern has 'frist', .*did you mean 'first'\?"):
        get_peft_model(
            nn.ModuleDict({"first": nn.Linear(8, 8)}),
            CayleyConfig(target_modules=["first"], block_dim_pattern={"frist": 2}),
        )
    with pytest.warns(UserWarning, match="target_modules has secnd, which is no adapted projection"):
        get_peft_model(nn.ModuleDict({"first": nn.Linear(8, 8)}), CayleyConfig(target_modules=["first", "secnd"]))
