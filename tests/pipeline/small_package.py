"""Packages of a few lines with one stage, ``stages.a``."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from cayley_adapters.pipeline.fingerprint import fingerprint, reached

__all__ = ["code_of", "names_of", "write_file"]


def code_of(root: Path, files: Mapping[str, str]) -> str:
    """Write files, path → text, beside those that there are, and return the hash of the stage's code."""
    for name, text in files.items():
        write_file(root, name, text)
    return fingerprint("stages.a", root)


def write_file(root: Path, name: str, text: str) -> None:
    """Write one file; the folders that it lies in become packages."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    for folder in path.relative_to(root).parents:
        (root / folder / "__init__.py").touch()


def names_of(root: Path) -> set[str]:
    """What the stage's hash is made of."""
    return {name.removeprefix("cayley_adapters.") for name in reached("stages.a", root)}
