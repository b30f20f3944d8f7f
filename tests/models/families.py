"""Tiny models with random weights of many architectures, each with what sets it apart from Llama."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

ALTERNATING = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "sliding_window": 5}
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": 5},
    "Qwen2": {},
    "Qwen3": {"head_dim": 16},
    "Gemma": {"head_dim": 8},
    "Gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16, "final_logit_softcapping": 3.0, **ALTERNATING},
    "Gemma3": {"head_dim": 16, "query_pre_attn_scalar": 16, **ALTERNATING},
    "Granite": {
        "embedding_multiplier": 6.0,
        "residual_multiplier": 0.3,
        "attention_multiplier": 0.4,
        "logits_scaling": 4.0,
    },
    "Olmo2": {},
    "Phi3": {"pad_token_id": 0},
    "Cohere": {"logit_scale": 0.3},
    "Cohere2": {"logit_scale": 0.3, **ALTERNATING},
}
"""Architecture → what its configuration has beside :data:`SIZES`."""

SIZES = {
    "vocab_size": 257,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "initializer_range": 0.15,
}

FUSED = ("Phi3",)
"""Architectures whose projections of queries, keys and values are one, and gate and up too."""


def made(kind: str, tied: bool = True) -> Any:
    """A model of an architecture, in evaluation mode."""
    import transformers

    config = getattr(transformers, "Gemma3TextConfig" if kind == "Gemma3" else f"{kind}Config")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        settings = config(**(SIZES | FAMILIES[kind] | {"tie_word_embeddings": tied}))
        return getattr(transformers, f"{kind}ForCausalLM")(settings).eval()


def saved(kind: str, folder: Path, tokenizer: Path, dtype: torch.dtype = torch.float32, tied: bool = True) -> Path:
    """A folder of a model of an architecture, with another model's tokenizer."""
    made(kind, tied).to(dtype).save_pretrained(folder)
    for path in tokenizer.glob("token*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder
