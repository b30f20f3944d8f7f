"""A copy of the project in a temporary folder, so that a test may edit it and run Snakemake on it."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from safety import SAFETY

from cayley_adapters.pipeline.warm import ADDRESS, start_server
from cayley_adapters.pipeline.warm.server import IGNORED

ROOT = Path(__file__).parents[1]
PARTS = ("src", "conf", "workflow", "profiles", "Snakefile")


PLANNER = """
import contextlib, json, os, sys
import hydra, omegaconf, pandas, pydantic
from hydra.core.override_parser.overrides_parser import OverridesParser
from snakemake.cli import main

with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
    main(["--version"])  # which loads Snakemake's plugins
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
        for number, path in enumerate((os.devnull, *asked["outputs"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        sys.argv = ["snakemake", *asked["arguments"]]
        main(asked["arguments"])
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Forks Snakemake for each dry run, of which half is loading Snakemake. Nothing of the library is loaded before."""


@functools.cache
def planner() -> subprocess.Popen[str]:
    """The process that makes dry runs; it ends with this one, which closes its input."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", PLANNER], text=True, env=environment, **pipes)


def _environment() -> dict[str, str]:
    """This process's, but for what changes with each test.

    Another test's W&B service would write the runs of a copy into its own folder.
    """
    return {name: value for name, value in os.environ.items() if name not in ("PYTEST_CURRENT_TEST", "WANDB_SERVICE")}


@functools.cache
def server(environment: frozenset[tuple[str, str]]) -> str:
    """Address of what starts the jobs of all copies of one environment: each would else load the same libraries."""
    return start_server(1, dict(environment))


@dataclass
class Project:
    """A working copy.

    Attributes:
        environment: beside the tests' own.
        said: what its commands have printed.
        served: whether its workflows share a server with other copies, and start none of their own.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    served: bool = True

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would, with the copy's own library."""
        if "--dry-run" in arguments:
            done = self._plan(*arguments)
        else:
            command = self.command(*arguments)
            done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY, **self.options())
        self.said += [done.stdout, done.stderr]
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def _plan(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        options, command = self.options(), self.command(*arguments)
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            asked = {"arguments": command[3:], "folder": str(options["cwd"]), "environment": options["env"]}
            print(json.dumps(asked | {"outputs": list(map(str, outputs))}), file=planner().stdin, flush=True)
            assert select.select([planner().stdout], [], [], SAFETY)[0], "the dry run does not end"
            code = int(planner().stdout.readline())
            return subprocess.CompletedProcess(command, code, *(path.read_text() for path in outputs))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def options(self) -> dict:
        environment = _environment() | {"PYTHONPATH": str(self.folder / "src")} | self.environment
        if self.served:
            # It serves no job of another environment, and libraries that tests load add to theirs.
            read = {name: value for name, value in environment.items() if not IGNORED.fullmatch(name)}
            environment[ADDRESS] = server(frozenset(read.items()))
        return {"cwd": self.folder, "env": environment}

    def planned(self, overrides: str = "", experiment: str = "ci", target: str = "phase_diagram") -> dict[str, int]:
        """The jobs of a dry run, by rule, without the target; what is there of another configuration may go."""
        config = [f"experiment={experiment}", *([f"overrides={overrides} replace=true"] if overrides else [])]
        done = self.snakemake("--dry-run", target, "--config", *config)
        table = re.search(r"Job stats:\njob\s+count\n[-\s]+\n(.*?)\n\n", done.stdout, re.S)
        rows = [line.split() for line in table[1].splitlines()] if table else []
        return {name: int(count) for name, count in rows if name not in ("total", target)}


def copy_project(folder: Path, environment: dict[str, str] | None = None, *, served: bool = True) -> Project:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / part)
    return Project(folder, environment or {}, served=served)
