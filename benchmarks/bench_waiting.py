"""What a user waits for besides computing: answers to mistakes, plans, predictions, and an end after Ctrl-C.

    python benchmarks/bench_waiting.py

CPU seconds, which other programs on the machine disturb less than wall time. The tests count what is done instead
(tests/workflow/test_scale.py, tests/cli), so that their outcome hangs on no machine.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cayley_adapters.pipeline.costs import job_cost
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.settings import compose

ROOT = Path(__file__).resolve().parents[1]
CAYLEY = [sys.executable, "-m", "cayley_adapters"]
CELLS = (
    "control=none sweep.compression_ratio=0.1,0.2,0.3,0.4,0.5 sweep.block_dim=2,4,8,16 "
    "sweep.noise_scale=0,0.3,1,3,10 sweep.seed=range(0,20)"
)
TRIVIAL = """
rule all:
    input: expand("evaluated/{cell}.txt", cell=range(400))
rule train:
    output: "trained/{cell}.txt"
    shell: "touch {output}"
rule transpile:
    input: "trained/{cell}.txt"
    output: "circuits/{cell}.txt"
    shell: "touch {output}"
rule evaluate:
    input: "trained/{cell}.txt", "circuits/{cell}.txt"
    output: "evaluated/{cell}.txt"
    shell: "touch {output}"
"""
"""As many jobs as the cells above have, of rules that ask nothing of the library."""

STOPPED = """
import subprocess, time
from cayley_adapters.pipeline.signals import leaving_on_signals
with leaving_on_signals("Stopped."):
    child = subprocess.Popen(["bash", "-c", "trap '' TERM; while :; do sleep 1; done"])
    print("ready", flush=True)
    time.sleep(600)
"""


def cpu_seconds(run: Callable[[], Any]) -> float:
    """Of this process and of those that it has started and waited for."""

    def used() -> float:
        found = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in found)

    before = used()
    run()
    return used() - before


def snakemake(folder: Path, *arguments: str) -> Callable[[], Any]:
    """A dry run in a folder."""
    command = [sys.executable, "-m", "snakemake", "--directory", str(folder), "--cores", "2", "--dry-run", *arguments]
    return lambda: subprocess.run(command, check=False, capture_output=True)


def predictions() -> None:
    """2,000 predictions of what a job takes."""
    [settings] = compose("quickstart", ["sweep.seed=range(0,60)"])
    every = [job for stage in ("train", "evaluate", "transpile", "control") for job in jobs([settings], stage)]
    for job in every[:1000] * 2:
        job_cost(job, settings)


def stop() -> float:
    """Wall seconds from Ctrl-C to the end of a command whose own child refuses to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate()
    return time.monotonic() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "Snakefile").write_text(TRIVIAL, encoding="utf-8")
        ours = ("--snakefile", str(ROOT / "Snakefile"), "phase_diagram", "--config")
        mistake = [*CAYLEY, "train", "train.stpes=3"]
        rows = {
            "mistake in a command": cpu_seconds(lambda: subprocess.run(mistake, check=False, capture_output=True)),
            "mistake given to snakemake": cpu_seconds(snakemake(folder, *ours, "overrides=train.stpes=3")),
            "plan of the ci experiment": cpu_seconds(snakemake(folder, *ours, "experiment=ci")),
            "plan of 2,000 cells (1,200 jobs)": cpu_seconds(snakemake(folder, *ours, f"overrides={CELLS}")),
            "Snakemake's plan of 1,200 trivial jobs": cpu_seconds(snakemake(folder)),
            "2,000 predictions": cpu_seconds(predictions),
        }
    for what, seconds in rows.items():
        print(f"{what:40s} {seconds:6.2f} CPU s")
    print(f"{'Ctrl-C to the end':40s} {stop():6.2f} s")


if __name__ == "__main__":
    main()
