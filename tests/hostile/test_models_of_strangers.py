"""Broken and malicious models: one error of our own before anything is made, nothing changed, no code run."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from broken_models import BROKEN
from safety import SAFETY

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import check_model, locate

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
@pytest.mark.timeout(SAFETY)
def test_it_is_refused(copy, how, says):
    how(copy)
    before = contents(copy.parent)
    with pytest.raises(CayleyError, match=f"(?s){says}") as refused:
        check(copy)
    assert str(copy) in str(refused.value)
    assert len(str(refused.value)) < 1500
    assert contents(copy.parent) == before
    assert not (copy.parent / "ran").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.timeout(SAFETY)
def test_a_flipped_byte_or_a_cut_is_refused_or_harmless(copy, name):
    """Whatever is read of a damaged file: the model is used, or refused in our own words, and nothing else happens."""
    whole, rng = (copy / name).read_bytes(), random.Random(0)
    most = min(len(whole), 2500)  # of the weights the header, in which all sizes stand
    for case in range(30):
        place = rng.randrange(most)
        flipped = bytes([whole[place] ^ (1 << rng.randrange(8))])
        (copy / name).write_bytes(whole[:place] + (flipped + whole[place + 1 :] if case % 3 else b""))
        try:
            check(copy)
        except CayleyError:
            continue
        assert case % 3, f"{name}, cut at {place} of {len(whole)}, was taken for whole"
