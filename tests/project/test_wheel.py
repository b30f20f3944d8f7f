"""A wheel brings all that a run needs, and works in any folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from safety import SAFETY

from cayley_adapters import __version__
from cayley_adapters.core.places import RUN_FILES

ROOT = Path(__file__).parents[2]
BUILT_FROM = (*RUN_FILES, "src", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """A wheel's content, as an installation has it."""
    source, built, target = (tmp_path_factory.mktemp(name) for name in ("source", "built", "installed"))
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(built), str(source)], check=True, capture_output=True, timeout=SAFETY)
    [wheel] = built.glob(f"cayley_adapters-{__version__}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)  # built here
    return target


def cayley(unpacked: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "cayley_adapters", *words]
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=SAFETY)


def test_it_holds_configuration_workflow_and_profiles_as_they_are(unpacked: Path) -> None:
    within = unpacked / "cayley_adapters" / "run_files"
    for name in RUN_FILES:
        files = [path for path in (ROOT / name, *(ROOT / name).rglob("*")) if path.is_file()]
        assert files
        for path in files:
            assert (within / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


def test_the_command_works_in_a_folder_that_has_a_configuration_of_its_own(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("somebody: else")
    done = cayley(unpacked, "config", "experiment=ci", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run: ci\n")
    done = cayley(unpacked, "run", "phase_diagram", "experiment=ci", "-n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"--snakefile {unpacked}/cayley_adapters/run_files/Snakefile" in done.stderr
    assert "This was a dry-run" in done.stdout


def test_within_a_checkout_an_installed_command_takes_its_configuration(unpacked: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "src" / "cayley_adapters").mkdir(parents=True)
    mine = tmp_path / "conf" / "experiment" / "mine.yaml"
    mine.write_text((ROOT / "conf/experiment/ci.yaml").read_text().replace("experiment: ci", "experiment: mine"))
    assert cayley(unpacked, "config", "experiment=mine", cwd=tmp_path).stdout.startswith("run: mine\n")
    assert cayley(unpacked, "config", "experiment=mine", cwd=tmp_path / "src").returncode == 1
