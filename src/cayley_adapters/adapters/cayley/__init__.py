"""Cayley adapters as a PEFT method: importing this package makes ``peft_type: CAYLEY`` known to PEFT."""

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import CayleyLayer, blocks_of, constrain_signs
from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.cayley.model import CayleyModel, adapted_layers, set_executor
from cayley_adapters.adapters.cayley.oft import from_oft, to_oft
from cayley_adapters.adapters.cayley.registration import register
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.adapters.cayley.transform import cayley, inverse_cayley

__all__ = [
    "CayleyConfig",
    "CayleyLayer",
    "CayleyModel",
    "adapted_layers",
    "blocks_of",
    "cayley",
    "constrain_signs",
    "from_oft",
    "inverse_cayley",
    "load_adapter",
    "read_adapter",
    "rotate",
    "set_executor",
    "to_oft",
]

register(CayleyConfig, CayleyModel)
