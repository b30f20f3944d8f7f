"""Cayley adapters where PEFT users take them: half precision, checkpointing, device maps, plain training loops."""

from __future__ import annotations

import pytest
import torch
from peft import PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.models.base import load_model
from cayley_adapters.models.compression.sequential import compress

TARGETS = ["q_proj", "v_proj", "up_proj", "down_proj"]


def with_blocks(base, block_dim=4, **options):
    model = get_peft_model(base, CayleyConfig(block_dim=block_dim, target_modules=TARGETS, **options))
    for layer in adapted_layers(model).values():
        torch.nn.init.normal_(layer.cayley_theta["default"].data, std=0.3, generator=torch.manual_seed(0))
    return model


def gradients(model, x):
    model.train()
    model(input_ids=x, labels=x).loss.backward()
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("factored", [False, True])
@pytest.mark.parametrize("readout", ["signed", "sign_constrained"])
def test_gradient_checkpointing_gives_the_same_gradients(tiny_folder, tokens, factored, readout):
    x = torch.as_tensor(tokens, dtype=torch.long)
    found = []
    for checkpointing in (False, True):
        base = load_model(tiny_folder)
        if factored:
            compress(base, 0.3, tokens=tokens)
        model = with_blocks(base, readout=readout)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        found.append(gradients(model, x))
    assert len(found[0]) == 8
    for name, value in found[0].items():
        assert value.abs().max() > 0, name
        assert torch.allclose(value, found[1][name], atol=1e-6), name


@pytest.mark.parametrize("factored", [False, True])
def test_bfloat16(tiny_folder, tokens, factored):
    x = torch.as_tensor(tokens, dtype=torch.long)
    models = []
    for dtype in (torch.float32, torch.bfloat16):
        base = load_model(tiny_folder)
        if factored:
            compress(base, 0.3, tokens=tokens)
        models.append(with_blocks(base.to(dtype)).eval())
    model = models[1]
    theta = next(iter(adapted_layers(model).values())).cayley_theta["default"]
    assert theta.dtype == torch.float32  # as PEFT keeps trainable weights
    with torch.no_grad():
        expected, logits = models[0](x).logits, model(x).logits
    assert logits.dtype == torch.bfloat16
    assert (logits.float() - expected).norm() < 0.05 * expected.norm()
    assert all(torch.isfinite(value).all() for value in gradients(model, x).values())
    model.to(torch.bfloat16)  # the triangles too: blocks are still solved in float32
    with torch.no_grad():
        assert (model.eval()(x).logits.float() - expected).norm() < 0.1 * expected.norm()


def test_a_mixed_device_map(tiny_folder, tokens, tmp_path):
    """Layers on disk, moved in by accelerate when they run; the blocks are where the layers compute."""
    x = torch.as_tensor(tokens, dtype=torch.long)
    whole = with_blocks(load_model(tiny_folder)).eval()
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.layers.0": "disk", "model.layers.1": "cpu"}
    base = AutoModelForCausalLM.from_pretrained(
        tiny_folder,
        dtype=torch.float32,
        device_map=places | {"model.norm": "cpu", "lm_head": "cpu"},
        offload_folder=tmp_path / "offload",
    )
    assert base.model.layers[0].mlp.up_proj.weight.device.type == "meta"
    model = with_blocks(base).eval()
    with torch.no_grad():
        assert torch.allclose(model(x).logits, whole(x).logits, atol=1e-5)
    found = gradients(model, x)
    expected = gradients(whole, x)
    assert all(torch.allclose(found[name], value, atol=1e-5) for name, value in expected.items())


@pytest.mark.parametrize("bf16", [False, True])
def test_transformers_own_trainer(tiny_folder, tokens, tmp_path, bf16):
    model = with_blocks(load_model(tiny_folder), block_dim=32)
    before = {name: layer.cayley_theta["default"].clone() for name, layer in adapted_layers(model).items()}
    data = [{"input_ids": row, "labels": row} for row in torch.as_tensor(tokens, dtype=torch.long)]
    options = {"per_device_train_batch_size": 6, "report_to": [], "use_cpu": True, "logging_steps": 1, "bf16": bf16}
    arguments = TrainingArguments(tmp_path, max_steps=12, learning_rate=0.01, **options)
    trainer = Trainer(model, arguments, train_dataset=data)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    trainer.save_model(str(tmp_path / "saved"))
    assert losses[-1] < losses[0] - 0.02
    loaded = PeftModel.from_pretrained(load_model(tiny_folder), tmp_path / "saved")
    for name, layer in adapted_layers(loaded).items():
        trained = adapted_layers(model)[name].cayley_theta["default"]
        assert torch.equal(layer.cayley_theta["default"], trained)
        assert (trained - before[name]).abs().max() > 0.01
        q = layer.blocks().detach()
        assert (q.mT @ q - torch.eye(32)).abs().max() < 1e-6


def test_two_adapters_of_different_shape(tiny_folder, tokens):
    x = torch.as_tensor(tokens, dtype=torch.long)
    model = with_blocks(load_model(tiny_folder)).eval()
    with torch.no_grad():
        first = model(x).logits
        model.add_adapter("other", CayleyConfig(block_dim=8, target_modules=["o_proj"]))
        model.set_adapter("other")
        assert torch.equal(model(x).logits, load_model(tiny_folder)(x).logits)
        model.set_adapter("default")
        assert torch.equal(model(x).logits, first)
        model.delete_adapter("other")
        assert torch.equal(model(x).logits, first)


LLAMA_31_8B = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


def test_the_papers_arrangement_has_6144_parameters_at_llama_31_8b():
    """One projection of one attention layer, 1,024 blocks of d = 4, on the meta device: no weights are needed."""
    with torch.device("meta"):
        base = LlamaForCausalLM(LlamaConfig(**LLAMA_31_8B))
    assert sum(value.numel() for value in base.parameters()) == 8_030_261_248
    config = CayleyConfig(block_dim=4, target_modules=["q_proj"], layers_to_transform=[15])
    model = get_peft_model(base, config)
    (layer,) = adapted_layers(model).values()
    assert layer.cayley_theta["default"].shape == (1024, 6)
    assert model.get_nb_trainable_parameters()[0] == 6_144
    assert model(input_ids=torch.zeros(1, 8, dtype=torch.long, device="meta")).logits.shape == (1, 8, 128256)
