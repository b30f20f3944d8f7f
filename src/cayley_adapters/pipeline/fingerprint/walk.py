"""Walks over code: what it uses, and tokens that tell what it does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Field, Use
from cayley_adapters.pipeline.fingerprint.scopes import Scope, bound, hints, imported, parameters

__all__ = ["HOLE", "WHOLE", "Walk", "imports_by_name", "last_name", "names_in"]

BESIDE = ("__file__", "__path__", "__package__", "__spec__", "__loader__")
"""By these a module finds the files beside it."""

ANYTHING = ("globals", "eval", "exec", "__builtins__")
"""With these it may use whatever it defines."""

WHOLE = {"asdict", "astuple", "vars", "__dict__"}
"""By these all fields of an object are read."""

HOLE = "\0"
"""Stands in a text for what is only known when it runs."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SKIPPED = frozenset({"ctx", "type_comment", "kind", "annotation", "returns"})


class Walk:
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
        self._hinted: list[dict[str, str]] = []
        self._tokens: list[Any] = []
        self._uses: set[Use] = set()
        self._reads: set[str] = set()
        self._read_of: set[Field] = set()
        self._things: list[dict[str, Use]] = []
        self._scopes: list[Scope] = []
        self._quiet = ""  # "texts": they leave no trace; "calls": what they call does
        self._visitors: dict[type, Callable[[Any], None]] = {
            ast.AsyncFunctionDef: self._function,
            ast.Attribute: self._attribute,
            ast.BinOp: self._operation,
            ast.Constant: self._constant,
            ast.FunctionDef: self._function,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.JoinedStr: self._joined,
            ast.Lambda: self._function,
            ast.Name: lambda node: self._name(node.id, ()),
            **dict.fromkeys(_COMPREHENSIONS, self._comprehension),
        }

    def _visit(self, node: ast.AST) -> None:
        visitor = self._visitors.get(type(node))
        if visitor is not None:
            visitor(node)
            return
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
            self._visit(value)
        else:
            self._tokens.append(value)

    def _name(self, name: str, attributes: tuple[str, ...]) -> None:
        """A name and the attributes that are read of it."""
        self._tokens.append(" ".join(["Name", name, *attributes]))
        kind = self._kind_of(name)
        if kind is None:
            self._open.update(attributes)
        else:  # of a job nothing is a section, and of a section nothing a job
            self._reads.update(f"{kind} {item}" for item in attributes[: 1 if kind == "job" else None])
        if attributes and (registry := self._things_of(name)):
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

    def _use_of(self, name: str, attributes: tuple[str, ...]) -> list[Use] | None:
        """What a local name was imported as, nothing for others that are local; None for a global one."""
        for scope in reversed(self._scopes):
            if name in scope:
                return [("member", module, member, *attributes) for module, member in scope[name]]
        return None

    def _attribute(self, node: ast.Attribute) -> None:
        attributes: list[str] = []
        base: ast.AST = node
        while isinstance(base, ast.Attribute):
            attributes.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            self._name(base.id, tuple(attributes))
            return
        self._tokens.append(" ".join(["Attribute", *attributes]))
        self._open.update(attributes)
        if registry := self._registry(base):
            self._read_of.add((registry, attributes.pop(0)))
        self._reads.update(attributes)
        named = self._folded(base.args[0]) if isinstance(base, ast.Call) and base.args and imports_by_name(base) else ""
        if named.startswith(PACKAGE) and not {HOLE, ":"} & set(named):
            assert isinstance(base, ast.Call)  # or nothing would be named
            self._uses.add(("member", named, "", *attributes))
            self._tokens.append(named)
            self._visit(base.func)
        else:
            self._visit(base)

    def _registry(self, node: ast.AST) -> Use | None:
        """The registry that a thing is taken of by its name, ``METHODS[name]``."""
        if not isinstance(node, ast.Subscript):
            return None
        attributes: tuple[str, ...] = ()
        base = node.value
        while isinstance(base, ast.Attribute):
            attributes, base = (base.attr, *attributes), base.value
        if not isinstance(base, ast.Name):
            return None
        local = self._use_of(base.id, attributes)
        return ("name", base.id, *attributes) if local is None else local[0] if len(local) == 1 else None

    def _kind_of(self, name: str) -> str | None:
        """Which of what a stage is given a parameter is, as its annotation says."""
        for scope, hinted in zip(reversed(self._scopes), reversed(self._hinted), strict=True):
            if name in scope:
                return hinted.get(name)
        return None

    def _things_of(self, name: str) -> Use | None:
        """The registry that a local name's one thing is taken of."""
        for scope, things in zip(reversed(self._scopes), reversed(self._things), strict=True):
            if name in scope:
                return things.get(name)
        return None

    def _taken(self, body: list[ast.AST]) -> dict[str, Use]:
        """Local names that stand for one thing of a registry, and for nothing else."""
        found: dict[str, Use] = {}
        for node in body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name, registry = node.targets[0].id, self._registry(node.value)
                if registry and sum(_stores(item, name) for other in body for item in ast.walk(other)) == 1:
                    found[name] = registry
        return found

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, module, member in imported(node, self._home):
            self._tokens += ["Import", name, module, member]
            self._uses.update([("module", module), ("module", f"{module}.{member}")])
            self._reads.add(f"import {module.partition('.')[0]}")
            if member == "*":
                self._uses.add(("member", module, ""))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self._tokens.append(type(node).__name__)
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        if not isinstance(node, ast.Lambda):
            self._tokens.append(node.name)
            self._value(node.decorator_list)
        arguments = node.args
        self._value(arguments.defaults)
        self._value(arguments.kw_defaults)
        counts = [len(items) for items in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)]
        names = parameters(arguments)
        given = {name: names_in(hint) & self._given.keys() for name, hint in hints(arguments)}
        self._has_given = self._has_given or any(given.values())
        plain = {name for name, hint in hints(arguments) if isinstance(hint, ast.Name)}
        self._hinted.append({name: self._given[min(given[name])] for name in plain if given[name]})
        self._tokens += [*counts, arguments.vararg is None, arguments.kwarg is None, *names]
        local = bound(body, self._home)
        self._scopes.append(dict.fromkeys(names, ()) | local)
        self._things.append({})
        taken = self._taken(body)
        self._things[-1] = {name: use for name, use in taken.items() if name not in names and name in local}
        self._value(body)
        self._scopes.pop()
        self._things.pop()
        self._hinted.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._tokens.append(type(node).__name__)
        self._visit(node.generators[0].iter)
        self._scopes.append(bound((item.target for item in node.generators), self._home))
        self._things.append({})
        self._hinted.append({})
        for index, item in enumerate(node.generators):
            self._visit(item.target)
            if index:
                self._visit(item.iter)
            self._value(item.ifs)
            self._tokens.append(item.is_async)
        for name in ("key", "elt", "value"):
            self._value(getattr(node, name, None))
        self._scopes.pop()
        self._things.pop()
        self._hinted.pop()

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            if self._quiet:
                return
            self._text(value)
            if value.isidentifier():
                self._reads.add(value)
        self._tokens.append((value,))

    def _joined(self, node: ast.JoinedStr) -> None:
        holes = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        if self._quiet:
            for hole in holes if self._quiet == "calls" else ():
                if any(isinstance(item, (ast.Call, ast.NamedExpr, ast.Await)) for item in ast.walk(hole.value)):
                    self._visit(hole.value)
            return
        self._text(self._folded(node))
        self._tokens.append("JoinedStr")
        for part in node.values:
            if isinstance(part, ast.Constant):
                self._tokens.append((part.value,))
            else:
                self._visit(part)

    def _operation(self, node: ast.BinOp) -> None:
        if not self._quiet and isinstance(node.op, ast.Add) and (text := self._folded(node)).strip(HOLE):
            self._text(text)
        self._tokens.append("BinOp")
        for part in (node.op, node.left, node.right):
            self._visit(part)

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
