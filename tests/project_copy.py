"""A copy of the project in a temporary folder, so that a test may edit it and run Snakemake on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from safety import SAFETY

ROOT = Path(__file__).parents[1]
PARTS = ("src", "conf", "workflow", "profiles", "Snakefile")


@dataclass
class Project:
    """A working copy."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)  # beside the tests' own
    said: list[str] = field(default_factory=list)  # what its commands have printed

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would, with the copy's own library."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=SAFETY, **self.options()
        )
        self.said += [done.stdout, done.stderr]
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def options(self) -> dict:
        # Another test's W&B service would write the runs of this copy into its own folder.
        environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
        environment |= {"PYTHONPATH": str(self.folder / "src")} | self.environment
        return {"cwd": self.folder, "env": environment}

    def planned(self, overrides: str = "", experiment: str = "ci", target: str = "phase_diagram") -> dict[str, int]:
        """The jobs of a dry run, by rule, without the target."""
        config = [f"experiment={experiment}", *([f"overrides={overrides}"] if overrides else [])]
        done = self.snakemake("--dry-run", target, "--config", *config)
        table = re.search(r"Job stats:\njob\s+count\n[-\s]+\n(.*?)\n\n", done.stdout, re.S)
        rows = [line.split() for line in table[1].splitlines()] if table else []
        return {name: int(count) for name, count in rows if name not in ("total", target)}


def copy_project(folder: Path, environment: dict[str, str] | None = None) -> Project:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / part)
    return Project(folder, environment or {})
