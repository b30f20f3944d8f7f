"""Compressed models as folders: safetensors, ``config.json``, the tokenizer, and what was done in
``compression.json``.

``model.safetensors`` holds all weights of a small model. A large one has further parts beside it, and ``unchanged-*``
files: the shards of the original model (hard links where the file system has them), of which only those tensors count
that no part has.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory
from cayley_adapters.models.compression.methods import METHODS, method_named
from cayley_adapters.models.compression.pruning import plain_config
from cayley_adapters.models.files import companions, has_tokenizer, read_json
from cayley_adapters.models.tokenizers import require_same_tokenizer
from cayley_adapters.models.weights import EMBEDDING, HEAD, Weights, empty_model

__all__ = ["PART_BYTES", "Parts", "link_files", "load_compressed", "save_compressed", "write_description"]

PART_BYTES = 2**30
"""A file of weights is closed once it would become larger."""

INDEX = "parts.safetensors.index.json"
"""Which file holds a weight, where others can load the model and its weights are in several files."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, CayleyError)
"""What a damaged folder raises."""


class Parts:
    """Files of weights, written one after the other; the last one is ``model.safetensors``.

    Args:
        folder: where.
        part_bytes: a file is closed once it would become larger.
    """

    def __init__(self, folder: Path, part_bytes: int = PART_BYTES) -> None:
        self._folder, self._limit, self._count = folder, part_bytes, 0
        self._waiting: dict[str, torch.Tensor] = {}

    def add(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take weights, of a whole layer best."""
        size = sum(value.numel() * value.element_size() for value in (*self._waiting.values(), *tensors.values()))
        if self._waiting and size > self._limit:
            self._count += 1
            self._write(f"part-{self._count:05d}.safetensors")
        self._waiting |= {name: value.detach().contiguous() for name, value in tensors.items()}

    def close(self) -> None:
        """Write what is left."""
        self._write("model.safetensors")

    def _write(self, name: str) -> None:
        from safetensors.torch import save_file

        save_file(self._waiting, self._folder / name, metadata={"format": "pt"})
        self._waiting = {}


def link_files(files: Sequence[Path], folder: Path) -> dict[str, int]:
    """Put a model's own files into a folder, as hard links or else as copies.

    Returns:
        Name → when it was last written, nanoseconds: a linked file that someone writes to would change the model.
    """
    written = {}
    for number, path in enumerate(files, start=1):
        target = folder / f"unchanged-{number:05d}.safetensors"
        try:
            os.link(path.resolve(), target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, target)
        written[target.name] = target.stat().st_mtime_ns
    return written


def write_description(
    model: Any,
    folder: Path,
    records: Sequence[dict[str, Any]],
    about: dict[str, Any],
    source: Path | None = None,
    unchanged: dict[str, int] | None = None,
) -> None:
    """Write all but the weights; the arguments are those of :func:`save_compressed` and :func:`link_files`."""
    plain = plain_config(model) if about["method"] != "none" and METHODS[about["method"]].structured else None
    (plain or model.config).save_pretrained(folder)
    if plain:
        _index_parts(folder)
    if source:
        for path in companions(source):
            target = folder / path.relative_to(source)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
        if has_tokenizer(source):
            require_same_tokenizer(source, folder)
    description = about | ({"unchanged": unchanged} if unchanged else {}) | {"projections": list(records)}
    (folder / "compression.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def _index_parts(folder: Path) -> None:
    """Tell transformers of all files of weights: it would take ``model.safetensors`` for the whole."""
    files = Weights([folder / "model.safetensors", *sorted(folder.glob("part-*.safetensors"))]).files
    if len(set(files.values())) > 1:
        index = {"metadata": {}, "weight_map": {name: path.name for name, path in files.items()}}
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        config = read_json(folder / "config.json") | {"transformers_weights": INDEX}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


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
        source: folder of the uncompressed model, of which all goes along that a tokenizer may need.
    """
    with atomic_directory(folder) as temporary:
        # A tied output embedding shares its storage with the input embedding and is tied again after loading.
        if model.get_output_embeddings().weight is not model.get_input_embeddings().weight:
            model.config.tie_word_embeddings = False  # whatever it was configured to be
        tied = {HEAD} if model.config.tie_word_embeddings else set()
        parts = Parts(temporary)
        parts.add({name: value for name, value in model.state_dict().items() if name not in tied})
        parts.close()
        write_description(model, temporary, records, about, source)


def load_compressed(folder: Path | str) -> Any:
    """Load a model written by :func:`save_compressed` or by the ``compress`` stage, frozen and in evaluation mode.

    Its weights are mapped from disk in the precision they have there, see
    :class:`cayley_adapters.models.weights.Weights`.

    Raises:
        CayleyError: a file is missing or does not fit the others.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from transformers import LlamaConfig, LlamaForCausalLM
        >>> from cayley_adapters.models.compression.storage import save_compressed
        >>> sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> model, folder = LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes)), Path(tempfile.mkdtemp(), "model")
        >>> save_compressed(model, folder, compress(model, 0.5, method="svd"), {"method": "svd"})
        >>> type(load_compressed(folder).model.layers[0].mlp.up_proj).__name__
        'FactoredLinear'
    """
    folder = Path(folder)
    try:
        description = read_json(folder / "compression.json")
        unchanged = description.get("unchanged", {})
        for name, written in unchanged.items():
            if not re.fullmatch(r"unchanged-\d+\.safetensors", name):
                raise CayleyError(f"compression.json names {name[:200]!r} as a file of weights")
            status = (folder / name).stat()
            if status.st_nlink > 1 and status.st_mtime_ns != written:
                raise CayleyError(f"the original model was written to since ({name} is linked to it)")
        parts = [folder / "model.safetensors", *sorted(folder.glob("part-*.safetensors"))]
        weights = Weights([*parts, *(folder / name for name in unchanged)])
        model = empty_model(folder, _dtype(weights), weights)
        with torch.device("meta"):
            for record in description["projections"]:
                linear, size = model.get_submodule(record["projection"]), record["size"]
                if not 0 < size <= linear.in_features * linear.out_features:
                    raise CayleyError(f"compression.json gives {record['projection']} the size {size}")
                new = method_named(description["method"]).empty(linear, size, record["projection"])
                model.set_submodule(record["projection"], new.eval())
        known = model.state_dict()
        if unexpected := [name for name, file in weights.files.items() if file in parts and name not in known]:
            raise CayleyError(f"weights do not fit compression.json ({unexpected[:2]})")
        # A linked original was checked when it was prepared.
        weights.check_finite(name for name, file in weights.files.items() if file in parts)
        weights.fill(model)
        for name, buffer in model.named_buffers():
            if name.endswith(".order") and not buffer.sort().values.equal(
                torch.arange(len(buffer), dtype=buffer.dtype)
            ):
                raise CayleyError(f"{name} is no order of outputs")
    except UNREADABLE as error:
        raise CayleyError(f"{folder} is no compressed model: {error}. Make it again with `cayley compress`.") from error
    return model


def _dtype(weights: Weights) -> torch.dtype:
    """The precision of a model's input embedding, which is never compressed, stands for all."""
    (value,) = weights.tensors([EMBEDDING]).values()
    return value.dtype
