"""Which names are local to a function, what statements that import stand for, and names with their attributes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = ["Scope", "bound", "imported", "parameters", "type_checking", "unfolded"]

Scope = dict[str, tuple[tuple[str, str], ...]]
"""Local name → modules and names that it may be imported as; empty if it is not imported."""

_BARE = frozenset({"ctx", "attr", "op", "ops", "annotation", "arg", "name", "type_comment"})  # hold no names
_INNER = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def imported(node: ast.Import | ast.ImportFrom, home: str) -> Iterator[tuple[str, str, str]]:
    """Each name that a statement binds, and the module and name that it stands for.

    Args:
        node: the statement.
        home: the package that relative imports start from.

    Yields:
        Bound name, module, and name there: empty for the module itself, ``*`` for all of it.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (alias.asname or alias.name.partition(".")[0]), alias.name, ""
        return
    above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
    module = ".".join([*above, *([node.module] if node.module else [])])
    for alias in node.names:
        yield alias.asname or alias.name, module, alias.name


def unfolded(node: Any, *through: type[ast.AST]) -> tuple[Any, tuple[str, ...]]:
    """What attributes are read of, and these: ``a`` and ``("b", "c")`` for ``a.b.c``.

    Args:
        node: the expression.
        *through: ``ast.Call`` and ``ast.Subscript``, where it does not matter whether parts of it are such.
    """
    attributes: tuple[str, ...] = ()
    followed: Any = (ast.Attribute, *through)
    while isinstance(node, followed):
        if isinstance(node, ast.Attribute):
            attributes = (node.attr, *attributes)
        node = node.func if isinstance(node, ast.Call) else node.value
    return node, attributes


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """All parameters of a function."""
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [item for item in (*plain, arguments.vararg, arguments.kwarg) if item is not None]


def bound(nodes: Iterable[ast.AST], home: str) -> Scope:
    """The names that statements bind in their own scope; those of functions and comprehensions in them are not.

    Args:
        nodes: the statements, or targets.
        home: the package that relative imports start from.
    """
    found: Scope = {}
    elsewhere: set[str] = set()
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        names: Sequence[str | None] = ()
        if isinstance(node, ast.Name):
            names = () if isinstance(node.ctx, ast.Load) else (node.id,)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = (node.name,)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias, module, member in imported(node, home):
                whole = isinstance(node, ast.Import) and module.partition(".")[0] == alias
                found[alias] = (*found.get(alias, ()), (alias if whole else module, member))
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            elsewhere.update(node.names)
        elif not isinstance(node, _INNER):
            if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
                names = (node.name,)
            elif isinstance(node, ast.MatchMapping):
                names = (node.rest,)
            for name in node._fields:
                value = getattr(node, name, None) if name not in _BARE else None
                if isinstance(value, list):
                    waiting += [item for item in value if isinstance(item, ast.AST)]
                elif isinstance(value, ast.AST):
                    waiting.append(value)
        for named in names:
            if named is not None:
                found.setdefault(named, ())
    return {name: target for name, target in found.items() if name not in elsewhere}


def type_checking(node: ast.If) -> list[ast.stmt] | None:
    """What runs of a statement ``if TYPE_CHECKING`` or ``if not TYPE_CHECKING``; None for any other one."""
    test, negated = node.test, False
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, negated = test.operand, True
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    if name != "TYPE_CHECKING":
        return None
    return node.body if negated else node.orelse
