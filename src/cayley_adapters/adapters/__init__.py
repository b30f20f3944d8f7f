"""Cayley blocks as a PEFT method, and how they and their classical controls are trained."""

from __future__ import annotations

from cayley_adapters.core.lazy import lazily

_HOMES = {
    "CayleyConfig": "cayley",
    "CayleyLayer": "cayley",
    "CayleyModel": "cayley",
    "adapted_layers": "cayley",
    "blocks_of": "cayley",
    "constrain_signs": "cayley",
    "from_oft": "cayley",
    "inverse_cayley": "cayley",
    "load_adapter": "cayley",
    "read_adapter": "cayley",
    "rotate": "cayley",
    "set_executor": "cayley",
    "to_oft": "cayley",
}

__getattr__ = lazily(__name__, _HOMES)
