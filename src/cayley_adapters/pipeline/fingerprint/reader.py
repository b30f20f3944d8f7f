"""Reads one definition: what it uses, and what of it counts."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from cayley_adapters.pipeline.fingerprint.definitions import Definition, Field, Part, Use
from cayley_adapters.pipeline.fingerprint.scopes import type_checking
from cayley_adapters.pipeline.fingerprint.walk import HOLE, Walk, imports_by_name, last_name, names_in

__all__ = ["Reader"]

SPEECH = ("say", "print", "warn")
"""Functions that write to the terminal, or to a job's log, which nobody reads results from."""

LOGS = ("logging", "logger", "log", "warnings")
"""Objects whose methods do."""

ERRORS = ("Error", "Exception", "Warning", "Exit")
"""How the names of classes of errors end."""


class Reader(Walk):
    """Reads definitions of one module.

    Docstrings, annotations of functions and of variables, and the texts of errors and of messages leave no trace.

    Args:
        module: dotted name of the module.
        home: the package that its relative imports start from.
        fields: whether annotations of a class's fields count: pydantic acts on them.
        ours: says of a global name whether a call of it may be that of a class of the package.
        given: classes that stages are given instances of: name → ``job`` or ``section`` of settings.
    """

    def __init__(
        self, module: str, home: str, fields: bool, ours: Callable[[str], bool], given: Mapping[str, str]
    ) -> None:
        super().__init__(module, home, given)
        self._fields, self._ours = fields, ours
        self._parts: list[Part] = []

    def read(self, nodes: Iterable[ast.AST]) -> Definition:
        """What the statements of one definition come to."""
        for node in nodes:
            self.visit(node)
        if self._has_given:
            self._reads |= {f"{kind} {name}" for name in self._open for kind in ("job", "section")}
        return Definition(*self._told(), tuple(self._parts))

    def part(self, field: str | int, nodes: Iterable[ast.AST], callee: Use | None = None, text: bool = False) -> Part:
        """The same of something that counts only where it is read."""
        kept = self._tokens, self._uses, self._reads, self._read_of
        self._tokens, self._uses, self._reads, self._read_of = [], set(), set(), set()
        for node in nodes:
            self.visit(node)
        found = Part(*self._told(), field, callee, text)
        self._tokens, self._uses, self._reads, self._read_of = kept
        return found

    def _told(self) -> tuple[bytes, frozenset[Use], frozenset[str], frozenset[Field]]:
        digest = hashlib.sha256(repr(self._tokens).encode()).digest()
        return digest, frozenset(self._uses), frozenset(self._reads), frozenset(self._read_of)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._tokens += ["ClassDef", node.name]
        for part in (node.decorator_list, node.bases, node.keywords):
            self._value(part)
        # Of a plain class annotations decide nothing, but that they say what is no field.
        counted = self._fields and bool(node.bases or node.decorator_list)
        self._tokens.append("(")
        for item in node.body:
            if isinstance(item, ast.AnnAssign):
                if counted or {"ClassVar", "InitVar", "KW_ONLY"} & names_in(item.annotation):
                    self.visit(item.annotation)
                self._tokens.append("field")
                self.visit(item.target)
            self.visit(item)
        self._tokens.append(")")

    def visit_Expr(self, node: ast.Expr) -> None:
        if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
            self._tokens.append("Expr")
            self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._tokens.append("Assign")
            self._value([node.target])
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)

    def visit_If(self, node: ast.If) -> None:
        runs = type_checking(node)
        if runs is not None:
            self._value(runs)
            return
        self._tokens.append("If")
        self.visit(node.test)
        self._value(node.body)
        self._value(node.orelse)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._tokens.append("Raise")
        self._hushed("texts", [node.exc])
        self._value(node.cause)

    def _hushed(self, quiet: str, values: Iterable[Any]) -> None:
        kept, self._quiet = self._quiet, self._quiet or quiet
        for value in values:
            self._value(value)
        self._quiet = kept

    def visit_Call(self, node: ast.Call) -> None:
        self._tokens.append("Call")
        self.visit(node.func)
        name = last_name(node.func)
        given = [*node.args, *node.keywords]
        if name.endswith(ERRORS):
            self._hushed("texts", given)
        elif _speaks(node, name):
            self._hushed("calls", given)
        elif name == "register_post_import_hook" and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
            self._hook(node)
        elif name.lstrip("_")[:1].isupper() and (callee := self._callee(node.func)) is not None:
            named: list[tuple[int | str | None, Any]] = [(item.arg, item) for item in node.keywords]
            for field, argument in [*enumerate(node.args), *named]:
                if field is None or isinstance(argument, ast.Starred):
                    self.visit(argument)
                else:
                    text = _is_text(argument.value if isinstance(argument, ast.keyword) else argument)
                    self._tokens.append("part")
                    self._parts.append(self.part(field, [argument], callee, text))
        else:
            if imports_by_name(node) and node.args:
                anchors = [*node.args[1:2], *(item.value for item in node.keywords)]
                self._relative(self._folded(node.args[0]), anchors)
            self._value(given)

    def _relative(self, name: str, anchors: list[ast.expr]) -> None:
        """A module that is imported by its name below a package, this one's if none is named."""
        if name.startswith((".", HOLE + ".")):
            anchor = self._folded(anchors[0]).strip(HOLE) if anchors else ""
            self._text((anchor or self._home) + name.lstrip(HOLE))

    def _callee(self, function: ast.expr) -> Use | None:
        """The class that is called, where it may be one of the package or pydantic's ``Field``."""
        callee = self._meant(function)
        return None if callee and callee[0] == "name" and not self._ours(callee[1]) else callee

    def _hook(self, node: ast.Call) -> None:
        """What is to run once another package is imported counts where that is; a module is then imported only."""
        assert isinstance(node.args[1], ast.Constant)  # see where this is called
        part = self.part(f"import {node.args[1].value!s}", node.args)
        uses = {("module", use[1]) if use[0] == "text" else use for use in part.uses}
        self._parts.append(replace(part, uses=frozenset(uses)))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _speaks(node: ast.Call, name: str) -> bool:
    if isinstance(node.func, ast.Attribute):
        return isinstance(node.func.value, ast.Name) and node.func.value.id.strip("_") in LOGS
    files = [keyword.value for keyword in node.keywords if keyword.arg == "file"]
    return name in SPEECH and all(isinstance(file, ast.Attribute) and file.attr == "stderr" for file in files)
