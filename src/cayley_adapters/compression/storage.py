"""Compressed models as folders: safetensors, ``config.json``, the tokenizer, and what was done in
``compression.json``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cayley_adapters.compression.methods import method_named
from cayley_adapters.errors import CayleyError
from cayley_adapters.files import atomic_directory

__all__ = ["load_compressed", "save_compressed"]

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "chat_template.jinja",
)


def save_compressed(
    model: Any,
    folder: Path,
    records: Sequence[dict[str, Any]],
    about: dict[str, Any],
    source: Path | None = None,
) -> None:
    """Save a compressed model.

    Args:
        model: what :func:`cayley_adapters.compress` worked on.
        folder: appears whole or not at all.
        records: what it returned.
        about: ``method`` and anything else worth knowing.
        source: folder of the uncompressed model, whose tokenizer is copied.
    """
    from safetensors.torch import save_file

    with atomic_directory(folder) as temporary:
        model.config.save_pretrained(temporary)
        for name in TOKENIZER if source else ():
            if (source / name).is_file():
                shutil.copyfile(source / name, temporary / name)
        # A tied output embedding shares its storage with the input embedding and is tied again after loading.
        tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
        state = {name: value.contiguous() for name, value in model.state_dict().items() if name not in tied}
        save_file(state, temporary / "model.safetensors", metadata={"format": "pt"})
        description = about | {"projections": list(records)}
        (temporary / "compression.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_compressed(folder: Path | str) -> Any:
    """Load a model written by :func:`save_compressed`, frozen and in evaluation mode.

    Raises:
        CayleyError: a file is missing or does not fit the others.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    folder = Path(folder)
    try:
        config = AutoConfig.from_pretrained(folder)
        description = json.loads((folder / "compression.json").read_text(encoding="utf-8"))
        with no_init_weights():
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            for record in description["projections"]:
                new = method_named(description["method"]).empty(
                    model.get_submodule(record["projection"]), record["size"]
                )
                model.set_submodule(record["projection"], new)
        missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False, assign=True)
        if set(missing) - {"lm_head.weight"} or unexpected:
            raise CayleyError(f"{folder}: weights do not fit compression.json ({missing[:2]} {unexpected[:2]})")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, AttributeError, RuntimeError) as error:
        raise CayleyError(f"{folder} is no compressed model: {error}. Make it again with `cayley compress`.") from error
    model.tie_weights()
    return model.eval().requires_grad_(False)
