"""Mutation testing of the mathematics: small changes to a module that no test notices are its survivors.

    python tests/mutation/run.py [--module adapters/rotation] [--sample 20] [--jobs 2]

Cosmic Ray's operators make the mutants. Importing torch and Qiskit takes longer than the tests of a module, so a process
imports them once and forks for each mutant, which the fork imports in the place of the module. Kernels run without
numba's compilation. ``modules.yaml`` says which tests each module has; ``survivors.yaml`` which survivors are known, and
why no test kills them. Any other survivor makes the exit status 1.
"""

from __future__ import annotations

import argparse
import ast
import csv
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module, machinery, util
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PACKAGE = "cayley_adapters"
HEAVY = ("numba", "peft", "torch", "transformers", "pytest", "hypothesis.extra.numpy", "scipy.stats", "scipy.linalg")
HEAVY += ("qiskit_aer", "qiskit_ibm_runtime.fake_provider", "qiskit.quantum_info", "safetensors.torch")
REPLACED = "Add_Sub Sub_Add Mul_Div Div_Mul Pow_Mul FloorDiv_Mul Mod_FloorDiv LShift_RShift RShift_LShift BitAnd_BitOr"
REPLACED += " BitOr_BitAnd BitXor_BitAnd"
COMPARED = "Eq_NotEq NotEq_Eq Lt_LtE Lt_Gt LtE_Lt LtE_Gt Gt_GtE Gt_Lt GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
OPERATORS = [f"ReplaceBinaryOperator_{pair}" for pair in REPLACED.split()]
OPERATORS += [f"ReplaceComparisonOperator_{pair}" for pair in COMPARED.split()]
OPERATORS += [
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_Invert",
]
OPERATORS += ["ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "AddNot"]
OPERATORS += ["NumberReplacer", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop"]
OPERATORS += ["RemoveDecorator"]
ASSIGNED = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|="}
COMPILED = {"ansatz", "block_circuits", "circuits", "synthesis"}
"""Modules whose tests search for circuits, which takes numba; at the others' tiny sizes loading its code takes longer."""
SPEED_ONLY = {"cache", "lru_cache", "compiled"}


class Mutant(NamedTuple):
    """A change: the function it is in, the line before and after, and the whole changed source."""

    function: str
    before: str
    after: str
    source: str


class Essence(ast.NodeTransformer):
    """Takes off what no test can notice, or is not to: annotations, docstrings, the words of errors, caches."""

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise(getattr(node.exc, "func", node.exc), None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        names = [getattr(item, "func", item) for item in node.decorator_list]
        pairs = zip(node.decorator_list, names, strict=True)
        node.decorator_list = [item for item, name in pairs if getattr(name, "id", "") not in SPEED_ONLY]
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
    for name in OPERATORS:
        yield get_operator(f"core/{name}")()


def mutants_of(path: Path, sample: int | None, seed: int) -> list[Mutant]:
    """All mutants of a module that differ in more than words, or a random sample of them."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code

    source = path.read_text()
    nodes, lines, seen = list(ast_nodes(get_ast(source))), source.splitlines(), {essence(source)}
    places = [
        (operator, occurrence)
        for operator in operators()
        for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes))
    ]
    if sample is not None:
        random.Random(seed).shuffle(places)
    found: list[Mutant] = []
    for operator, occurrence in places:
        changed = mutate_code(source, operator, occurrence)
        try:
            core = essence(changed)
        except SyntaxError:
            continue
        if core in seen:
            continue
        seen.add(core)
        after = changed.splitlines()
        line = next(i for i, (old, new) in enumerate(zip(lines, after, strict=False)) if old != new)
        texts = [" ".join(text[line].split()) for text in (lines, after)]
        found.append(Mutant(function_at(source, line + 1), *texts, changed))
        if len(found) == sample:
            break
    return found


def function_at(source: str, line: int) -> str:
    spans = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    within = [node for node in spans if node.lineno <= line <= node.end_lineno]
    return ".".join(node.name for node in sorted(within, key=lambda node: node.lineno))


class Replacement(machinery.SourceFileLoader):
    """Imports a changed source under the name and path of the module that it changes."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self.changed = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> machinery.ModuleSpec | None:
        return util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str):
        return compile(self.changed, self.path, "exec")


def tested(name: str, path: Path, source: str, tests: list[str], limit: float) -> tuple[str, float]:
    """What the tests say of a source in the place of a module, in a fork: the outcome and the CPU seconds taken."""
    pid = os.fork()
    if pid == 0:
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1), os.dup2(sink, 2)
            used = int(time.process_time() + limit) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (used, used))
            sys.meta_path.insert(0, Replacement(name, path, source))
            import pytest

            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile", "mutation"]
            os._exit(int(pytest.main([*options, *tests])))
        except BaseException:
            os._exit(70)
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return "survived" if code == 0 else "killed" if code > 0 else "timeout", usage.ru_utime + usage.ru_stime


