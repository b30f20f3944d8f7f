"""Mutation testing of the mathematics: small changes to a module that no test notices are its survivors.

    python tests/mutation/run.py [--module adapters/rotation] [--sample 20] [--jobs 2]

Importing torch and Qiskit takes longer than the tests of a module, so a process imports them once and forks for each
mutant, which the fork imports in the place of the module. ``modules.yaml`` says which tests each module has;
``survivors.yaml`` which survivors are known, and why no test kills them. Any other makes the exit status 1.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module, machinery, util
from multiprocessing import get_context
from pathlib import Path

import yaml
from mutants import Mutant, mutants_of

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
PACKAGE = "cayley_adapters"
HEAVY = ("numba", "peft", "torch", "transformers", "pytest", "hypothesis.extra.numpy", "scipy.stats", "scipy.linalg")
HEAVY += ("qiskit_aer", "qiskit_ibm_runtime.fake_provider", "qiskit.quantum_info", "safetensors.torch")
COMPILED = {"ansatz", "block_circuits", "circuits", "synthesis"}
"""Modules whose tests search for circuits, which takes numba. Elsewhere its compilation would only cost time."""


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
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ["NUMBA_DISABLE_JIT"] = str(int(module not in COMPILED))
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    for heavy in HEAVY:
        import_module(heavy)
    for early in [loaded for loaded in sys.modules if loaded.split(".")[0] == PACKAGE]:
        del sys.modules[early]  # PEFT's import brings the adapters along
    from hypothesis import HealthCheck, Phase, settings

    options = {"phases": (Phase.explicit, Phase.generate), "suppress_health_check": list(HealthCheck)}
    settings.register_profile("mutation", derandomize=True, deadline=None, database=None, **options)
    name, path = f"{PACKAGE}.{module.replace('/', '.')}", ROOT / "src" / PACKAGE / f"{module}.py"
    plain, seconds = tested(name, path, path.read_text(), tests, 600)
    if plain != "survived":
        raise SystemExit(f"{module}: its tests fail without any mutation: {' '.join(tests)}")
    results = []
    for mutant in mutants_of(path.read_text(), sample, seed):
        results.append((mutant, tested(name, path, mutant.source, tests, 5 + 3 * seconds)[0]))
        if results[-1][1] == "survived":
            print(f"{module}: {mutant.function}: {mutant.before}  →  {mutant.after}", flush=True)
    return results


def explained(module: str, mutant: Mutant, known: list[dict[str, str]]) -> bool:
    """Whether a survivor is listed; an entry stands for all that its keys match."""
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
    tests = yaml.safe_load((HERE / "modules.yaml").read_text())
    known = yaml.safe_load((HERE / "survivors.yaml").read_text()) or []
    chosen = given.module or list(tests)
    if unknown := set(chosen) - set(tests):
        parser.error(f"unknown modules {sorted(unknown)}; known: {', '.join(tests)}")
    survivors, total = [], Counter()
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = [pool.submit(mutate_module, module, tests[module], given.sample, given.seed) for module in chosen]
        for module, future in zip(chosen, futures, strict=True):
            counts = Counter(outcome for _, outcome in future.result())
            left = [mutant for mutant, outcome in future.result() if outcome == "survived"]
            new = [mutant for mutant in left if not explained(module, mutant, known)]
            survivors += [(module, *mutant[:3]) for mutant in new]
            total += counts
            print(f"{module}: {dict(counts)}, {len(new)} survivors not explained", flush=True)
    with given.table.open("w", newline="") as file:
        csv.writer(file).writerows([("module", "function", "before", "after"), *survivors])
    share = 1 - total["survived"] / max(total.total(), 1)
    print(f"all: {dict(total)}, {share:.1%} killed, {len(survivors)} survivors not explained: {given.table}")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
