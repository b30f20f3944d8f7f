"""``cayley estimate`` against what runs then take: three experiments that its figures were not fitted to.

    python benchmarks/bench_estimate.py [--busy] [--keep FOLDER]

They differ by three times and more in model size (30 thousand, 135 and 425 million parameters), block dimension (2, 8,
32) and cells (20, 3, 1). Each runs through the workflow on this machine's cores, which nothing else should use;
``--busy`` judges by CPU time where that cannot be had. Fails where a prediction is off by more than a factor of 1.5.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from random_models import random_llama

from cayley_adapters.pipeline.costs import planned_jobs, summary, usable_cores
from cayley_adapters.pipeline.costs.machine import kept_speeds, measure_speeds
from cayley_adapters.pipeline.records import read_records
from cayley_adapters.settings import compose

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1.5

EXPERIMENTS = {
    "cells": (
        "ci",
        "sweep.block_dim=2 sweep.noise_scale=0,0.3,1,3,10 sweep.compression_ratio=0.3,0.5 sweep.seed=0,1 control=none",
    ),
    "small": (
        "quickstart",
        "sweep.block_dim=8 sweep.noise_scale=0,1,3 sweep.compression_ratio=0.25 data.window=192 train.targets=[o_proj] "
        "train.steps=6 train.validation_windows=2 evaluate.windows=2 data.calibration_windows=24 "
        "control.methods=[lora] control.block_dims=[8]",
    ),
    "large": (
        "quickstart",
        "model=local model.path={large} sweep.block_dim=32 sweep.noise_scale=0 sweep.compression_ratio=0.3 "
        "compress.targets=[down_proj] train.steps=3 train.validation_windows=1 train.validate_every=3 "
        "evaluate.windows=2 data.calibration_windows=8 control=none transpile.synthesis=none evaluate.shots=[inf] "
        "evaluate.unlimited_shots_block_dims=[]",
    ),
}


def run(folder: Path, experiment: str, overrides: str) -> float:
    """Wall time of ``snakemake phase_diagram`` in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default"), "--cores", str(usable_cores())]
    command += ["phase_diagram", "--config", f"experiment={experiment}", f"overrides={overrides}"]
    start = time.monotonic()
    with (folder / "snakemake.out").open("w") as out:
        subprocess.run(command, check=True, stdout=out, stderr=subprocess.STDOUT)
    return time.monotonic() - start


def compare(name: str, folder: Path, experiment: str, overrides: str) -> dict[str, tuple[float, float]]:
    """Predict an experiment, run it, and give (predicted, measured) of each figure."""
    settings = compose(experiment, shlex.split(f"{overrides} run={name}"))
    found: dict[str, Any] = summary(planned_jobs(settings, done=True), usable_cores())
    wall = run(folder, experiment, f"{overrides} run={name}")
    base = folder / "results" / name
    records = list(read_records(base))
    written = sum(path.stat().st_size for path in base.rglob("*") if path.is_file()) / 1e6
    return {
        "wall time, s": (found["seconds"], wall),
        "CPU time, s": (found["cpu_seconds"], sum(record["cpu_seconds"] for record in records)),
        "memory of the largest job, MiB": (
            max(row["memory_mb"] for row in found["stages"]),
            max(record["memory_mb"] for record in records),
        ),
        "disk, MB": (found["disk_mb"], written),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true", help="other programs run: judge by CPU time, not wall time")
    parser.add_argument("--keep", type=Path, help="run in this folder and keep the results")
    options = parser.parse_args()
    if kept_speeds() is None:
        measure_speeds()
    worst = 1.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        large = random_llama(folder / "models" / "random_425m", 1152, 3072, 26, 18, 6)
        for name, (experiment, overrides) in EXPERIMENTS.items():
            for what, (predicted, measured) in compare(name, folder, experiment, overrides.format(large=large)).items():
                ratio = predicted / measured
                print(f"{name:6s} {what:32s} predicted {predicted:8.1f}  measured {measured:8.1f}  ratio {ratio:.2f}")
                if not (options.busy and what.startswith("wall")):
                    worst = max(worst, ratio, 1 / ratio)
    print(f"worst factor {worst:.2f}, allowed {LIMIT}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