def mutate_module(module: str, tests: list[str], sample: int | None, seed: int) -> list[tuple[Mutant, str]]:
    """Run every mutant of a module, in a process that has imported nothing yet."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ |= threads | {"NUMBA_DISABLE_JIT": str(int(module not in COMPILED))}
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    for heavy in HEAVY:
        import_module(heavy)
    for early in [loaded for loaded in sys.modules if loaded.split(".")[0] == PACKAGE]:
        del sys.modules[early]  # PEFT's import brings the adapters along
    from hypothesis import HealthCheck, Phase, settings

    phases, checks = (Phase.explicit, Phase.generate), list(HealthCheck)
    settings.register_profile(
        "mutation", derandomize=True, deadline=None, database=None, phases=phases, suppress_health_check=checks
    )
    name, path = f"{PACKAGE}.{module.replace('/', '.')}", ROOT / "src" / PACKAGE / f"{module}.py"
    plain, seconds = tested(name, path, path.read_text(), tests, 600)
    if plain != "survived":
        raise SystemExit(f"{module}: its tests fail without any mutation: {' '.join(tests)}")
    print(f"{module}: {seconds:.1f} s of CPU without mutation", flush=True)
    results = []
    for mutant in mutants_of(path, sample, seed):
        results.append((mutant, tested(name, path, mutant.source, tests, 5 + 3 * seconds)[0]))
        if results[-1][1] == "survived":
            print(f"{module}: {mutant.function}: {mutant.before}  →  {mutant.after}", flush=True)
    return results


def explained(module: str, mutant: Mutant, known: list[dict[str, str]]) -> bool:
    """Whether a survivor is listed; entries without ``after`` stand for all changes of their line."""
    place = {"module": module, "function": mutant.function, "before": mutant.before, "after": mutant.after}
    return any(all(entry.get(key, value) == value for key, value in place.items()) for entry in known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", action="append", help="such as adapters/rotation; all if left out")
    parser.add_argument("--sample", type=int, help="random mutants of each module; all if left out")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="modules at a time")
    parser.add_argument("--table", type=Path, default=ROOT / "mutation.csv", help="where the survivors are written")
    given = parser.parse_args()
    modules = yaml.safe_load((HERE / "modules.yaml").read_text())
    known = yaml.safe_load((HERE / "survivors.yaml").read_text()) or []
    chosen = given.module or list(modules)
    if unknown := set(chosen) - set(modules):
        parser.error(f"unknown modules {sorted(unknown)}; known: {', '.join(modules)}")
    survivors, total = [], Counter()
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {
            module: pool.submit(mutate_module, module, modules[module], given.sample, given.seed) for module in chosen
        }
        for module, future in running.items():
            counts = Counter(outcome for _, outcome in future.result())
            left = [mutant for mutant, outcome in future.result() if outcome == "survived"]
            new = [mutant for mutant in left if not explained(module, mutant, known)]
            survivors += [(module, *mutant[:3]) for mutant in new]
            total += counts + Counter(new=len(new))
            print(
                f"{module}: {counts.total()} mutants, {counts['killed']} killed, {counts['timeout']} out of time, "
                f"{len(left)} survived, {len(new)} of these not explained",
                flush=True,
            )
    with given.table.open("w", newline="") as file:
        csv.writer(file).writerows([("module", "function", "before", "after"), *survivors])
    run = total["killed"] + total["timeout"] + total["survived"]
    print(
        f"all: {run} mutants, {1 - total['survived'] / max(run, 1):.1%} killed, {total['new']} survivors not explained"
    )
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
