"""The same run under other cores, shells, locales and folders: the same bytes. ``make test-reproducible``; minutes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from safety import SAFETY

sys.path.insert(0, str(Path(__file__).parents[1]))

from project_copy import Project, copy_project

SETTINGS = ["experiment=ci", "overrides=track.mode=disabled"]
REVERSED = """
import os
_list, _scan = os.listdir, os.scandir
os.listdir = lambda path=".": sorted(_list(path), reverse=True)
class _Entries:
    def __init__(self, path):
        with _scan(path) as entries:
            self._entries = iter(sorted(entries, key=lambda entry: os.fsencode(entry.name), reverse=True))
    def __iter__(self): return self
    def __next__(self): return next(self._entries)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def close(self): pass
os.scandir = lambda path=".": _Entries(path)
"""
"""A file system that lists its files the other way round."""


def run(project: Project, cores: int, variables: dict[str, str] | None = None, umask: int = -1, *config: str) -> Path:
    options = project.options()
    options["env"] |= variables or {}
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "phase_diagram", "report", "--config"]
    command += config or SETTINGS
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, umask=umask, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return project.folder / "results" / "ci"


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run but what the machine takes and says while it runs."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(("logs/", "wandb/"))}


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """A run on eight cores in a plain shell."""
    return run(copy_project(tmp_path_factory.mktemp("reference"), served=False), 8)


def locale_with_commas(folder: Path) -> dict[str, str]:
    """A locale in which numbers have commas, where this machine can make one."""
    made = folder / "locales"
    made.mkdir()
    try:
        command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(made / "de_DE.UTF-8")]
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return {"LC_ALL": "C"}
    return {"LC_ALL": "de_DE.UTF-8", "LOCPATH": str(made)}


def test_nothing_about_the_shell_the_folder_or_the_cores_changes_a_byte(reference, tmp_path):
    project = copy_project(tmp_path / "a folder's näme", served=False)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(REVERSED)
    paths = os.pathsep.join([str(project.folder / "src"), str(tmp_path / "site")])
    shell = {
        "PYTHONPATH": paths, "PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "COLUMNS": "40",
        "OMP_NUM_THREADS": "5", "OMP_DYNAMIC": "true", "OMP_THREAD_LIMIT": "1", "MKL_NUM_THREADS": "3",
        "NUMBA_NUM_THREADS": "3", "RAYON_NUM_THREADS": "7", "PL_GLOBAL_SEED": "9", "MPLBACKEND": "svg",
        **locale_with_commas(tmp_path),
    }  # fmt: skip
    again = contents(run(project, 1, shell, 0o077))
    first = contents(reference)
    assert again.keys() == first.keys()
    assert [name for name in first if first[name] != again[name]] == []


def test_threads_matter_within_the_stated_tolerance(reference, tmp_path):
    """Sums in another order: 1e-4 nats a token, see docs/science.md."""
    threads = " ".join(f"{stage}.threads=2" for stage in ("compress", "train", "transpile", "evaluate"))
    project = copy_project(tmp_path, served=False)
    folder = run(project, 2, None, -1, SETTINGS[0], f"{SETTINGS[1]} control=none {threads}")
    one, two = (pd.read_csv(path / "phase_diagram.csv") for path in (reference, folder))
    unlimited = one.shots == float("inf")
    assert (abs(one.nll - two.nll)[unlimited] < 1e-4).all()
    assert (abs(one.nll - two.nll) < 1e-4 + 4 * 2**0.5 * one.nll_se_shots).all()
