"""``make test-faults``: the workflow is cut short at random instants, and the same command goes on to the same bytes.

``FAULTS`` (30) instants are drawn with ``SEED`` (0), five in each run, all stages in turn and Snakemake's own start.
``OVERRIDES`` makes the ``ci`` experiment smaller.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from pathlib import Path

import pytest
from harness import (
    KINDS,
    Command,
    Fault,
    choose_kinds,
    left_running,
    names,
    tracked,
    unreadable,
)
from project_copy import Project, copy_project
from small_disk import on_small_disk

from cayley_adapters.core.files import PARTIAL, cache_directory

FAULTS = int(os.environ.get("FAULTS") or 30)
SEED = int(os.environ.get("SEED") or 0)
IN_A_RUN = 5
ARGUMENTS = ["phase_diagram", "--config", "experiment=ci"]
if overrides := os.environ.get("OVERRIDES"):
    ARGUMENTS.append(f"overrides={overrides}")
RESULTS = Path("results")
ROUNDS = -(-FAULTS // IN_A_RUN)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Project:
    """A run that nothing happens to; it also fills the caches."""
    project = copy_project(tmp_path_factory.mktemp("undisturbed"), served=False)
    command = Command(project, ARGUMENTS, project.folder / "log")
    try:
        assert command.wait() == 0, command.output[-4000:]
    finally:
        command.kill_all()
    return project


@pytest.fixture(scope="module")
def usual(undisturbed) -> dict[str, float]:
    """Seconds of each job, in the order in which they ended."""
    logs = undisturbed.folder / RESULTS / "ci" / "logs"
    paths = sorted(logs.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return {path.stem: json.loads(path.read_text())["seconds"] for path in paths}


@pytest.fixture(scope="module")
def plan(usual, tmp_path_factory) -> list[list[Fault]]:
    """Faults by run: each job once before any comes twice, and now and then Snakemake's start."""
    with on_small_disk(tmp_path_factory.mktemp("probe") / "disk", 1) as no_disk:
        missing = {"disk"} if no_disk else set()
    draw = random.Random(SEED)
    places: list[str] = []
    while len(places) < FAULTS:
        turn = [*usual, "start", "start"]
        draw.shuffle(turn)
        places += turn
    kinds = choose_kinds(draw, FAULTS, missing)
    faults = [Fault(at, draw.uniform(0, 1.1), kind) for at, kind in zip(places, kinds, strict=False)]
    order = ["start", *usual]
    return [
        sorted(faults[index::ROUNDS], key=lambda fault: (order.index(fault.at), fault.share)) for index in range(ROUNDS)
    ]


def test_the_kinds_of_faults(plan):
    """All are tried, but for the full disk where nobody may make a small one."""
    missing = set(KINDS) - {fault.kind for faults in plan for fault in faults}
    if missing == {"disk"}:
        pytest.skip("no full disk: only root can mount a small one; all other faults are tried")
    assert not missing or len(KINDS) > FAULTS


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_same_command_goes_on_to_the_same_result(number, plan, usual, undisturbed, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "p"
    finished: set[str] = set()
    with on_small_disk(folder):
        project = copy_project(folder, served=False)
        results, cache = folder / RESULTS, cache_without_models(folder / "cache")
        monkeypatch.setenv("CAYLEY_CACHE", str(cache))
        for index, fault in enumerate(plan[number]):
            command = Command(project, ARGUMENTS, tmp_path / f"log-{index}")
            try:
                strike(fault, command, project, usual, finished)
            finally:
                command.kill_all()
            assert not left_running(folder), fault
            assert not unreadable(results), fault
            check_repeats(command, finished, fault)
            finished |= command.finished()
            fault.kept = len(finished)
        last = Command(project, ARGUMENTS, tmp_path / "log-last")
        try:
            assert last.wait() == 0, last.output[-4000:]
        finally:
            last.kill_all()
            with capsys.disabled():
                print(table(plan[number], number))
        check_repeats(last, finished)
        check_result(results, undisturbed.folder / RESULTS)
        assert not list(cache.rglob(f"{PARTIAL}*"))
    struck = [fault for fault in plan[number] if fault.struck]
    assert 2 * len(struck) > len(plan[number]), "too few of the faults met anything that they could cut"


def cache_without_models(folder: Path) -> Path:
    """A cache in which models are made and kernels compiled anew, without fetching anything."""
    folder.mkdir()
    for name in ("wheels", "speeds"):
        (folder / name).symlink_to(cache_directory() / name)
    return folder


def strike(fault: Fault, command: Command, project: Project, usual: dict[str, float], finished: set[str]) -> None:
    """Wait for the instant, do the harm, and see that the command says what has happened."""
    if fault.at == "start":
        delay = 5 * fault.share
    else:
        # Jobs side by side do not always end in the usual order: where this one has, any other will do.
        command.wait_until(lambda: command.started() and (fault.at in {*command.started().values(), *finished}))
        delay = usual[fault.at] * fault.share
    deadline = time.monotonic() + delay
    command.wait_until(lambda: time.monotonic() > deadline)
    fault.running = sorted(command.running())
    fault.seconds = delay
    if command.process.poll() is not None:
        fault.note = "it had finished"
        assert command.process.returncode == 0, command.output[-4000:]
        return
    said = KINDS[fault.kind](command, project)
    code = command.process.returncode
    if code == 0:
        fault.note = "it needed nothing any more"
    else:
        fault.struck = True
        fault.note = said.partition("|")[0] or "killed"
        # Where Snakemake itself meets the fault first, the words are the system's.
        assert re.search(said, command.output, re.I), f"{fault}:\n{command.output[-6000:]}"


def check_repeats(command: Command, finished: set[str], fault: Fault | None = None) -> None:
    repeated = set(command.started().values()) & finished
    assert not repeated, f"{fault}: finished work was done again: {sorted(repeated)}"


def check_result(results: Path, wanted: Path) -> None:
    left = [path for path in results.rglob("*") if path.name.startswith(PARTIAL)]
    assert not left
    assert names(results) == names(wanted)
    assert not unreadable(results)
    assert tracked(results) == tracked(wanted)
    for name in sorted(names(wanted)):
        if "logs" not in Path(name).parts and Path(name).suffix in (".csv", ".json", ".yaml", ".safetensors"):
            assert (results / name).read_bytes() == (wanted / name).read_bytes(), name


def table(faults: list[Fault], number: int) -> str:
    head = f"\nrun {number}, seed {SEED}: kind, seconds after what, cut, jobs kept, what was said"
    return "\n".join([head, *(fault.line(index) for index, fault in enumerate(faults))])
