"""Compression of a model's projections: layer after layer, by interchangeable methods."""

from __future__ import annotations

from cayley_adapters.core.lazy import lazily

_HOMES = {
    "FactoredLinear": "factored",
    "compress": "whole",
    "compress_folder": "streaming",
    "load_compressed": "storage",
    "save_compressed": "storage",
}

__getattr__ = lazily(__name__, _HOMES)
