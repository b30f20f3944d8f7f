"""Where a run's files are looked for: a checkout's own, or the installation's, and never those of something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cayley_adapters.core import places
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.places import RUN_FILES, run_files

ROOT = Path(__file__).parents[2]


def laid_out(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch) -> Path:
    """A package as a wheel lays it out."""
    package = tmp_path / "lib/site-packages/cayley_adapters"
    laid_out(package, "run_files/conf/config.yaml", "run_files/Snakefile")
    monkeypatch.setattr(places, "_PACKAGE", package)
    return package


def test_a_checkout_has_all_of_them() -> None:
    assert run_files() == ROOT
    assert all((ROOT / name).exists() for name in RUN_FILES)


def test_an_installation_brings_its_own_whatever_lies_where_one_works(installed: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(laid_out(tmp_path / "work", "conf/config.yaml", "Snakefile", "profiles/default/config.yaml"))
    laid_out(installed.parents[1], "conf/config.yaml")  # where a checkout would have it
    assert run_files() == installed / "run_files"


def test_within_a_checkout_its_files_are_meant(installed: Path, tmp_path: Path, monkeypatch) -> None:
    checkout = laid_out(tmp_path / "checkout", "conf/config.yaml", "src/cayley_adapters/__init__.py")
    monkeypatch.chdir(checkout)
    assert run_files() == checkout


def test_an_installation_that_is_not_whole_says_so(installed: Path, tmp_path: Path, monkeypatch) -> None:
    (installed / "run_files/conf/config.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CayleyError, match=r"config\.yaml is not in .*run_files/conf.*install cayley-adapters again"):
        run_files()
