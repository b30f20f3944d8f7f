"""Weights on disk, mapped into memory instead of read: a page is there once something computes with it.

The system may take mapped pages back at any time, so a model that is larger than the memory can still be used, and two
jobs that use one model share its pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cayley_adapters.errors import CayleyError

__all__ = ["DTYPES", "Weights", "empty_model"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Weights:
    """The tensors of some safetensors files, by name.

    Args:
        files: where two hold a tensor of one name, the first counts.

    Attributes:
        files: tensor's name → file.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        from safetensors import safe_open

        self.files: dict[str, Path] = {}
        for path in files:
            with safe_open(path, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - no dictionary
                    self.files.setdefault(name, path)

    @classmethod
    def of_model(cls, folder: Path) -> Weights:
        """The weights of a model folder as transformers saves it, in one file or several.

        Raises:
            CayleyError: files that its index names are not there.
        """
        index = folder / "model.safetensors.index.json"
        if index.is_file():
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        else:
            names = ["model.safetensors"]
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise CayleyError(f"{folder} is not a whole model: {missing[0]} is missing; fetch or save it again")
        return cls([folder / name for name in names])

    def tensors(self, names: Iterable[str], dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
        """Map some tensors; their pages are given back when the last tensor of a call is forgotten.

        Args:
            names: which.
            dtype: what floating-point numbers become, in memory, where the file has another precision.

        Raises:
            CayleyError: there is no tensor of a name.
        """
        from safetensors import safe_open

        by_file: dict[Path, list[str]] = {}
        for name in names:
            if name not in self.files:
                raise CayleyError(f"the weights in {next(iter(self.files.values())).parent} lack {name}")
            by_file.setdefault(self.files[name], []).append(name)
        found = {}
        for path, chosen in by_file.items():
            with safe_open(path, framework="pt") as opened:
                for name in chosen:
                    value = opened.get_tensor(name)
                    found[name] = value.to(dtype) if dtype and value.is_floating_point() else value
        return found

    def fill(self, model: Any, dtype: torch.dtype | None = None, *, prefix: str = "", beside: str = "\0") -> None:
        """Give weights to what has none yet, frozen.

        Args:
            model: made by :func:`empty_model`.
            dtype: see :meth:`tensors`.
            prefix: only to tensors whose name starts so.
            beside: and does not start so.

        Raises:
            CayleyError: the files lack one.
        """
        tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
        names = [
            name
            for name, value in model.state_dict().items()
            if value.is_meta and name.startswith(prefix) and not name.startswith(beside) and name not in tied
        ]
        model.load_state_dict(self.tensors(names, dtype), strict=False, assign=True)
        if tied and model.lm_head.weight.is_meta:
            model.tie_weights()
        model.requires_grad_(False)

    @contextmanager
    def lent(self, model: nn.Module, prefix: str, dtype: torch.dtype | None = None) -> Iterator[None]:
        """Let a part of a model have its weights for a while; a part that has them keeps them.

        Args:
            model: made by :func:`empty_model`.
            prefix: name of the part, a module.
            dtype: see :meth:`tensors`.
        """
        part = model.get_submodule(prefix)
        if not any(value.is_meta for value in part.state_dict().values()):
            yield
            return
        self.fill(model, dtype, prefix=f"{prefix}.")
        try:
            yield
        finally:
            part.to("meta")


def empty_model(folder: Path, dtype: torch.dtype) -> Any:
    """A causal language model without weights, in evaluation mode: everything is there but its numbers.

    Args:
        folder: holds ``config.json``.
        dtype: of the weights to come.

    Raises:
        CayleyError: the weights are quantised, in ways that only their own library reads.
    """
    from accelerate import init_empty_weights
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    if getattr(config, "quantization_config", None):
        raise CayleyError(f"{folder} has quantised weights; save the model in float32 or bfloat16 first")
    # Buffers that no file holds, such as the frequencies of rotary embeddings, are computed at once.
    with init_empty_weights(include_buffers=False):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False)
