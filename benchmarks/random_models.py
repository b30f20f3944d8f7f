"""Models of any size with random weights and SmolLM2's tokenizer: for times and memory, not for results."""

from __future__ import annotations

import shutil
from pathlib import Path

from cayley_adapters.core.files import atomic_directory
from cayley_adapters.models.base import locate

__all__ = ["random_llama"]


def random_llama(folder: Path, hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int) -> Path:
    """Write a Llama with tied embeddings into a folder, unless it is there.

    Returns:
        The folder, for ``model=local model.path=FOLDER``.
    """
    if folder.exists():
        return folder
    import torch
    from transformers import AutoConfig, LlamaForCausalLM

    source = locate({"name": "smollm2_135m", "source": "embedded"})
    config = AutoConfig.from_pretrained(source)
    config.update({"hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers})
    config.update({"num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": hidden // heads})
    torch.manual_seed(0)
    with atomic_directory(folder) as temporary:
        LlamaForCausalLM(config).save_pretrained(temporary)
        for path in source.iterdir():
            if path.name.startswith(("tokenizer", "special_tokens", "chat_template")):
                shutil.copyfile(path, temporary / path.name)
    return folder
