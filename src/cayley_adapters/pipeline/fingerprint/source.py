"""Takes a module's text apart into definitions."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Class, Module, Part, Use
from cayley_adapters.pipeline.fingerprint.reader import Reader
from cayley_adapters.pipeline.fingerprint.scopes import bound, imported, type_checking, unfolded

__all__ = ["read_module"]

SETTINGS = f"{PACKAGE}.settings"
JOB = f"{PACKAGE}.core.job"
"""What stages are given is defined in these two: of the sections and of the job they run the methods that they name."""

CHECKS = ("model_validator", "field_validator", "field_serializer", "model_serializer")
"""Decorators of methods that check settings, which are checked once, before any stage is run."""

PURE = {
    *("dataclass", "cache", "lru_cache", "cached_property", "contextmanager", "total_ordering", "wraps", "no_grad"),
    *("with_config", "overload", "final", "runtime_checkable", "compiled"),
}
"""Decorators that do nothing but change what they decorate; any other one may register it."""


def read_module(name: str, package: bool, text: str) -> Module:
    """What a module consists of.

    Args:
        name: dotted, the package's name first.
        package: whether it is an ``__init__``.
        text: its source.
    """
    tree = ast.parse(text)
    # Most modules are given nothing; those that are import it, be it for its type only.
    given = _given(tree, name if package else name.rpartition(".")[0]) if SETTINGS in text or JOB in text else {}
    return _Source(name, package, tree, given).module


class _Source:
    """Sorts the statements of a module."""

    def __init__(self, name: str, package: bool, tree: ast.Module, given: dict[str, str]) -> None:
        self.module = Module(name, package)
        self._home = name if package else name.rpartition(".")[0]
        self._statements: dict[str, list[ast.AST]] = defaultdict(list)
        self._body: list[ast.AST] = []
        self._methods: dict[str, list[Part]] = defaultdict(list)
        self._given = given
        statements = list(_running(tree.body))
        for node in statements:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
        for node in statements:
            self._sort(node)
        settings = name == SETTINGS or name.startswith(f"{SETTINGS}.")
        checked = any(library == "import pydantic" for library in self.module.libraries)
        self._fields = checked and not settings
        for key, nodes in self._statements.items():
            found = self._reader().read(nodes)
            self.module.definitions[key] = replace(found, parts=(*found.parts, *self._methods[key]))
        if self._body:
            self.module.body = self._reader().read(self._body)

    def _reader(self) -> Reader:
        return Reader(self.module.name, self._home, self._fields, self._ours, self._given)

    def _ours(self, name: str) -> bool:
        if name in self.module.imports:
            return any(module.startswith(PACKAGE) or member == "Field" for module, member in self.module.imports[name])
        return name in self.module.classes

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for _, module, member in imported(node, self._home):
            if module.partition(".")[0] != PACKAGE:
                self.module.libraries.add(f"import {module.partition('.')[0]}")
            else:
                self.module.imported |= {module, f"{module}.{member}"}
                if member == "*":
                    self.module.stars.add(module)
        for name, targets in bound([node], self._home).items():
            self.module.imports.setdefault(name, []).extend(targets)

    def _sort(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self._statements[node.name].append(node)
            if any(_name(decorator) not in PURE for decorator in node.decorator_list):
                self.module.acting.add(node.name)
            if isinstance(node, ast.ClassDef):
                self._class(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            self._assignment(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            self._body.append(node)
            for name in bound([node], self._home):
                self._statements[name].append(node)
            for item in ast.walk(node):
                if isinstance(item, (ast.Import, ast.ImportFrom)):
                    self._import(item)

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        """An assignment belongs to the names that it binds, and to those whose parts it changes."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if isinstance(node, ast.AnnAssign) and node.value is None:
            return
        names = {name for name in bound(targets, self._home) if name != "_"}
        roots = {_root(target) for target in targets if isinstance(target, (ast.Attribute, ast.Subscript))}
        for name in names | (roots & self._statements.keys()):
            self._statements[name].append(node)
        if not names and not roots & self._statements.keys():
            self._body.append(node)
        if isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    self.module.tables[str(key.value)] = value.value

    def _class(self, node: ast.ClassDef) -> None:
        methods = [item for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))]
        self.module.classes[node.name] = Class(
            bases=tuple(_use(base) for base in node.bases if _name(base)),
            fields=tuple(
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            ),
            acts=bool(node.keywords) or any(method.name == "__init_subclass__" for method in methods),
        )
        if not ((self.module.name.startswith(SETTINGS) and node.bases) or self.module.name == JOB):
            return
        reader = Reader(self.module.name, self._home, False, lambda _: False, {})
        for method in methods:
            checks = any(_name(decorator) in CHECKS for decorator in method.decorator_list)
            special = method.name.startswith("__")
            if checks or not special:
                node.body.remove(method)
            if not checks and not special:
                kind = "job" if self.module.name == JOB else "section"
                part = reader.part(f"{kind} {method.name}", [method])
                reads = part.reads | {f"{kind} {name}" for name in part.reads}
                self.module.given.append(replace(part, reads=reads))
                self._methods[node.name].append(replace(part, field=method.name))


def _given(tree: ast.Module, home: str) -> dict[str, str]:
    """Names of classes of settings and of jobs, as a module imports them, and which of the two they are."""
    return {
        name: "job" if module == JOB else "section"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name, module, _ in imported(node, home)
        if module == JOB or module.startswith(SETTINGS)
    }


def _running(nodes: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that importing a module runs, those of ``if not TYPE_CHECKING`` among them."""
    for node in nodes:
        if isinstance(node, ast.If):
            names = {item.id for item in ast.walk(node.test) if isinstance(item, ast.Name)}
            if "__name__" in names:  # run as a program
                yield from _running(node.orelse)
                continue
            if (runs := type_checking(node)) is not None:
                yield from _running(runs)
                continue
        yield node


def _name(node: ast.AST) -> str:
    """The last name of a decorator, a base or a class, called or subscripted or neither."""
    return _use(node)[-1]


def _root(node: ast.AST) -> str:
    root, _ = unfolded(node, ast.Subscript)
    return root.id if isinstance(root, ast.Name) else ""


def _use(node: ast.AST) -> Use:
    """A global name with attributes."""
    root, attributes = unfolded(node, ast.Call, ast.Subscript)
    return ("name", root.id if isinstance(root, ast.Name) else "", *attributes)
