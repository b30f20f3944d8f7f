"""Wall time, peak memory and key figures of ``snakemake phase_diagram`` from scratch, in a temporary folder.

    python benchmarks/bench_default_run.py [--cores 8] [--keep FOLDER] [experiment=… overrides=…]

Memory is the sum over all processes of their proportional share (PSS), sampled twice a second.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

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
            process = psutil.Popen(command, stdout=out, stderr=subprocess.STDOUT)
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
