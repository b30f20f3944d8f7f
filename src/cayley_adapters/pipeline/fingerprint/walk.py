"""Walks over code: what it uses, and tokens that tell what it does."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Field, Use
from cayley_adapters.pipeline.fingerprint.scopes import Scope, bound, imported, parameters, unfolded

__all__ = ["HOLE", "WHOLE", "Walk", "imports_by_name", "last_name", "names_in"]

BESIDE = ("__file__", "__path__", "__package__", "__spec__", "__loader__")
"""By these a module finds the files beside it."""

ANYTHING = ("globals", "eval", "exec", "__builtins__")
"""With these it may use whatever it defines."""

WHOLE = {"asdict", "astuple", "vars", "__dict__"}
"""By these all fields of an object are read."""

HOLE = "\0"
"""Stands in a text for what is only known when it runs."""

_SKIPPED = frozenset({"ctx", "type_comment", "kind", "annotation", "returns"})


@dataclass
class _Frame:
    """Names of a function or of a comprehension: what they were imported as, and of some what they stand for."""

    local: Scope
    given: Mapping[str, str] = field(default_factory=dict)  # parameter → which of what a stage is given it is
    things: dict[str, Use] = field(default_factory=dict)  # name → the registry that its one thing is taken of


class Walk(ast.NodeVisitor):
    """Walks over the statements of a definition; annotations of functions leave no trace.

    Args:
        module: dotted name of the module.
        home: the package that its relative imports start from.
        given: classes that stages are given instances of: name → ``job`` or ``section`` of settings.
    """

    def __init__(self, module: str, home: str, given: Mapping[str, str]) -> None:
        self._module, self._home, self._given = module, home, given
        self._has_given = False
        self._open: set[str] = set()  # attributes of what may be of such a class
        self._tokens: list[Any] = []
        self._uses: set[Use] = set()
        self._reads: set[str] = set()
        self._read_of: set[Field] = set()
        self._frames: list[_Frame] = []
        self._quiet = ""  # "texts": they leave no trace; "calls": what they call does

    def generic_visit(self, node: ast.AST) -> None:
        """Take down a node that nothing is known of."""
        self._tokens.append(type(node).__name__)
        for name in node._fields:
            if name not in _SKIPPED:
                self._value(getattr(node, name, None))

    def _value(self, value: Any) -> None:
        if isinstance(value, list):
            self._tokens.append("(")
            for item in value:
                self._value(item)
            self._tokens.append(")")
        elif isinstance(value, ast.AST):
            self.visit(value)
        else:
            self._tokens.append(value)

    def _name(self, name: str, attributes: tuple[str, ...]) -> None:
        """A name and the attributes that are read of it."""
        self._tokens.append(" ".join(["Name", name, *attributes]))
        frame = self._frame(name)
        kind = frame.given.get(name) if frame else None
        if kind is None:
            self._open.update(attributes)
        else:  # of a job nothing is a section, and of a section nothing a job
            self._reads.update(f"{kind} {item}" for item in attributes[: 1 if kind == "job" else None])
        if attributes and frame and (registry := frame.things.get(name)):
            self._read_of.add((registry, attributes[0]))
            self._reads.update(attributes[1:])
        elif kind is None:  # a job and a section are no registered things
            self._reads.update(attributes, {name} & WHOLE)
        use = self._use_of(name, attributes)
        if use is not None:
            self._uses.update(use)
        elif name in ANYTHING:
            self._uses.add(("own",))
        elif name in BESIDE:
            self._uses.update([("beside",)] + [("beneath",)] * (name == "__path__"))
        else:
            self._uses.add(("name", name, *attributes))
            if (name, *attributes[:1]) == ("sys", "modules"):
                self._uses.add(("own",))

    def _frame(self, name: str) -> _Frame | None:
        """Where a name is local; None for a global one."""
        return next((frame for frame in reversed(self._frames) if name in frame.local), None)

    def _use_of(self, name: str, attributes: tuple[str, ...]) -> list[Use] | None:
        """What a local name was imported as, nothing for others that are local; None for a global one."""
        frame = self._frame(name)
        if frame is None:
            return None
        return [("member", module, member, *attributes) for module, member in frame.local[name]]

    def _meant(self, node: ast.AST) -> Use | None:
        """The one thing that a name with attributes stands for; None for anything else."""
        base, attributes = unfolded(node)
        if not isinstance(base, ast.Name):
            return None
        local = self._use_of(base.id, attributes)
        return ("name", base.id, *attributes) if local is None else local[0] if len(local) == 1 else None

    def visit_Name(self, node: ast.Name) -> None:
        self._name(node.id, ())

    def visit_Attribute(self, node: ast.Attribute) -> None:
        base, attributes = unfolded(node)
        if isinstance(base, ast.Name):
            self._name(base.id, attributes)
            return
        self._tokens.append(" ".join(["Attribute", *attributes]))
        self._open.update(attributes)
        if registry := self._registry(base):
            self._read_of.add((registry, attributes[0]))
        self._reads.update(attributes[1:] if registry else attributes)
        named = self._folded(base.args[0]) if isinstance(base, ast.Call) and base.args and imports_by_name(base) else ""
        if named.startswith(PACKAGE) and not {HOLE, ":"} & set(named):
            assert isinstance(base, ast.Call)  # or nothing would be named
            self._uses.add(("member", named, "", *attributes))
            self._tokens.append(named)
            self.visit(base.func)
        else:
            self.visit(base)

    def _registry(self, node: ast.AST) -> Use | None:
        """The registry that a thing is taken of by its name, ``METHODS[name]``."""
        return self._meant(node.value) if isinstance(node, ast.Subscript) else None

    def _taken(self, body: list[ast.AST]) -> dict[str, Use]:
        """Local names that stand for one thing of a registry, and for nothing else."""
        found: dict[str, Use] = {}
        for node in body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name, registry = node.targets[0].id, self._registry(node.value)
                if registry and sum(_stores(item, name) for other in body for item in ast.walk(other)) == 1:
                    found[name] = registry
        return found

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, module, member in imported(node, self._home):
            self._tokens += ["Import", name, module, member]
            self._uses.update([("module", module), ("module", f"{module}.{member}")])
            self._reads.add(f"import {module.partition('.')[0]}")
            if member == "*":
                self._uses.add(("member", module, ""))

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self._tokens.append(type(node).__name__)
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        if not isinstance(node, ast.Lambda):
            self._tokens.append(node.name)
            self._value(node.decorator_list)
        arguments = node.args
        self._value(arguments.defaults)
        self._value(arguments.kw_defaults)
        counts = [len(items) for items in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)]
        names = [item.arg for item in parameters(arguments)]
        hints = {item.arg: item.annotation for item in parameters(arguments) if item.annotation is not None}
        given = {name: found for name, hint in hints.items() if (found := names_in(hint) & self._given.keys())}
        self._has_given = self._has_given or bool(given)
        kinds = {name: self._given[min(found)] for name, found in given.items() if isinstance(hints[name], ast.Name)}
        self._tokens += [*counts, arguments.vararg is None, arguments.kwarg is None, *names]
        local = bound(body, self._home)
        self._frames.append(_Frame(dict.fromkeys(names, ()) | local, kinds))
        taken = self._taken(body)
        self._frames[-1].things = {name: use for name, use in taken.items() if name not in names and name in local}
        self._value(body)
        self._frames.pop()

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._tokens.append(type(node).__name__)
        self.visit(node.generators[0].iter)
        self._frames.append(_Frame(bound((item.target for item in node.generators), self._home)))
        for index, item in enumerate(node.generators):
            self.visit(item.target)
            if index:
                self.visit(item.iter)
            self._value(item.ifs)
            self._tokens.append(item.is_async)
        for name in ("key", "elt", "value"):
            self._value(getattr(node, name, None))
        self._frames.pop()

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            if self._quiet:
                return
            self._text(value)
            if value.isidentifier():
                self._reads.add(value)
        self._tokens.append((value,))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        holes = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        if self._quiet:
            for hole in holes if self._quiet == "calls" else ():
                if any(isinstance(item, (ast.Call, ast.NamedExpr, ast.Await)) for item in ast.walk(hole.value)):
                    self.visit(hole.value)
            return
        self._text(self._folded(node))
        self._tokens.append("JoinedStr")
        for part in node.values:
            if isinstance(part, ast.Constant):
                self._tokens.append((part.value,))
            else:
                self.visit(part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not self._quiet and isinstance(node.op, ast.Add) and (text := self._folded(node)).strip(HOLE):
            self._text(text)
        self._tokens.append("BinOp")
        for part in (node.op, node.left, node.right):
            self.visit(part)

    def _folded(self, node: ast.AST) -> str:
        """A text as far as it is known before it runs."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else HOLE
        if isinstance(node, ast.Name) and node.id == "__name__":
            return self._module
        if isinstance(node, ast.JoinedStr):
            return "".join(
                self._folded(part.value if isinstance(part, ast.FormattedValue) and part.conversion == -1 else part)
                for part in node.values
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._folded(node.left) + self._folded(node.right)
        return HOLE

    def _text(self, text: str) -> None:
        # The name of a file has a dot near its end.
        if PACKAGE in text or "." in text[-8:]:
            self._uses.add(("text", text))


def _stores(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)


def last_name(function: ast.expr) -> str:
    """The last name of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def names_in(node: ast.AST) -> set[str]:
    return {item.id if isinstance(item, ast.Name) else getattr(item, "attr", "") for item in ast.walk(node)}


def imports_by_name(node: ast.Call) -> bool:
    return last_name(node.func) in ("import_module", "__import__", "load")
