"""A model of Llama 3.1 8B's shape with random weights, written shard by shard: for measuring, never for a result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.stats import norm

from cayley_adapters.models.shapes import ModelShape

CONFIG = Path(__file__).with_name("llama31_8b.json")
"""The published configuration."""

LAYERS_A_SHARD = 2


def shape_of(layers: int) -> ModelShape:
    """The published shape with so many layers."""
    config = json.loads(CONFIG.read_text(encoding="utf-8"))
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    kv_heads, vocabulary = config["num_key_value_heads"], config["vocab_size"]
    return ModelShape(hidden, config["intermediate_size"], layers, heads, kv_heads, hidden // heads, vocabulary, False)


def write_model(folder: Path, layers: int, seed: int = 0) -> None:
    """Write configuration and weights, bfloat16, normal with the standard deviation that Llama's are made with.

    Args:
        folder: an empty one.
        layers: decoder layers; the published model has 32.
        seed: of the weights.
    """
    shape = shape_of(layers)
    config = json.loads(CONFIG.read_text(encoding="utf-8")) | {"num_hidden_layers": layers}
    config |= {"bos_token_id": 0, "eos_token_id": 0}  # of the byte-level tokenizer that comes with it
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    generator = np.random.default_rng(seed)
    # Quantiles of the normal distribution at 65,536 places: several times faster than drawing from it, and as fine as
    # bfloat16 is.
    quantiles = torch.from_numpy(0.02 * norm.ppf((np.arange(2**16) + 0.5) / 2**16)).bfloat16().view(torch.int16).numpy()

    def normal(rows: int, columns: int) -> torch.Tensor:
        drawn = quantiles[generator.integers(0, 2**16, (rows, columns), dtype=np.uint16)]
        return torch.from_numpy(drawn).view(torch.bfloat16)

    shards = [{"model.embed_tokens.weight": (shape.vocabulary, shape.hidden)}]
    for first in range(0, layers, LAYERS_A_SHARD):
        shards.append({})
        for layer in range(first, min(first + LAYERS_A_SHARD, layers)):
            for block, names in (
                ("self_attn", ("q_proj", "k_proj", "v_proj", "o_proj")),
                ("mlp", ("gate_proj", "up_proj", "down_proj")),
            ):
                for name in names:
                    inputs, outputs = shape.projection(name)
                    shards[-1][f"model.layers.{layer}.{block}.{name}.weight"] = (outputs, inputs)
            for name in ("input_layernorm", "post_attention_layernorm"):
                shards[-1][f"model.layers.{layer}.{name}.weight"] = (shape.hidden,)
    shards.append({"model.norm.weight": (shape.hidden,), "lm_head.weight": (shape.vocabulary, shape.hidden)})
    weight_map = {}
    for number, tensors in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        made = {
            name: normal(*size) if len(size) == 2 else torch.ones(size, dtype=torch.bfloat16)
            for name, size in tensors.items()
        }
        save_file(made, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {"total_size": 2 * shape.parameters}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
