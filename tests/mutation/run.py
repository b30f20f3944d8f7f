"""Mutation testing of the mathematics: small changes to a module that no test notices are its survivors.

    python tests/mutation/run.py [--module adapters/cayley/rotation] [--sample 20] [--jobs 2]

Importing torch and Qiskit takes longer than the tests of a module, so a process imports them once and forks for each
mutant, which the fork imports in the place of the module. ``modules.yaml`` says which tests each module has;
``survivors.yaml`` which survivors are known, and why no test kills them. Any other makes the exit status 1. A row of
the table that is printed: module, mutants, killed, killed for running too long, survivors explained, and not explained.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module, machinery, util
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from mutants import Mutant, mutants_of

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
PACKAGE = "cayley_adapters"
HEAVY = ("numba", "peft", "torch", "transformers", "pytest", "hypothesis.extra.numpy", "scipy.stats", "scipy.linalg")
HEAVY += ("qiskit_aer", "qiskit_ibm_runtime.fake_provider", "qiskit.quantum_info", "safetensors.torch")
COMPILED = {f"circuits/{name}" for name in ("ansatz", "blocks", "gates", "qiskit", "synthesis")}
"""Modules whose tests search for circuits, which takes numba. Elsewhere its compilation would only cost time."""
PLUGINS = ("-p", "_hypothesis_pytestplugin")
"""All others that are installed are left out: importing them takes longer than most tests."""
FIRST = 600
"""CPU seconds that the unchanged module's tests may take."""


class Replacement(machinery.SourceFileLoader):
    """Imports a changed source under the name and path of the module that it changes."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        super().__init__(name, str(path))
        self.changed = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> machinery.ModuleSpec | None:
        return util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str):
        return compile(self.changed, self.path, "exec")


class Order:
    """Runs first the tests that noticed the most mutants for their time, and tells the parent how each went."""

    def __init__(self, kills: Counter, seconds: dict[str, float], pipe: int) -> None:
        self.kills, self.seconds, self.pipe = kills, seconds, pipe

    def pytest_collection_modifyitems(self, items: list) -> None:
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0) / (1 + self.kills[item.nodeid]))

    def pytest_runtest_logreport(self, report) -> None:
        os.write(self.pipe, f"{report.nodeid}\t{report.duration}\t{report.failed}\n".encode())


def tested(loader: Replacement, tests: list[str], limit: int, kills: Counter, seconds: dict[str, float]) -> str:
    """What the tests say of a source in the place of a module, in a fork that may take so many seconds of CPU time."""
    ends = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1), os.dup2(sink, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            sys.meta_path.insert(0, loader)
            import pytest

            options = ["-xq", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-profile", "mutation"]
            os._exit(int(pytest.main([*options, *PLUGINS, *tests], plugins=[Order(kills, seconds, ends[1])])))
        except BaseException:
            os._exit(70)
    os.close(ends[1])
    with os.fdopen(ends[0]) as reports:
        for name, duration, failed in (line.split("\t") for line in reports):
            seconds[name] = seconds.get(name, 0) + float(duration) * (limit == FIRST)
            kills[name] += failed == "True\n"
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return "survived" if code == 0 else "killed" if code > 0 else "timeout"


def mutate_module(module: str, tests: list[str], sample: int | None, seed: int) -> list[tuple[Mutant, str]]:
    """Run every mutant of a module, in a process that has imported nothing yet."""
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    os.environ |= {"NUMBA_DISABLE_JIT": str(int(module not in COMPILED)), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    sys.dont_write_bytecode = False  # every fork would compile the package again
    for heavy in HEAVY:
        import_module(heavy)
    for early in [loaded for loaded in sys.modules if loaded.split(".")[0] == PACKAGE]:
        del sys.modules[early]  # PEFT's import brings the adapters along
    from hypothesis import HealthCheck, Phase, settings

    options = {"phases": (Phase.explicit, Phase.generate), "suppress_health_check": list(HealthCheck)}
    settings.register_profile("mutation", derandomize=True, deadline=None, database=None, **options)
    name, path = f"{PACKAGE}.{module.replace('/', '.')}", ROOT / "src" / PACKAGE / f"{module}.py"
    source, kills, seconds = path.read_text(), Counter(), {}
    gc.freeze()  # or collections in forks would copy all that is imported
    for _ in range(2):  # the first time numba may have to compile
        seconds.clear()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if tested(Replacement(name, path, source), tests, FIRST, kills, seconds) != "survived":
            raise SystemExit(f"{module}: its tests fail without any mutation: {' '.join(tests)}")
    now, results, started = resource.getrusage(resource.RUSAGE_CHILDREN), [], time.time()
    limit = 3 + 3 * int(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
    for mutant in mutants_of(source, sample, seed):
        outcome = tested(Replacement(name, path, mutant.source), tests, limit, kills, seconds)
        results.append((mutant, outcome))
        if outcome == "survived":
            print(f"{module}: {mutant.function}: {mutant.before}  →  {mutant.after}", flush=True)
    print(f"{module}: {len(results)} mutants in {time.time() - started:.0f} s", flush=True)
    return results


def explained(module: str, mutant: Mutant, known: list[dict[str, str]]) -> bool:
    """Whether a survivor is listed; an entry stands for all that its keys, each a text or several, match."""
    place = {"module": module, "function": mutant.function, "before": mutant.before, "after": mutant.after}
    return any(all(value in np.atleast_1d(entry.get(key, value)) for key, value in place.items()) for entry in known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", action="append", help="such as adapters/cayley/rotation; all if left out")
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
            row = [module, counts.total(), counts["killed"], counts["timeout"], len(left) - len(new), len(new)]
            print(f"| {' | '.join(map(str, row))} |", flush=True)
    with given.table.open("w", newline="") as file:
        csv.writer(file).writerows([("module", "function", "before", "after"), *survivors])
    share = 1 - total["survived"] / max(total.total(), 1)
    print(f"all: {dict(total)}, {share:.1%} killed, {len(survivors)} survivors not explained: {given.table}")
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())
