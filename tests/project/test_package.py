"""The package's top: quick to import, and PEFT knows the adapters afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_loads_nothing_heavy():
    code = "import cayley_adapters, sys; print([m for m in ('torch', 'peft', 'qiskit', 'numba') if m in sys.modules])"
    assert run(code) == "[]"


@pytest.mark.parametrize("order", ["import peft, cayley_adapters", "import cayley_adapters, peft"])
def test_peft_knows_the_adapters_in_either_order(order):
    code = f"{order}; from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING as m; print(m['CAYLEY'].__name__)"
    assert run(code) == "CayleyModel"


def test_every_public_name_is_there():
    code = "import cayley_adapters as c; print(all(getattr(c, name) is not None for name in c.__all__), len(c.__all__))"
    assert run(code) == "True 29"


@pytest.mark.parametrize("room", ["models", "models.compression", "adapters"])
def test_a_room_hands_on_names_without_loading_what_defines_them(room):
    code = f"import sys, cayley_adapters.{room} as room; assert 'torch' not in sys.modules; "
    code += "print(all(getattr(room, name).__name__ == name for name in room._HOMES), len(room._HOMES) > 3)"
    assert run(code) == "True True"


def test_a_wheel_holds_templates_and_styles():
    root = Path(__file__).parents[2]
    setuptools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {
        path
        for package, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in (root / "src" / package.replace(".", "/")).glob(pattern)
    }
    files = {path for path in (root / "src/cayley_adapters").rglob("*") if path.is_file()}
    assert packed == {path for path in files if path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts}


def test_an_unknown_name_is_an_attribute_error():
    import cayley_adapters

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cayley_adapters.nothing


def test_the_version_is_stated_once_and_the_citation_agrees():
    root = Path(__file__).parents[2]
    from cayley_adapters import __version__

    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "cayley_adapters.__version__"}
    assert f"\nversion: {__version__}\n" in (root / "CITATION.cff").read_text()


def test_type_checkers_see_every_public_name():
    import cayley_adapters

    text = Path(cayley_adapters.__file__).read_text(encoding="utf-8")
    found = re.findall(r"^    from cayley_adapters\.([\w.]+) import (\w+) as \2$", text, re.M)
    assert {name: home for home, name in found} == cayley_adapters._HOMES
    assert (Path(cayley_adapters.__file__).parent / "py.typed").is_file()


def test_a_missing_extra_is_answered_with_what_to_install():
    from cayley_adapters.core.extras import lacking
    from cayley_adapters.pipeline.failures import explain

    error = ModuleNotFoundError("No module named 'wandb_workspaces'", name="wandb_workspaces")
    assert explain(error) == f"{lacking('wandb_workspaces')}. Then run the same command again: finished work is kept."
    assert explain(ModuleNotFoundError("No module named 'x'", name="x")) is None
