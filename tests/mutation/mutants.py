"""The mutants of a module: Cosmic Ray's operators, without the changes that only words, types or speed depend on."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from typing import NamedTuple

REPLACED = "Add_Sub Sub_Add Mul_Div Div_Mul Pow_Mul FloorDiv_Mul Mod_FloorDiv LShift_RShift RShift_LShift BitAnd_BitOr"
REPLACED += " BitOr_BitAnd BitXor_BitAnd"
COMPARED = "Eq_NotEq NotEq_Eq Lt_LtE Lt_Gt LtE_Lt LtE_Gt Gt_GtE Gt_Lt GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
OTHERS = "ReplaceUnaryOperator_Delete_USub ReplaceUnaryOperator_Delete_Not ReplaceUnaryOperator_Delete_Invert"
OTHERS += " ReplaceAndWithOr ReplaceOrWithAnd ReplaceTrueWithFalse ReplaceFalseWithTrue AddNot NumberReplacer"
OTHERS += " ReplaceBreakWithContinue ReplaceContinueWithBreak ZeroIterationForLoop RemoveDecorator"
OPERATORS = [f"ReplaceBinaryOperator_{pair}" for pair in REPLACED.split()]
OPERATORS += [*(f"ReplaceComparisonOperator_{pair}" for pair in COMPARED.split()), *OTHERS.split()]
ASSIGNED = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|="}
UNNOTICED = {"cache", "lru_cache", "compiled", "staticmethod"}


class Mutant(NamedTuple):
    """A change: the function it is in, the line before and after, and the whole changed source."""

    function: str
    before: str
    after: str
    source: str


class Essence(ast.NodeTransformer):
    """Takes off what no test is to notice: annotations, docstrings, the words of errors, caches, compilation."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if getattr(node.func, "attr", "") == "reshape":  # NumPy takes any negative length as the one to find
            node.args = [ast.Constant(-1) if isinstance(item, ast.UnaryOp) else item for item in node.args]
        node.keywords = [item for item in node.keywords if item.arg not in ("frozen", "strict")]
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise(getattr(node.exc, "func", node.exc), None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        names = [getattr(getattr(item, "func", item), "id", "") for item in node.decorator_list]
        pairs = zip(node.decorator_list, names, strict=True)
        node.decorator_list = [item for item, name in pairs if name not in UNNOTICED]
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)


def essence(source: str) -> str:
    return ast.dump(Essence().visit(ast.parse(source)))


def operators() -> Iterator:
    from cosmic_ray.operators.operator import Operator
    from cosmic_ray.plugins import get_operator

    class ReplaceAssignment(Operator):
        """Cosmic Ray has none for ``+=`` and its like."""

        def mutation_positions(self, node):
            if node.type == "operator" and node.value in ASSIGNED:
                yield node.start_pos, node.end_pos

        def mutate(self, node, index):
            node.value = ASSIGNED[node.value]
            return node

        examples = classmethod(lambda cls: ())

    yield ReplaceAssignment()
    yield from (get_operator(f"core/{name}")() for name in OPERATORS)


def mutants_of(source: str, sample: int | None, seed: int) -> list[Mutant]:
    """All mutants of a module, or so many random ones."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code

    nodes, lines, seen = list(ast_nodes(get_ast(source))), source.splitlines(), {essence(source)}
    places = []
    for operator in operators():
        places += [(operator, i) for i in range(sum(len(list(operator.mutation_positions(node))) for node in nodes))]
    if sample is not None:
        random.Random(seed).shuffle(places)
    found: list[Mutant] = []
    for operator, occurrence in places:
        changed = mutate_code(source, operator, occurrence)
        try:
            core = essence(changed)
        except SyntaxError:
            continue
        if core not in seen:
            seen.add(core)
            after = changed.splitlines()
            line = next(i for i, (old, new) in enumerate(zip(lines, after, strict=False)) if old != new)
            texts = [" ".join(text[line].split()) for text in (lines, after)]
            found.append(Mutant(function_at(source, line + 1), *texts, changed))
        if len(found) == sample:
            break
    return found


def function_at(source: str, line: int) -> str:
    """The dotted name of the innermost function or class that a line is in; empty at the module's own level."""
    spans = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    within = [node for node in spans if node.lineno <= line <= node.end_lineno]
    return ".".join(node.name for node in sorted(within, key=lambda node: node.lineno))
