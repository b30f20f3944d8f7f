"""A randomly initialised model of Llama 3.1 8B's shape through the stages of ``experiment=paper_llama31_8b``.

    python benchmarks/large/bench.py [--folder FOLDER] [--keep] [--layers 32] [--threads 2] [--device cpu]

Each stage is a process of its own, as under Snakemake: prepare, compress (the MLP of one layer), train (two steps, and
saving the adapter), transpile, and evaluate (one window at noise scales 0 and 1). Memory is sampled four times a second
over a stage and its children: ``own`` is what they alone hold, ``resident`` counts pages mapped from the model's files
as well, which the system takes back when it needs them.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from random_model import shape_of, write_model

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory, cache_directory
from cayley_adapters.core.job import Job, job_to_json
from cayley_adapters.models.base import locate
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.settings import compose

STAGES = ("prepare", "teacher", "compress", "train", "transpile", "baseline", "evaluate")
LIMIT = 22 * 2**30
"""Bytes that a stage may hold."""


def status(pid: int) -> dict[str, int]:
    """Bytes of a process by kind, from the kernel's table; nothing once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key: 1024 * int(value.split()[0]) for key, _, value in (x.partition(":") for x in lines) if "kB" in value}


def measured(command: list[str], log: Path) -> dict[str, float]:
    """Run a command to its end: seconds, processor seconds, and the most that it held at once, in bytes.

    Raises:
        CayleyError: it failed.
    """
    start, most = time.monotonic(), {"resident": 0, "own": 0, "highest": 0}
    with log.open("w", encoding="utf-8") as stream, subprocess.Popen(command, stdout=stream, stderr=stream) as process:
        watched, cpu = psutil.Process(process.pid), 0.0
        while process.poll() is None:
            try:
                tree = [watched, *watched.children(recursive=True)]
                cpu = sum(sum(part.cpu_times()[:2]) for part in tree)
            except psutil.NoSuchProcess:
                break
            found = [status(part.pid) for part in tree]
            most["resident"] = max(most["resident"], sum(item.get("VmRSS", 0) for item in found))
            most["own"] = max(most["own"], sum(item.get("RssAnon", 0) + item.get("RssShmem", 0) for item in found))
            most["highest"] = max(most["highest"], found[0].get("VmHWM", 0))
            time.sleep(0.25)
    if process.returncode:
        raise CayleyError(f"{' '.join(command[:3])} failed:\n{log.read_text(encoding='utf-8')[-3000:]}")
    return {"seconds": time.monotonic() - start, "cpu_seconds": cpu, **most}


def prepare_model(folder: Path, layers: int) -> None:
    """Write the model with a byte-level tokenizer, unless it is there.

    Raises:
        CayleyError: the disk has no room.
    """
    if folder.exists():
        return
    needed = int(2.1 * shape_of(layers).parameters) + 2 * 2**30
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise CayleyError(
            f"{folder.parent} has {free / 1e9:.1f} GB free, and the model with its results needs {needed / 1e9:.1f}; "
            "choose another place with --folder"
        )
    tiny = locate({"source": "random", "name": "tiny_random", "seed": 0})
    with atomic_directory(folder) as temporary:
        for path in tiny.glob("token*"):
            shutil.copyfile(path, temporary / path.name)
        write_model(temporary, layers)


def stage_jobs(model: Path, results: Path, layers: int, threads: int, device: str) -> Iterator[Job]:
    """The job of each stage."""
    layer = min(15, layers - 1)
    overrides = [
        *("model=local", f"model.path={model}", "model.dtype=bfloat16", "compress=whitened_svd"),
        *(
            f"compress.layers=[{layer}]",
            f"train.layers=[{layer}]",
            "sweep.compression_ratio=0.2",
            "train.targets=[q_proj]",
        ),
        *("data.calibration_windows=8", "train.steps=2", "train.validation_windows=1"),
        *("evaluate.windows=1", "evaluate.noise_budget_windows=0", "evaluate.unlimited_shots_block_dims=[]"),
        *("sweep.noise_scale=[0,1]", "track.mode=disabled", f"store={results / 'store'}"),
        *(f"{section}.threads={threads}" for section in ("compress", "train", "evaluate")),
        *(f"{section}.device={device}" for section in ("train", "evaluate")),
    ]
    settings = compose("paper_llama31_8b", overrides)
    for stage in STAGES:
        yield next(jobs(settings, stage))


def machine() -> str:
    """Processor, cores and memory."""
    names = [x.partition(": ")[2] for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
    memory = psutil.virtual_memory().total / 2**30
    return f"{names[0] if names else platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=cache_directory() / "bench-large", help="for model and results")
    parser.add_argument("--keep", action="store_true", help="leave the model there, for another time")
    parser.add_argument("--layers", type=int, default=32, help="fewer for a try")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), default="cpu", help="of training and evaluation")
    options = parser.parse_args()
    folder = options.folder.resolve()
    model = folder / f"model-{options.layers}"
    rows = []
    try:
        start = time.monotonic()
        prepare_model(model, options.layers)
        print(f"model of {shape_of(options.layers).parameters:,} parameters in {time.monotonic() - start:.0f} s")
        results = folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir()
        for job in stage_jobs(model, results, options.layers, options.threads, options.device):
            output = next(iter(job.outputs.values()))
            command = [sys.executable, "-m", "cayley_adapters.pipeline.run", job_to_json(job), str(output)]
            rows.append({"stage": job.stage, **measured(command, results / f"{job.stage}.log")})
            print("{stage:10s} {seconds:7.0f} s".format(**rows[-1]), flush=True)
        adapter = next(results.glob("store/train/*/adapters/*/*/*/adapter_model.safetensors"))
        print(f"adapter: {adapter.stat().st_size:,} bytes")
        print(next(results.glob("store/evaluate/*/evaluations/*/*/*/cells.csv")).read_text())
    except CayleyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder / "results" / "store" / "compress", ignore_errors=True)
        if not options.keep:
            shutil.rmtree(model, ignore_errors=True)
    table = ["| stage | seconds | processor seconds | own, GiB | resident, GiB |", "|---|---|---|---|---|"]
    for row in rows:
        own, resident = row["own"] / 2**30, max(row["resident"], row["highest"]) / 2**30
        table.append(
            f"| {row['stage']} | {row['seconds']:.0f} | {row['cpu_seconds']:.0f} | {own:.1f} | {resident:.1f} |"
        )
    head = f"{machine()}; {options.layers} layers, {options.threads} threads, {options.device}"
    text = "\n".join([head, "", *table, ""])
    (folder / "results" / "table.md").write_text(text, encoding="utf-8")
    print(text)
    highest = max(max(row["resident"], row["highest"]) for row in rows)
    if highest > LIMIT:
        print(f"error: {highest / 2**30:.1f} GiB is more than {LIMIT / 2**30:.0f} GiB", file=sys.stderr)
    return int(highest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
