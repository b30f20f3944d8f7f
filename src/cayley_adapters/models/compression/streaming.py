"""Compression of a model folder layer by layer: no more than one layer's weights are in memory.

Each layer is mapped from the model's files, compressed, written, and forgotten. Files of a model in several shards are
linked, not copied, where they already hold the weights as the compressed model needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cayley_adapters.core.files import atomic_directory
from cayley_adapters.models.compression.methods import METHODS
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import PART_BYTES, Parts, link_files, write_description
from cayley_adapters.models.weights import DTYPES, HEAD, Weights, empty_model

__all__ = ["compress_folder"]


def compress_folder(
    source: Path,
    folder: Path,
    ratio: float,
    about: dict[str, Any],
    *,
    tokens: np.ndarray | None,
    dtype: str = "float32",
    part_bytes: int = PART_BYTES,
    **options: Any,
) -> list[dict[str, Any]]:
    """Compress a model on disk into another folder, which :func:`cayley_adapters.load_compressed` reads.

    Args:
        source: the model, as transformers saves it.
        folder: appears whole or not at all.
        ratio: share of the targets' parameters to remove; at 0 the model stays as it is.
        about: what ``compression.json`` says beside the projections; ``method`` at least.
        tokens: ``(windows, window)`` calibration token ids; for methods that are calibrated.
        dtype: of the compressed model's weights, ``float32`` or ``bfloat16``.
        part_bytes: a file is closed once it would become larger.
        **options: as of :func:`cayley_adapters.compress`.

    Returns:
        One record a projection, as of :func:`cayley_adapters.compress`.

    Raises:
        CayleyError: see there; or the folder is no whole model.
    """
    weights, precision = Weights.of_model(source), DTYPES[dtype]
    model = empty_model(source, precision, weights)
    weights.fill(model, precision, beside="model.layers.")
    with atomic_directory(folder) as temporary:
        # What others are to load holds each weight once; the original's files have those that were pruned as well.
        structured = about["method"] != "none" and METHODS[about["method"]].structured
        linked = set() if structured else _linkable(weights, precision)
        parts, finished = Parts(temporary, part_bytes), set()

        def lend(index: int) -> AbstractContextManager[None]:
            return weights.lent(model, f"model.layers.{index}", precision)

        def done(index: int) -> None:
            prefix = f"model.layers.{index}."
            layer = model.model.layers[index].state_dict()
            parts.add({prefix + name: value for name, value in layer.items() if prefix + name not in linked})
            finished.add(index)

        records = []
        if about["method"] != "none":
            records = compress(model, ratio, tokens=tokens, lend=lend, done=done, **options)
        for index in sorted(set(range(len(model.model.layers))) - finished):
            with lend(index):
                done(index)
        # A tied output embedding shares its storage with the input embedding and is tied again after loading.
        tied = {HEAD} if model.config.tie_word_embeddings else set()
        parts.add(
            {
                name: value
                for name, value in model.state_dict().items()
                if not name.startswith("model.layers.") and name not in linked | tied
            }
        )
        parts.close()
        files = sorted({weights.files[name] for name in linked})
        write_description(model, temporary, records, about, source, link_files(files, temporary))
    return records


def _linkable(weights: Weights, dtype: torch.dtype) -> set[str]:
    """Names of the tensors in files that can be used as they are: shards of a model in the wanted precision."""
    from safetensors import safe_open

    names = {torch.float32: "F32", torch.bfloat16: "BF16"}
    linkable: set[str] = set()
    files: Sequence[Path] = sorted(set(weights.files.values()))
    for path in files if len(files) > 1 else ():
        with safe_open(path, framework="pt") as opened:
            held = list(opened.keys())
            if all(opened.get_slice(name).get_dtype() == names[dtype] for name in held):
                linkable.update(name for name in held if weights.files[name] == path)
    return linkable
