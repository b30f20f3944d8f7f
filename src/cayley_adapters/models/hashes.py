"""Which bytes a run was made of: the model's files, and the user's own files of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cayley_adapters.core.files import sha256
from cayley_adapters.models.files import model_files

__all__ = ["model_hashes", "text_hashes"]


def model_hashes(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of a model's files."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in model_files(folder)}


def text_hashes(data: Mapping[str, Any]) -> dict[str, str]:
    """Number and name → SHA-256 of the user's own files of text, none for the other sources."""
    found = [Path(name) for part in ("train", "test") for name in data[part] or ()]
    return {f"{number} {path.name}": sha256(path) for number, path in enumerate(found, start=1)}
