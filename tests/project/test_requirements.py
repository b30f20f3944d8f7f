"""One source of pins for pip, conda and CI."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from cayley_adapters.core.extras import EXTRAS

ROOT = Path(__file__).parents[2]


def pins() -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    matches = (re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines if line)
    return {normal(match[1]): match[2] for match in matches}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    names = {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in wanted}
    assert names <= set(pins())


def test_extras_are_those_that_the_program_names():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev", "docs"}
    for extra, modules in EXTRAS.items():
        asked = {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in extras[extra]}
        assert {normal(module) for module in modules} <= asked


def test_every_line_is_a_pin():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert len(pins()) == len(lines)


def test_conda_uses_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-r requirements.txt"]
    assert "python=3.11" in environment["dependencies"]


def test_what_is_installed_is_what_is_pinned():
    wrong = {}
    for name, pin in pins().items():
        try:
            installed = version(name).split("+")[0]
        except PackageNotFoundError:
            installed = "missing"
        if installed != pin:
            wrong[name] = (installed, pin)
    assert not wrong
