"""Broken and malicious models: one error of our own before anything is made, nothing changed, no code run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from broken_models import BROKEN

from cayley_adapters.errors import CayleyError
from cayley_adapters.models import check_model, locate

LOCAL = {"source": "local", "name": "mine"}


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def copy(tiny_folder, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def check(folder: Path) -> None:
    model = LOCAL | {"path": str(folder)}
    check_model(model, locate(model))


def test_the_table_names_each_case_once():
    names = [name for name, _, _ in BROKEN]
    assert len(set(names)) == len(names) > 80


def test_a_whole_model_passes(copy):
    before = contents(copy.parent)
    check(copy)
    assert contents(copy.parent) == before


@pytest.mark.parametrize(("how", "says"), [pytest.param(how, says, id=name) for name, how, says in BROKEN])
@pytest.mark.timeout(120)
def test_it_is_refused(copy, how, says):
    how(copy)
    before = contents(copy.parent)
    with pytest.raises(CayleyError, match=f"(?s){says}") as refused:
        check(copy)
    assert str(copy) in str(refused.value)
    assert len(str(refused.value)) < 1500
    assert contents(copy.parent) == before
    assert not (copy.parent / "ran").exists()
