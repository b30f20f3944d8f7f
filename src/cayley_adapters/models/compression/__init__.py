"""Compression of a model's projections: layer after layer, by interchangeable methods."""

from cayley_adapters.models.compression.factored import FactoredLinear
from cayley_adapters.models.compression.methods import Method, method_named
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.compression.streaming import compress_folder

__all__ = [
    "FactoredLinear",
    "Method",
    "compress",
    "compress_folder",
    "load_compressed",
    "method_named",
    "save_compressed",
]
