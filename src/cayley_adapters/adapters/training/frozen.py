"""Layers below the first adapter: they never change, so training text runs through them once."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_file, locked
from cayley_adapters.models.layerwise import causal_model, from_layer, layer_inputs, run_layer
from cayley_adapters.models.placement import input_device
from cayley_adapters.models.weights import opened

__all__ = ["first_adapted_layer", "from_layer", "hidden_states"]


def first_adapted_layer(model: Any) -> int:
    """Index of the lowest decoder layer that holds an adapter of PEFT; 0 if one lies outside all layers."""
    adapted = [name for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    found = [re.search(r"\.layers\.(\d+)\.", name) for name in adapted]
    return min((int(match[1]) if match else 0 for match in found), default=0)


def _whole(path: Path) -> bool:
    """Whether a file is there and can be read; one that cannot is made again, as it would be if it were lost."""
    try:
        with opened(path) as file:
            return file.get_slice("states").get_shape() is not None
    except CayleyError:
        return False


def hidden_states(model: Any, tokens: np.ndarray, first: int, folder: Path) -> Any:
    """What enters a decoder layer, ``(windows, window, hidden)``, computed once and kept on disk.

    Args:
        model: a causal language model; only the layers below ``first`` run.
        tokens: ``(windows, window)`` token ids.
        first: index of the layer.
        folder: where to keep it; a second process waits for the first, and then reads.

    Returns:
        What reads parts of the file when it is sliced.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    # Other threads, another device or another PyTorch give other last digits: results must not tell which came first.
    made_by = f"{torch.__version__} {torch.get_num_threads()} {input_device(model).type}".encode()
    digest = hashlib.sha256(made_by + np.ascontiguousarray(tokens).tobytes()).hexdigest()[:16]
    path = folder / f"layer{first}-{digest}.safetensors"
    with locked(path):
        if not _whole(path):
            base = causal_model(model)
            with torch.no_grad():
                # All windows through one layer, then through the next: weights that come from disk come once.
                states, calls = layer_inputs(base, list(tokens[:, None]))
                for layer, call in zip(base.model.layers[:first], calls, strict=False):
                    states = run_layer(layer, states, call)
            with atomic_file(path) as temporary:
                save_file({"states": torch.cat(states).cpu().contiguous()}, temporary)
    return safe_open(path, framework="pt").get_slice("states")
