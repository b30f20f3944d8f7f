"""Wall time, peak memory and key figures of ``snakemake phase_diagram`` from scratch, in a temporary folder.

    python benchmarks/bench_default_run.py [--cores 8] [--keep FOLDER] [experiment=… overrides=…]

Memory is the sum over all processes of their proportional share (PSS), sampled twice a second. CPU time is that of
all jobs, by stage. Imports are what Python itself measures of them; loading is that of the compressed model, once for
each job that loads one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

from cayley_adapters.pipeline.records import read_records

ROOT = Path(__file__).resolve().parents[1]


def memory(process: psutil.Process) -> int:
    """Bytes that a process and its children hold."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


LOADING = ("teacher", "compress", "train", "control", "baseline", "reference", "evaluate", "evaluate_control")
"""Stages whose jobs load a model."""


def profile(base: Path) -> None:
    """Print the CPU time of a run's jobs by stage, and the share of imports and of loading."""
    from cayley_adapters.models.compression.storage import load_compressed

    records = pd.DataFrame(read_records(base))
    stages = records.groupby("stage")["cpu_seconds"].agg(["size", "sum"]).sort_values("sum", ascending=False)
    print(stages.set_axis(["jobs", "CPU seconds"], axis=1).to_string(float_format="%.0f"))
    imports = sum(
        int(line.split(":")[1].split("|")[0]) / 1e6
        for log in sorted((base / "logs").glob("*.log"))
        for line in log.read_text().splitlines()
        if line.startswith("import time:") and "self" not in line
    )
    compressed = next((base / "compressed").iterdir())
    load_compressed(compressed)  # imports what it needs
    start = time.process_time()
    load_compressed(compressed)
    loading = (time.process_time() - start) * records["stage"].isin(LOADING).sum()
    total = records["cpu_seconds"].sum()
    print(f"all jobs {total:.0f} s, imports {imports:.0f} s ({imports / total:.0%}), loading {loading:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--keep", type=Path, help="run in this folder and keep the results")
    parser.add_argument("config", nargs="*", help="what follows --config")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--directory",
            str(folder),
        ]
        command += [
            "--workflow-profile",
            str(ROOT / "profiles" / "default"),
            "--cores",
            str(options.cores),
            "phase_diagram",
        ]
        command += ["--config", *options.config] if options.config else []
        start, peak = time.monotonic(), 0
        with (folder / "snakemake.out").open("w") as out:
            environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
            process = psutil.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
            while process.poll() is None:
                peak = max(peak, memory(process))
                time.sleep(0.5)
        wall = time.monotonic() - start
        cores = psutil.cpu_count()
        print(
            f"{platform.machine()}, {cores} cores, --cores {options.cores}: exit {process.returncode}, "
            f"{wall / 60:.1f} min, peak {peak / 2**30:.1f} GiB"
        )
        if process.returncode:
            return process.returncode
        for table in sorted(folder.glob("results/*/baselines.csv")):
            profile(table.parent)
            print(pd.read_csv(table)[["compression_ratio", "method", "perplexity"]].to_string(index=False))
            cells = pd.read_csv(table.with_name("phase_diagram.csv"))
            keys = ["compression_ratio", "block_dim", "executor", "shots"]
            print(
                cells.pivot_table(index=keys, columns="noise_scale", values="perplexity").to_string(float_format="%.4g")
            )
            for ratio in json.loads(table.with_name("transition.json").read_text())["ratios"]:
                for block in ratio["blocks"]:
                    print(
                        ratio["compression_ratio"],
                        {key: block[key] for key in ("block_dim", "lambda_c", "ci95", "censored")},
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
