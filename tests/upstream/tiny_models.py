"""Tiny random models under the names that PEFT's tests have for models on the hub, in a local hub cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COMMIT = "0" * 39

WIDE = {"vocab_size": 1024, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = WIDE | {"intermediate_size": 64, "num_key_value_heads": 2, "max_position_embeddings": 512, "pad_token_id": 0}
OPT = {"vocab_size": 1024, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
OPT |= {"word_embed_proj_dim": 32, "max_position_embeddings": 512}
GPT = {"vocab_size": 1024, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
BERT = WIDE | {"intermediate_size": 64, "max_position_embeddings": 512}
BART = {"vocab_size": 1024, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4}
BART |= {"decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 512}
GEMMA = LLAMA | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}

MODELS = {
    "peft-internal-testing/tiny-random-OPTForCausalLM": ("OPTForCausalLM", OPT),
    "peft-internal-testing/opt-125m": ("OPTForCausalLM", OPT | {"num_hidden_layers": 6}),
    "peft-internal-testing/tiny-random-GPT2LMHeadModel": ("GPT2LMHeadModel", GPT),
    "hf-internal-testing/tiny-random-gpt2": ("GPT2LMHeadModel", GPT),
    "peft-internal-testing/tiny-random-GPTJForCausalLM": ("GPTJForCausalLM", GPT | {"rotary_dim": 4}),
    "trl-internal-testing/tiny-random-LlamaForCausalLM": ("LlamaForCausalLM", LLAMA),
    "peft-internal-testing/tiny-dummy-qwen2": ("Qwen2ForCausalLM", LLAMA),
    "hf-internal-testing/tiny-random-MistralForCausalLM": ("MistralForCausalLM", LLAMA),
    "hf-internal-testing/tiny-random-Gemma3ForCausalLM": ("Gemma3ForCausalLM", GEMMA),
    "peft-internal-testing/tiny-random-BertForSequenceClassification": ("BertForSequenceClassification", BERT),
    "peft-internal-testing/tiny-random-RobertaForSequenceClassification": ("RobertaForSequenceClassification", BERT),
    "trl-internal-testing/tiny-LlamaForSequenceClassification-3.2": (
        "LlamaForSequenceClassification",
        LLAMA | {"num_labels": 1},
    ),
    "peft-internal-testing/tiny-random-BertModel": ("BertLMHeadModel", BERT | {"is_decoder": True}),
    "peft-internal-testing/tiny-random-BartForConditionalGeneration": ("BartForConditionalGeneration", BART),
}
REVISIONS = {"peft-internal-testing/tiny-random-BertModel": ("v2.0.0",)}


def make_models(cache: Path) -> None:
    """Write every model as the hub's client keeps a downloaded one: snapshots by commit, and names of commits.

    Args:
        cache: the hub's cache folder.
    """
    for seed, (name, (kind, sizes)) in enumerate(MODELS.items()):
        for number, revision in enumerate(("main", *REVISIONS.get(name, ()))):
            folder, commit = cache / f"models--{name.replace('/', '--')}", f"{COMMIT}{number}"
            (folder / "refs").mkdir(parents=True, exist_ok=True)
            (folder / "refs" / revision).write_text(commit)
            _model(kind, sizes, 100 * number + seed).save_pretrained(folder / "snapshots" / commit)


def _model(kind: str, sizes: dict[str, Any], seed: int) -> Any:
    import torch
    import transformers

    torch.manual_seed(seed)
    model_class = getattr(transformers, kind)
    return model_class(model_class.config_class(**sizes))
