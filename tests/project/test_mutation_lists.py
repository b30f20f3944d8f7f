"""The lists of tests/mutation follow the code: modules and tests that are there, lines that still stand in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MODULES, SURVIVORS = (
    yaml.safe_load((ROOT / "tests" / "mutation" / f"{name}.yaml").read_text(encoding="utf-8"))
    for name in ("modules", "survivors")
)


def source(module: str) -> str:
    return " ".join((ROOT / "src" / "cayley_adapters" / f"{module}.py").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_and_its_tests_are_there(module):
    assert source(module)
    files = [test.split("::")[0] for test in MODULES[module] if test.startswith("tests/")]
    assert files
    assert all((ROOT / file).is_file() for file in files)


def test_lines_whose_mutants_survive_are_still_there():
    gone = []
    for known in SURVIVORS:
        assert known["module"] in MODULES
        lines = [known["before"]] if isinstance(known["before"], str) else known["before"]
        gone += [(known["module"], line) for line in lines if " ".join(line.split()) not in source(known["module"])]
    assert not gone
