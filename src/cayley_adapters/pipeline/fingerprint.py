"""A hash of the code that a stage runs, so that an edit runs again the jobs that it touches and no others."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

__all__ = ["fingerprint", "imported_modules"]

PACKAGE = "cayley_adapters"
ROOT = Path(__file__).parents[1]


def fingerprint(module: str, root: Path = ROOT) -> str:
    """Hex digest of a module of this package and of all modules of the package that it imports, however deep.

    Comments, docstrings and layout do not count: only what runs, and the templates and styles of imported packages.

    Args:
        module: dotted name below the package, such as ``stages.train``.
        root: the package's folder.
    """
    digest = hashlib.sha256()
    for name in sorted(imported_modules(module, root)):
        path = _path(name, root)
        assert path is not None  # else the name would not have been found
        digest.update(name.encode() + _read(path)[0])
        if path.name == "__init__.py":
            for data in sorted(path.parent.iterdir()):
                if data.is_file() and data.suffix not in (".py", ".pyc"):
                    digest.update(data.name.encode() + data.read_bytes())
    return digest.hexdigest()[:16]


def imported_modules(module: str, root: Path = ROOT) -> set[str]:
    """The module and everything of this package that it imports, at the top or inside functions."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _path(name, root)
        if name in found or path is None:
            continue
        found.add(name)
        waiting += _read(path)[1]
    return found


def _path(name: str, root: Path) -> Path | None:
    module = root.joinpath(*name.split("."))
    # The top of the package only re-exports names lazily; what counts is the module that defines them.
    candidates = [module.with_suffix(".py"), module / "__init__.py"] if name else []
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """A module's code without docstrings, and what it imports; read again when the file has changed."""
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _: int) -> tuple[bytes, tuple[str, ...]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: list[str] = []
    for node in ast.walk(tree):
        # Texts that stand alone: docstrings of modules, classes and functions, and those of names below their values.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            parent = node.module.removeprefix(PACKAGE).lstrip(".")
            names += [parent, *(f"{parent}.{alias.name}".lstrip(".") for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name.removeprefix(f"{PACKAGE}.") for alias in node.names if alias.name.startswith(PACKAGE)]
    return ast.dump(tree).encode(), tuple(names)
