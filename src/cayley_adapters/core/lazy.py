"""Names that a package hands on from its modules, loaded when first used, so that importing the package stays quick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazily"]


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """What a package's ``__getattr__`` is to be.

    Args:
        package: its dotted name.
        homes: name → module below the package that defines it.

    Example:
        >>> lazily("cayley_adapters.core", {"nearest": "errors"})("nearest").__name__
        'nearest'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
