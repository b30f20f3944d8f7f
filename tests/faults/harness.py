"""A run of the workflow that is cut short again and again, and what is looked at after each cut."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import psutil
import yaml
from PIL import Image
from project_copy import Project
from safetensors import safe_open
from safety import SAFETY, wait_for
from small_disk import fill

STARTED = re.compile(r"^(?:local)?rule \w+:\n(?:    .*\n)*?    log: \S+/(\S+)\.log\n    jobid: (\d+)$", re.M)
FINISHED = re.compile(r"^Finished jobid: (\d+)", re.M)


class Command:
    """One start of the very same command, in a process group of its own."""

    def __init__(self, project: Project, arguments: list[str], log: Path) -> None:
        self.log = log
        # Root, too, is to feel permissions.
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [*prefix, *project.command(*arguments)],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **project.options(),
            )

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def started(self) -> dict[str, str]:
        """Jobs that it started: Snakemake's number → name, which is that of their logs."""
        return {number: name for name, number in STARTED.findall(self.output)}

    def finished(self) -> set[str]:
        names = self.started()
        return {names[number] for number in FINISHED.findall(self.output) if number in names}

    def running(self) -> set[str]:
        return set(self.started().values()) - self.finished()

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Whether ``condition`` came true before the command ended."""
        ended = False

        def decided() -> bool:
            nonlocal ended
            ended = self.process.poll() is not None  # before what it has written is looked at
            return condition() or ended

        wait_for(decided, "what the command was to do")
        return not ended or condition()

    def wait(self) -> int:
        return self.process.wait(SAFETY)

    def jobs(self) -> list[psutil.Process]:
        """The processes that work on jobs."""
        found: list[psutil.Process] = []
        if self.process.poll() is not None:
            return found
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if "cayley_adapters.pipeline.warm.client" in process.cmdline()[:3]:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill_all(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def kill(command: Command, project: Project) -> str:
    """The whole process group, as a power cut would."""
    command.kill_all()
    return ""


def orphan(command: Command, project: Project) -> str:
    """Snakemake alone: its jobs must not go on without it."""
    command.process.kill()
    command.process.wait()
    return ""


def worker(command: Command, project: Project) -> str:
    """One job, as the kernel does for want of memory."""
    running = command.jobs()
    if running:
        running[-1].kill()
    command.wait()
    return "it was ended by signal SIGKILL" if running else ""


def readonly(command: Command, project: Project) -> str:
    """Nobody may write to the results folder for a while."""
    (project.folder / "results").mkdir(exist_ok=True)
    folders = [path for path in [project.folder / "results", *(project.folder / "results").rglob("*")] if path.is_dir()]
    for path in folders:
        path.chmod(0o555)
    try:
        command.wait()
    finally:
        for path in folders:
            if path.exists():
                path.chmod(0o755)
    return "permission denied"


def disk(command: Command, project: Project) -> str:
    """The disk that holds everything is full for a while."""
    filler = project.folder / "filler"
    try:
        fill(filler)
        command.wait()
    finally:
        filler.unlink()
    return "disk is full|no space left"


KINDS = {"kill": kill, "orphan": orphan, "worker": worker, "readonly": readonly, "disk": disk}
WEIGHTS = {"kill": 5, "orphan": 1, "worker": 1, "readonly": 2, "disk": 2}


def choose_kinds(draw: random.Random, count: int, missing: set[str]) -> list[str]:
    """So many kinds of faults, each at least once where there are as many."""
    names = [name for name in KINDS if name not in missing]
    chosen = draw.choices(names, [WEIGHTS[name] for name in names], k=max(0, count - len(names)))
    kinds = [*names[:count], *chosen]
    draw.shuffle(kinds)
    return kinds


@dataclass
class Fault:
    """One line of the table.

    Attributes:
        at: job that it waits for, or ``start`` of Snakemake itself.
        share: how far into that job, of its usual time.
        kind: of :data:`KINDS`.
    """

    at: str
    share: float
    kind: str
    running: list[str] = field(default_factory=list)
    kept: int = 0
    seconds: float = 0.0
    struck: bool = False
    note: str = ""

    def line(self, number: int) -> str:
        running = ", ".join(self.running) or "-"
        when = f"{self.seconds:5.1f} s into {self.at}"
        return f"{number:3d}  {self.kind:8s}  {when}; cut: {running}; kept: {self.kept}; {self.note}"


def unreadable(results: Path) -> list[str]:
    """Files of all results that a reader would take for whole and that are not."""
    return [f"{path.relative_to(results)}: {error}" for path in _read(results) if (error := _fault_of(path))]


def _elsewhere(parts: tuple[str, ...]) -> bool:
    """W&B's files, whose names carry the time, and what names the folders of runs."""
    return "wandb" in parts or parts[:2] == ("store", "runs")


def _read(results: Path) -> Iterator[Path]:
    for path in sorted(results.rglob("*")):
        parts = path.relative_to(results).parts
        if path.is_file() and not any(part.startswith(".") for part in parts) and not _elsewhere(parts):
            yield path


def _fault_of(path: Path) -> str | None:
    try:
        READERS.get(path.suffix, lambda path: None)(path)
    except Exception as error:  # each reader has its own
        return f"{type(error).__name__}: {error}"
    return None


def _csv(path: Path) -> None:
    header, *rows = csv.reader(path.read_text().splitlines())
    assert path.read_text().endswith("\n"), "no end of line"
    assert all(len(row) == len(header) for row in rows), "a row is too short"


def _tensors(path: Path) -> None:
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118 - no mapping
            file.get_tensor(name)


def _picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _page(path: Path) -> None:
    assert path.read_text().rstrip().endswith("</html>"), "no end of the page"


READERS: dict[str, Callable[[Path], object]] = {
    ".csv": _csv,
    ".json": lambda path: json.loads(path.read_text()),
    ".yaml": lambda path: yaml.safe_load(path.read_text())["run"],
    ".safetensors": _tensors,
    ".png": _picture,
    ".svg": lambda path: ElementTree.parse(path),
    ".html": _page,
}


def names(results: Path) -> set[str]:
    """Files of all results, hidden ones included."""
    return {
        path.relative_to(results).as_posix()
        for path in results.rglob("*")
        if path.is_file() and not _elsewhere(path.relative_to(results).parts)
    }


def tracked(results: Path) -> list[str]:
    """Ids of the offline W&B runs, without what tells places apart."""
    return sorted(
        path.name.split("-", 3)[3].rpartition("-")[0] for path in (results / "ci" / "wandb").glob("offline-run-*")
    )


def left_running(folder: Path) -> list[str]:
    """Processes that never cease to work in a folder."""
    deadline = time.monotonic() + SAFETY
    while True:
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                    found.append(" ".join(process.cmdline())[:120])
            except (psutil.Error, OSError):
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
