"""Weights on disk, mapped into memory instead of read: a page is there once something computes with it.

The system may take mapped pages back at any time, so a model that is larger than the memory can still be used, and two
jobs that use one model share its pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say
from cayley_adapters.models.files import bounded, read_json, weight_files

__all__ = ["DTYPES", "EMBEDDING", "HEAD", "Weights", "empty_model", "opened"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
"""The output and the input embedding."""

FLOATS = ("F64", "F32", "F16", "BF16")
"""What safetensors calls the precisions of weights that are not quantised."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file, which checks its header: sizes, offsets and names.

    Raises:
        CayleyError: it is none, or none any more.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if not path.is_file():  # a pipe or a device would be waited for, without end
            raise OSError("it is no file")
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, ValueError, SafetensorError) as error:
        raise CayleyError(f"{path} is no whole safetensors file ({error}); make, save or fetch it again") from error


class Weights:
    """The tensors of some safetensors files, by name.

    Args:
        files: where two hold a tensor of one name, the first counts.

    Attributes:
        files: tensor's name → file.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files: dict[str, Path] = {}
        for path in files:
            with opened(path) as file:
                for name in file.keys():  # noqa: SIM118 - no dictionary
                    self.files.setdefault(name, path)

    @classmethod
    def of_model(cls, folder: Path) -> Weights:
        """The weights of a model folder as transformers saves it, in one file or several.

        Raises:
            CayleyError: files that its index names are not there, or are no safetensors.
        """
        return cls(weight_files(folder))

    def tensors(self, names: Iterable[str], dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
        """Map some tensors; their pages are given back when the last tensor of a call is forgotten.

        Args:
            names: which.
            dtype: what floating-point numbers become, in memory, where the file has another precision.

        Raises:
            CayleyError: there is no tensor of a name.
        """
        by_file: dict[Path, list[str]] = {}
        for name in names:
            if name not in self.files:
                raise CayleyError(f"the weights in {self._folder} lack {name}")
            by_file.setdefault(self.files[name], []).append(name)
        found = {}
        for path, chosen in by_file.items():
            with opened(path) as file:
                for name in chosen:
                    value = file.get_tensor(name)
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
            CayleyError: the files lack one, or hold one of another shape.
        """
        tied = {HEAD} if model.config.tie_word_embeddings else set()
        names = [
            name
            for name, value in model.state_dict().items()
            if value.is_meta and name.startswith(prefix) and not name.startswith(beside) and name not in tied
        ]
        try:
            model.load_state_dict(self.tensors(names, dtype), strict=False, assign=True)
        except RuntimeError as error:  # of torch, where shapes differ
            raise CayleyError(f"weights do not fit config.json: {' '.join(str(error).split())[:500]}") from None
        if tied and model.lm_head.weight.is_meta:
            model.tie_weights()
        model.requires_grad_(False)

    def check(self, model: Any) -> None:
        """Compare the files with a model that they are to be the weights of, by their headers alone.

        Args:
            model: made by :func:`empty_model`.

        Raises:
            CayleyError: one is missing, not known, quantised, or of another shape.
        """
        known = model.state_dict()
        tied = {HEAD} if model.config.tie_word_embeddings else set()
        ignored = [r"rotary_emb\.inv_freq$", *(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ())]
        kind = type(model).__name__
        if missing := [name for name in known if name not in self.files and name not in tied]:
            raise CayleyError(
                f"the weights of {self._folder} lack {missing[0]}, which a {kind} of its config.json has "
                f"({len(missing)} are missing): they are of another architecture or size; save model and configuration "
                "together"
            )
        extra = [name for name in self.files if name not in known and not any(re.search(p, name) for p in ignored)]
        if extra:
            raise CayleyError(
                f"the weights of {self._folder} hold {extra[0][:200]!r}, which a {kind} of its config.json has not "
                f"({len(extra)} are too many): they are of another architecture or size; save model and configuration "
                "together"
            )
        for path in sorted(set(self.files.values())):
            with opened(path) as file:
                for name in sorted(file.keys() & known.keys()):
                    held = file.get_slice(name)
                    shape, wanted = list(held.get_shape()), list(known[name].shape)
                    if known[name].is_floating_point() and held.get_dtype() not in FLOATS:
                        raise CayleyError(
                            f"{path}: {name} is stored as {held.get_dtype()}: quantised weights are not supported; "
                            "save the model in float32 or bfloat16"
                        )
                    if shape != wanted:
                        raise CayleyError(
                            f"{path}: {name} has shape {shape}, but {wanted} by config.json; save model and "
                            "configuration together"
                        )

    def check_finite(self, names: Iterable[str] | None = None) -> None:
        """Read weights, and refuse those that are no numbers. The system keeps what it has read, memory allowing.

        Args:
            names: which; all by default.

        Raises:
            CayleyError: one holds NaN or infinity.
        """
        for name in self.files if names is None else names:
            (value,) = self.tensors([name]).values()
            if value.is_floating_point() and value.numel() and not all(b.isfinite() for b in torch.aminmax(value)):
                raise CayleyError(
                    f"{self.files[name]}: {name} holds NaN or infinity, so that nothing can be computed with it; save "
                    "or fetch the model again"
                )

    @property
    def _folder(self) -> Path:
        return next(iter(self.files.values())).parent if self.files else Path("nowhere")

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

    def own_head(self) -> bool:
        """Whether there is an output embedding that is not the input embedding.

        A configuration may say that they are one and the files hold two; transformers then believes the files.
        """
        if not {HEAD, EMBEDDING} <= self.files.keys():
            return False
        held = self.tensors([HEAD, EMBEDDING])
        return not torch.equal(held[HEAD], held[EMBEDDING])


def empty_model(folder: Path, dtype: torch.dtype, weights: Weights) -> Any:
    """A causal language model without weights, in evaluation mode: everything is there but its numbers.

    Args:
        folder: holds ``config.json``, and ``generation_config.json`` where answers end otherwise than it says.
        dtype: of the weights to come.
        weights: they themselves, which say whether the output embedding is the input embedding.

    Raises:
        CayleyError: the configuration is of no such model, or its weights are quantised, in ways that only their own
            library reads.
    """
    from accelerate import init_empty_weights
    from transformers import AutoConfig, AutoModelForCausalLM

    if wrong := bounded(read_json(folder / "config.json")):
        raise CayleyError(f"{folder / 'config.json'}: {wrong}")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if getattr(config, "quantization_config", None):
            raise CayleyError(f"{folder} has quantised weights; save the model in float32 or bfloat16 first")
        if config.tie_word_embeddings and weights.own_head():
            config.tie_word_embeddings = False
        # Buffers that no file holds, such as the frequencies of rotary embeddings, are computed at once.
        with init_empty_weights(include_buffers=False):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
        if (folder / "generation_config.json").is_file():
            model.generation_config = _generation(folder) or model.generation_config
    except CayleyError:
        raise
    except Exception as error:  # whatever transformers makes of a configuration that it was not written for
        raise CayleyError(
            f"{folder / 'config.json'} describes no causal language model that transformers can build "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        ) from error
    return model.eval().requires_grad_(False)


def _generation(folder: Path) -> Any:
    """How a model generates, such as which tokens end an answer; None where that cannot be read, which is said."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_dict(read_json(folder / "generation_config.json"))
    except Exception as error:  # of JSON, of the file system, and what transformers makes of odd values
        say(
            f"warning: {folder / 'generation_config.json'} cannot be used ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); answers end as config.json says"
        )
        return None
