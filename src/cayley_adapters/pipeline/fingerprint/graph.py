"""Follows what definitions use, from where a stage begins."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Class, Code, Definition, Field, Module, Part
from cayley_adapters.pipeline.fingerprint.names import Names, Node
from cayley_adapters.pipeline.fingerprint.walk import WHOLE

__all__ = ["Graph"]

TEXTS = ("title", "help", "sentence", "description", "examples")
"""Fields that only people read, of whatever class."""

ENTRIES = ("Entry", "Look")
"""Classes of registered things, and of how these are drawn: each of their fields counts where it is read."""

NOT_FOLLOWED = re.compile(
    rf"{PACKAGE}\.(pipeline\.fingerprint\b.*|pipeline\.provenance:identity|report\.wandb\.tracked:.*)"
)
"""What changes no result: how code is hashed, with it that of a job that was cut off, and what a job has tracked."""


@dataclass
class _Found:
    """What a node comes to: a line for the digest, where to go on, and what counts only where it is read."""

    line: str = ""
    edges: list[Node] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    parts: list[tuple[Part, _Found]] = field(default_factory=list)
    fields: list[tuple[Module, Field]] = field(default_factory=list)


class Graph:
    """The definitions of a package; modules are read when they are first reached.

    Args:
        modules: dotted name of each, the package's name first → how to read it.
        files: path of each other file below the package's folder → how to read it.
    """

    def __init__(self, modules: Mapping[str, Callable[[], Module]], files: Mapping[str, Callable[[], bytes]]) -> None:
        self._names, self._files = Names(modules, files), files
        self._nodes: dict[Node, _Found] = {}
        self._held: dict[Node, frozenset[Node]] = {}
        self._given: list[tuple[Part, _Found]] | None = None

    def reached(self, module: str, name: str) -> dict[Node, str]:
        """All that is reached from a definition, with a line for each that tells its code.

        Args:
            module: dotted name.
            name: of the definition.
        """
        lines: dict[Node, str] = {}
        reads: set[str] = set()
        waiting: dict[str, list[tuple[Node, _Found]]] = defaultdict(list)
        todo: list[Node] = [("module", module, ""), *self._names.member(module, name, ())]

        def add(node: Node, found: _Found) -> None:
            if found.line:
                lines[node] = found.line
            todo.extend(found.edges)
            new = found.reads.union(*(self._names_of(*item) for item in found.fields)) - reads
            reads.update(new)
            for part in found.parts:
                delay(node, *part)
            for read in new:
                for other in waiting.pop(read, ()):
                    add(*other)

        def delay(node: Node, part: Part, found: _Found) -> None:
            owner = f"{node[1]}:{node[2]}"
            node = (*node[:2], f"{node[2]}({part.field}) {part.digest.hex()}")
            ways = [({str(part.field), f"{owner} {part.field}"}, found)]
            if part.field not in TEXTS and part.callee is not None:
                # As one of all fields a text is written out at most; what it names is run where it is read by its name.
                ways.append((WHOLE, _Found(found.line) if part.text else found))
            for names, what in ways:
                if names & reads:
                    add(node, what)
                else:
                    for read in names:
                        waiting[read].append((node, what))

        for part in self._of_givens():
            delay(("given", "", ""), *part)
        seen: set[Node] = set()
        while todo:
            node = todo.pop()
            if node not in seen and not NOT_FOLLOWED.fullmatch(f"{node[1]}:{node[2]}"):
                seen.add(node)
                add(node, self._node(node))
        return lines

    def _of_givens(self) -> list[tuple[Part, _Found]]:
        if self._given is None:
            self._given = []
            for name in self._names.modules:
                # Only these rooms have such: the others need not be read for it.
                if name.startswith((f"{PACKAGE}.settings", f"{PACKAGE}.core.job")):
                    module = self._names.module(name)
                    assert module is not None  # it is among the sources
                    self._given += [(part, self._found(module, part)) for part in module.given]
        return self._given

    # Nodes

    def _node(self, node: Node) -> _Found:
        if node not in self._nodes:
            kind, module, name = node
            if kind == "file":
                content = self._files[name]()
                text = content.decode(errors="replace") if name.endswith((".j2", ".html")) else ""
                reads = set(re.findall(r"\.\s*(\w+)", text))
                self._nodes[node] = _Found(hashlib.sha256(content).hexdigest(), reads=reads)
            else:
                found = self._names.module(module)
                make = {"definition": self._definition, "module": self._imported, "whole": self._everything}[kind]
                self._nodes[node] = _Found() if found is None else make(found, name)
        return self._nodes[node]

    def _definition(self, module: Module, name: str) -> _Found:
        found = self._read(module, module.definitions[name])
        found.edges.append(("module", module.name, ""))
        return found

    def _imported(self, module: Module, _: str) -> _Found:
        found = self._read(module, module.body) if module.body else _Found()
        parent = module.name.rpartition(".")[0]
        found.edges += [("module", name, "") for name in [parent, *module.imported] if name in self._names.modules]
        found.edges += [("whole", name, "") for name in module.stars]
        acting = module.acting | {name for name, made in module.classes.items() if self._acts(module, made)}
        found.edges += [("definition", module.name, name) for name in acting if name in module.definitions]
        found.reads |= module.libraries
        return found

    def _everything(self, module: Module, _: str) -> _Found:
        found = _Found(edges=[("module", module.name, "")])
        found.edges += [("definition", module.name, name) for name in module.definitions]
        for targets in module.imports.values():
            for target, member in targets:
                found.edges += self._names.followed(target, member, ())
        if module.package:
            found.edges += self._names.beside(module)
        return found

    def _read(self, module: Module, definition: Definition) -> _Found:
        counted: list[Code] = [definition]
        waiting: list[Part] = []
        for part in definition.parts:
            part = self._placed(module, part)
            (waiting if self._conditional(module, part) else counted).append(part)
        found = self._found(module, *counted)
        found.parts = [(part, self._found(module, part)) for part in waiting]
        return found

    def _found(self, module: Module, *pieces: Code) -> _Found:
        """What pieces of code come to together, and what each name stands for: it may come to mean another thing."""
        found = _Found()
        told = [piece.digest.hex() for piece in pieces]
        names = []
        for use in {use for piece in pieces for use in piece.uses}:
            found.edges += self._names.used(module, use)
            if use[0] == "name" and use[1] in module.imports:
                names.append(f"{use}={module.imports[use[1]]}")
        found.line = " ".join(told + sorted(names))
        found.reads = found.reads.union(*(piece.reads for piece in pieces))
        found.fields = [(module, item) for piece in pieces for item in piece.fields]
        return found

    # Registries

    def _names_of(self, module: Module, item: Field) -> set[str]:
        """What an attribute of one thing is called: with its registry, where it is known to be one's, else alone."""
        use, name = item
        registries = {
            other for node in self._names.used(module, use) for other in self._holders(node) if node[0] == "definition"
        }
        return {f"{home}:{holder} {name}" for _, home, holder in registries} or {name}

    def _holders(self, node: Node) -> frozenset[Node]:
        """The definitions that hold the things of a registry: itself, or what it is made of."""
        if node not in self._held:
            found, seen, todo = set(), {node}, [node]
            while todo:
                one = todo.pop()
                if any(part.callee is not None for part, _ in self._node(one).parts):
                    found.add(one)
                new = {other for other in self._node(one).edges if other[0] == "definition"} - seen
                seen |= new
                todo += new
            self._held[node] = frozenset(found)
        return self._held[node]

    # Classes

    def _placed(self, module: Module, part: Part) -> Part:
        """A part with its field's name, where a class is called with arguments by their place."""
        if not isinstance(part.field, int) or part.callee is None:
            return part
        names: list[str] = []
        for _, made in self._names.ancestry(module, part.callee):
            names = [*made.fields, *(name for name in names if name not in made.fields)]
        if part.field >= len(names):
            return part
        return replace(part, field=names[part.field])

    def _conditional(self, module: Module, part: Part) -> bool:
        """Whether a part counts only where it is read."""
        if part.callee is None:
            return True
        ancestry = list(self._names.ancestry(module, part.callee))
        if not ancestry:  # not a class of ours: pydantic's Field, or another library's
            return part.callee[-1] == "Field" and part.field in TEXTS
        if isinstance(part.field, int):
            return False
        return (part.text and part.field in TEXTS) or any(name in ENTRIES for name, _ in ancestry)

    def _acts(self, module: Module, made: Class) -> bool:
        return made.acts or any(base.acts for use in made.bases for _, base in self._names.ancestry(module, use))
