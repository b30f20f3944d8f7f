"""Sweeps of thousands of cells are planned about as fast as Snakemake plans as many trivial jobs."""

from __future__ import annotations

import resource
import subprocess
import sys

TRIVIAL = """
rule all:
    input:
        expand("evaluated/{cell}.txt", cell=range(400)),


rule train:
    output:
        "trained/{cell}.txt",
    shell:
        "touch {output}"


rule transpile:
    input:
        "trained/{cell}.txt",
    output:
        "circuits/{cell}.txt",
    shell:
        "touch {output}"


rule evaluate:
    input:
        "trained/{cell}.txt",
        "circuits/{cell}.txt",
    output:
        "evaluated/{cell}.txt",
    shell:
        "touch {output}"
"""

CELLS = (
    "control=none sweep.compression_ratio=0.1,0.2,0.3,0.4,0.5 sweep.block_dim=2,4,8,16 "
    "sweep.noise_scale=0,0.3,1,3,10 sweep.seed=range(0,20)"
)


def cpu_seconds(run) -> float:
    """What a function's child processes take, which other programs on the machine disturb less than wall time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_dry_run_of_two_thousand_cells_takes_five_seconds_beyond_snakemakes_own(fresh, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trivial")
    (folder / "Snakefile").write_text(TRIVIAL)
    trivial = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run"]
    own = cpu_seconds(lambda: subprocess.run(trivial, cwd=folder, check=True, capture_output=True))
    planned = {}
    ours = cpu_seconds(lambda: planned.update(fresh.planned(CELLS, experiment="quickstart")))
    assert planned["train"] == planned["transpile"] == planned["evaluate"] == 400  # of five noise scales each
    assert ours - own < 5
