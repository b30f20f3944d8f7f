"""Language models and texts: fetched, loaded, checked, cut into windows, and their losses."""

from __future__ import annotations

from cayley_adapters.core.lazy import lazily

_HOMES = {"check_model": "base", "load_model": "base", "load_tokenizer": "base", "locate": "base"}

__getattr__ = lazily(__name__, _HOMES)
