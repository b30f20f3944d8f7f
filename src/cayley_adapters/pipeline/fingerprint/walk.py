"""Walks over code: what it uses, and tokens that tell what it does."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from typing import Any

from cayley_adapters.pipeline.fingerprint.definitions import PACKAGE, Use
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
        given: names of classes that stages are given instances of.
    """

    def __init__(self, module: str, home: str, given: Collection[str]) -> None:
        self._module, self._home, self._given = module, home, given
        self._has_given = False
        self._tokens: list[Any] = []
        self._uses: set[Use] = set()
        self._reads: set[str] = set()
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

    # Names

    def _name(self, name: str, attributes: tuple[str, ...]) -> None:
        """A name and the attributes that are read of it."""
        self._tokens.append(" ".join(["Name", name, *attributes]))
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
        self._reads.update(attributes)
        named = self._folded(base.args[0]) if isinstance(base, ast.Call) and base.args and imports_by_name(base) else ""
        if named.startswith(PACKAGE) and not {HOLE, ":"} & set(named):
            assert isinstance(base, ast.Call)  # or nothing would be named
            self._uses.add(("member", named, "", *attributes))
            self._tokens.append(named)
            self._visit(base.func)
        else:
            self._visit(base)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, module, member in imported(node, self._home):
            self._tokens += ["Import", name, module, member]
            self._uses.update([("module", module), ("module", f"{module}.{member}")])
            self._reads.add(f"import {module.partition('.')[0]}")
            if member == "*":
                self._uses.add(("member", module, ""))

    # Scopes

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
        if self._given and not self._has_given:
            self._has_given = any(not names_in(hint).isdisjoint(self._given) for hint in hints(arguments))
        self._tokens += [*counts, arguments.vararg is None, arguments.kwarg is None, *names]
        self._scopes.append(dict.fromkeys(names, ()) | bound(body, self._home))
        self._value(body)
        self._scopes.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self._tokens.append(type(node).__name__)
        self._visit(node.generators[0].iter)
        self._scopes.append(bound((item.target for item in node.generators), self._home))
        for index, item in enumerate(node.generators):
            self._visit(item.target)
            if index:
                self._visit(item.iter)
            self._value(item.ifs)
            self._tokens.append(item.is_async)
        for name in ("key", "elt", "value"):
            self._value(getattr(node, name, None))
        self._scopes.pop()

    # Texts

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


def last_name(function: ast.expr) -> str:
    """The last name of what is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def names_in(node: ast.AST) -> set[str]:
    return {item.id if isinstance(item, ast.Name) else getattr(item, "attr", "") for item in ast.walk(node)}


def imports_by_name(node: ast.Call) -> bool:
    return last_name(node.func) in ("import_module", "__import__", "load")
