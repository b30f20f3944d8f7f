"""Puts configuration, workflow and profiles, which lie at the top of the repository, into the package that is built."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
RUN_FILES = ("Snakefile", "conf", "profiles", "workflow")
"""As of cayley_adapters.core.places, which finds them again."""


class BuildWithRunFiles(build_py):
    """Copies them beside the modules; an editable installation reads them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "cayley_adapters", "run_files")
        shutil.rmtree(target, ignore_errors=True)  # what an earlier build left, and is no more
        target.mkdir(parents=True)
        for name in RUN_FILES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(ROOT / name, target / name)


setup(cmdclass={"build_py": BuildWithRunFiles})
