"""What names and texts stand for: a definition, a module, or a file of the package."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Class, Module, Use
from cayley_adapters.pipeline.fingerprint.walk import HOLE

__all__ = ["Names", "Node"]

Node = tuple[str, str, str]
"""Kind, module and name: ``definition``, ``module`` (imported and no more), ``whole`` module, ``file``."""

_REFERENCE = re.compile(rf"{PACKAGE}((?:\.\w+)*)(?:(:)(\w*)|(\.)?([{HOLE}{{%]))?")


class Names:
    """The names of a package; modules are read when they are first asked for.

    Args:
        modules: dotted name of each, the package's name first → how to read it.
        files: paths of its other files, the package's name first.
    """

    def __init__(self, modules: Mapping[str, Callable[[], Module]], files: Collection[str]) -> None:
        self.modules, self._files = modules, files
        self._read: dict[str, Module] = {}
        self._below: dict[str, list[str]] = {}

    def module(self, name: str) -> Module | None:
        if name not in self._read and name in self.modules:
            self._read[name] = self.modules[name]()
        return self._read.get(name)

    def used(self, module: Module, use: Use) -> list[Node]:
        kind, rest = use[0], use[1:]
        if kind == "name":
            return self._local(module, rest[0], rest[1:], frozenset())
        if kind == "member":
            return self.followed(rest[0], rest[1], rest[2:])
        if kind == "module":
            return [("module", rest[0], "")] if rest[0] in self.modules else []
        if kind == "text":
            return list(self._named(rest[0]))
        if kind == "beside":
            return self.beside(module)
        return self.beneath(module.name) if kind == "beneath" else [("whole", module.name, "")]

    def _local(self, module: Module, name: str, attributes: Use, seen: frozenset[tuple[str, str]]) -> list[Node]:
        """What a name of a module stands for."""
        found: list[Node] = []
        if name in module.definitions:
            found.append(("definition", module.name, name))
        if (module.name, name) not in seen:
            for target, member in module.imports.get(name, ()):
                found += self.followed(target, member, attributes, seen | {(module.name, name)})
        return found

    def followed(
        self, target: str, member: str, attributes: Use, seen: frozenset[tuple[str, str]] = frozenset()
    ) -> list[Node]:
        """What is meant by a member of a module, or by the module itself where ``member`` is empty."""
        if target not in self.modules:
            return []
        if member == "*":
            return [("whole", target, "")]
        if member:
            return self.member(target, member, attributes, seen)
        if attributes:
            return self.member(target, attributes[0], attributes[1:], seen)
        return [("whole", target, "")]

    def member(
        self, name: str, member: str, attributes: Use, seen: frozenset[tuple[str, str]] = frozenset()
    ) -> list[Node]:
        module = self.module(name)
        if module is None:
            return []
        imported: list[Node] = [("module", name, "")]
        if member in module.definitions or member in module.imports:
            return imported + self._local(module, member, attributes, seen)
        if f"{name}.{member}" in self.modules:
            return imported + self.followed(f"{name}.{member}", "", attributes, seen)
        if member in module.tables and "__getattr__" in module.definitions:  # exported lazily
            home, _, other = module.tables[member].partition(":")
            for full in (home, f"{name}.{home}", f"{PACKAGE}.{home}"):
                if full in self.modules:
                    return imported + self.member(full, other or member, attributes, seen)
        if "__getattr__" in module.definitions:
            return [*imported, ("definition", name, "__getattr__")]
        if member in ("__name__", "__doc__", "__version__"):
            return imported
        return [("whole", name, "")]

    def _named(self, text: str) -> Iterator[Node]:
        """What a text names: ``package.module:name``, a module, or a file by the last part of its path."""
        for below, colon, member, _, hole in _REFERENCE.findall(text):
            name = PACKAGE + below
            if hole:  # and what follows is known only when it runs: anything below
                yield from self.beneath(name if name in self.modules else name.rpartition(".")[0])
            elif colon and member:
                yield from self.member(name, member, ())
            elif below and name in self.modules:
                yield ("whole", name, "")
            elif below:
                home, _, member = name.rpartition(".")
                yield from self.member(home, member, ())
        last = text.rpartition("/")[2]
        yield from (("file", "", path) for path in self._files if path.rpartition("/")[2] == last)

    def beside(self, module: Module) -> list[Node]:
        folder = (module.name if module.package else module.name.rpartition(".")[0]).replace(".", "/")
        return [("file", "", path) for path in self._files if path.startswith(f"{folder}/")]

    def beneath(self, name: str) -> list[Node]:
        if name not in self._below:
            self._below[name] = [other for other in self.modules if other.startswith(f"{name}.") or other == name]
        return [("whole", other, "") for other in self._below[name]]

    def ancestry(self, module: Module, use: Use) -> Iterator[tuple[str, Class]]:
        """A class of the package and all that it extends, the nearest first."""
        for kind, home, name in self.used(module, use):
            owner = self.module(home)
            if kind == "definition" and owner is not None and name in owner.classes:
                made = owner.classes[name]
                yield name, made
                for base in made.bases:
                    yield from self.ancestry(owner, base)
