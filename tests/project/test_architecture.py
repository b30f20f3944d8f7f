"""The rooms: the page that describes them, the contracts that enforce them and the code say the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "cayley_adapters"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
HEAVY = ("torch", "transformers", "peft", "qiskit", "qiskit_aer", "matplotlib", "altair", "pandas", "scipy", "numba")


def floors() -> list[list[str]]:
    """Rooms from the ground up, as the contract of layers has them."""
    (layers,) = (contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in reversed(layers)]


def table() -> dict[str, tuple[int, str]]:
    """Room → floor and what it may import, as the page says."""
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| .+ \| (.+) \|$", PAGE, re.M)
    return {room: (int(floor), allowed) for floor, room, allowed in rows}


def named(allowed: str, floor: int) -> set[str]:
    """The rooms that a cell of the table's last column names."""
    if allowed == "every room below":
        return {room for rooms in floors()[: floor - 1] for room in rooms}
    return set(re.findall(r"`(\w+)`", allowed))


def contracted(room: str, floor: int) -> set[str]:
    """The rooms that the contracts leave to a room."""
    allowed = {other for rooms in floors()[: floor - 1] for other in rooms}
    for contract in CONTRACTS:
        own = f"cayley_adapters.{room}"
        if contract["type"] == "independence" and own in contract["modules"]:
            allowed -= {module.split(".")[1] for module in contract["modules"]}
        if contract["type"] == "forbidden" and own in contract["source_modules"]:
            allowed -= {name.split(".")[1] for name in contract["forbidden_modules"] if name.startswith("cayley")}
    return allowed


@cache
def graph() -> grimp.ImportGraph:
    """All imports, for type checkers and within functions, too."""
    return grimp.build_graph("cayley_adapters", cache_dir=None)


def texts() -> list[tuple[Path, str]]:
    """File and content of each text within the code, docstrings included."""
    return [
        (path, node.value)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def module_of(dotted: str) -> tuple[Path, list[str]]:
    """The file of a dotted name's module, and what of the name lies within it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = SOURCE.parent.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file, parts[length:]
    raise AssertionError(dotted)


def defines(file: Path, name: str) -> bool:
    """Whether a module has a name, or passes it on."""
    return bool(
        re.search(rf"\b(def|class) {name}\b|^ *{name}\b.*[=:]|\"{name}\"", file.read_text(encoding="utf-8"), re.M)
    )


def test_the_table_has_the_rooms_on_disk_each_on_its_floor():
    on_disk = {path.parent.name for path in SOURCE.glob("*/__init__.py")} | {"cli"}
    assert {room: floor for room, (floor, _) in table().items()} == {
        room: floor for floor, rooms in enumerate(floors(), start=1) for room in rooms
    }
    assert set(table()) == on_disk
    assert len(floors()) <= 10


@pytest.mark.parametrize("room", table())
def test_a_room_imports_what_the_table_and_the_contracts_allow(room):
    floor, allowed = table()[room]
    assert named(allowed, floor) == contracted(room, floor)
    modules = {name for name in graph().modules if name.split(".")[1:2] == [room]}
    imported = {name for module in modules for name in graph().find_modules_directly_imported_by(module)}
    assert {name.split(".")[1] for name in imported if "." in name} - {room} <= named(allowed, floor)


def test_contracts_make_no_exceptions():
    assert not [contract["name"] for contract in CONTRACTS if contract.get("ignore_imports")]


def test_no_stage_knows_another_since_files_are_all_that_they_share():
    stages = {
        f"cayley_adapters.stages.{path.stem}" for path in (SOURCE / "stages").glob("*.py") if defines(path, "run")
    }
    assert len(stages) > 15
    assert not [stage for stage in stages if graph().find_modules_directly_imported_by(stage) & stages]


def test_the_picture_is_what_the_command_draws(tmp_path):
    subprocess.run([sys.executable, str(ROOT / "docs" / "draw_rooms.py"), str(tmp_path / "rooms.svg")], check=True)
    drawn, kept = (folder / "rooms.svg" for folder in (tmp_path, ROOT / "docs" / "images"))
    assert drawn.read_text() == kept.read_text(), "type make rooms"


def test_what_the_page_points_at_is_there():
    table = PAGE[PAGE.index("## Where to find what") :]
    pointed = [name for row in re.findall(r"^\| .+ \| (.+) \|$", table, re.M) for name in re.findall(r"`([^`]+)`", row)]
    assert len(pointed) > 20
    assert not [name for name in pointed if not any(SOURCE.glob(name)) and not (SOURCE / f"{name}.py").exists()]


def test_whatever_a_text_names_exists():
    """What is built by name, ``"cayley_adapters.module:name"``, and what docstrings refer to."""
    named = [
        (path.name, *module_of(name.replace(":", ".")))
        for path, text in texts()
        for name in re.findall(r"^cayley_adapters[\w.]+:\w+$|(?<=`)cayley_adapters\.[\w.]+(?=`)", text)
    ]
    assert len(named) > 20
    assert not [
        (path, file.name, names) for path, file, names in named if not all(defines(file, name) for name in names)
    ]


def test_registries_import_nothing_heavy():
    registries = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCE.rglob("*.py")
        if re.search(r"^\w+(: .+)? = Registry\(", path.read_text(encoding="utf-8"), re.M)
    ]
    code = f"import sys, {', '.join(['json', *registries])}; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
