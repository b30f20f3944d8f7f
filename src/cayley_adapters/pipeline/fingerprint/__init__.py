"""A hash of the code that a stage runs, so that an edit runs again the jobs that it touches and no others.

What counts is found definition by definition: from a stage's function on, every name is followed that a definition
uses, through imports, re-exports, attributes of modules and texts such as ``"cayley_adapters.module:name"``, and so are
the statements that importing a module runs. Where it cannot be told what is meant, all that may be meant counts.

Docstrings, comments, layout, annotations and the texts of errors and of messages never count. What is said of a
registered thing, such as its title, and the description of a setting count for stages that read them, as every field
of a registered thing does. What a stage is given, its job and its settings, is written among its rule's parameters: of
their classes it runs the methods that it names, and not the checks that these have passed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Module
from cayley_adapters.pipeline.fingerprint.graph import Graph
from cayley_adapters.pipeline.fingerprint.source import read_module

__all__ = ["fingerprint", "reached"]

ROOT = Path(__file__).parents[2]

_Stamp = tuple[tuple[str, int, int], ...]  # path, time and size of every file

_graphs: dict[Path, tuple[_Stamp, Graph, dict[str, str]]] = {}


def fingerprint(entry: str, root: Path = ROOT) -> str:
    """Hex digest of the code that a stage runs.

    Args:
        entry: where it begins, ``cayley_adapters.stages.train:run``; short for that, ``stages.train``.
        root: the package's folder.
    """
    graph, known = _graph(root)
    if entry not in known:
        lines = graph.reached(*_place(entry))
        told = "\n".join(sorted(f"{' '.join(node)} {line}" for node, line in lines.items()))
        known[entry] = hashlib.sha256(told.encode()).hexdigest()[:16]
    return known[entry]


def reached(entry: str, root: Path = ROOT) -> set[str]:
    """What a stage's hash is made of: ``cayley_adapters.module:name`` of each definition, and the paths of files.

    Args:
        entry: where the stage begins, see :func:`fingerprint`.
        root: the package's folder.
    """
    nodes = _graph(root)[0].reached(*_place(entry))
    return {
        f"{module}:{name.partition(' ')[0]}" if module else name
        for kind, module, name in nodes
        if kind in ("definition", "file")
    }


def _place(entry: str) -> tuple[str, str]:
    module, _, name = entry.removeprefix(f"{PACKAGE}.").partition(":")
    return f"{PACKAGE}.{module}", name or "run"


def _graph(root: Path) -> tuple[Graph, dict[str, str]]:
    """The graph of a package as it is now, and the digests that were made of it."""
    stamp = tuple(sorted(_stamps(str(root))))
    kept = _graphs.get(root)
    if kept is None or kept[0] != stamp:
        modules, files = {}, {}
        for path, time, size in stamp:
            parts = Path(path).relative_to(root).parts
            if path.endswith(".py"):
                package = parts[-1] == "__init__.py"
                name = ".".join([PACKAGE, *parts[:-1], *([] if package else [parts[-1].removesuffix(".py")])])
                modules[name] = partial(_module, name, package, path, time, size)
            else:
                files["/".join([PACKAGE, *parts])] = Path(path).read_bytes
        kept = _graphs[root] = (stamp, Graph(modules, files), {})
    return kept[1], kept[2]


@lru_cache(maxsize=4096)
def _module(name: str, package: bool, path: str, time: int, size: int) -> Module:
    """A module, taken apart once for as long as its file stays as it is, of that time and size."""
    return read_module(name, package, Path(path).read_text(encoding="utf-8"))


def _stamps(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _stamps(entry.path)
            elif not entry.name.endswith((".pyc", ".pyi", ".typed")):
                found = entry.stat()
                yield entry.path, found.st_mtime_ns, found.st_size
