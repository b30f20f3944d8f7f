"""Speed and memory of Cayley blocks beside PEFT's LoRA and OFT, on SmolLM2-135M with all 210 projections adapted.

    python benchmarks/bench_adapters.py [--tokens 256] [--device cpu|cuda] [--dtype float32] [--part speed|memory]

Times are medians over rounds in which every method takes its turn, so that the machine's moods hit all alike. Memory is
the peak of a process of its own over that of the loaded model, for three training steps; the compiled loops are loaded
before (on a CPU, some 110 MB once a process, whatever the model).
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from peft import LoraConfig, OFTConfig, get_peft_model

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.models.base import load_model, locate, set_threads
from cayley_adapters.settings.fields import PROJECTIONS

MODEL = {"name": "smollm2_135m", "source": "embedded"}
TARGETS = list(PROJECTIONS)
METHODS: dict[str, Callable[[], Any]] = {
    "lora rank 1": lambda: LoraConfig(r=1, lora_alpha=1, target_modules=TARGETS),
    **{f"cayley d={d}": lambda d=d: CayleyConfig(block_dim=d, target_modules=TARGETS) for d in (2, 4, 8, 32)},
    **{
        f"oft d={d}": lambda d=d: OFTConfig(r=0, oft_block_size=d, use_cayley_neumann=False, target_modules=TARGETS)
        for d in (2, 4, 8, 32)
    },
}
"""OFT with the exact solve; its default, a truncated series, does not give rotations."""

ROUNDS = 7


def made(method: str | None, options: argparse.Namespace) -> Any:
    model = load_model(locate(MODEL)).to(options.device, getattr(torch, options.dtype))
    return model if method is None else get_peft_model(model, METHODS[method]())


def batch(options: argparse.Namespace) -> torch.Tensor:
    generator = torch.manual_seed(0)
    return torch.randint(1000, 40000, (options.tokens // 256, 256), generator=generator).to(options.device)


def synchronised(run: Callable[[], None], options: argparse.Namespace) -> float:
    if options.device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if options.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def train_step(model: Any, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    model(input_ids=x, labels=x, use_cache=False).loss.backward()
    optimizer.step()


def speeds(options: argparse.Namespace) -> None:
    x = batch(options)
    training, evaluating = {}, {}
    base = made(None, options)
    for method in METHODS:
        model = made(method, options).train()
        parameters = [value for value in model.parameters() if value.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=1e-3)
        training[method] = lambda model=model, optimizer=optimizer: train_step(model, optimizer, x)
        for _ in range(2):
            training[method]()

        def forward(model: Any = model) -> None:
            with torch.no_grad():
                model(input_ids=x, use_cache=False)

        evaluating[method] = (model, forward)
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(ROUNDS):
        for method, run in training.items():
            times[method].append(synchronised(run, options))
    step = {method: float(np.median(values)) for method, values in times.items()}
    gc.collect()

    def plain() -> None:
        with torch.no_grad():
            base(input_ids=x, use_cache=False)

    evaluations: dict[str, list[float]] = {"base": [], **{method: [] for method in METHODS}}
    for model, forward in evaluating.values():
        model.eval()
        forward()
    for _ in range(ROUNDS):
        evaluations["base"].append(synchronised(plain, options))
        for method, (_, forward) in evaluating.items():
            evaluations[method].append(synchronised(forward, options))
    evaluation = {method: float(np.median(values)) for method, values in evaluations.items()}
    print(f"evaluation of the base model: {evaluation['base']:.3f} s for {options.tokens} tokens")
    print(f"{'method':14s} {'step (s)':>9s} {'/ LoRA':>7s} {'/ OFT':>7s} {'evaluation / base':>18s}")
    for method in METHODS:
        d = method.partition("d=")[2]
        beside = f"{step[method] / step[f'oft d={d}']:.2f}" if d else ""
        print(
            f"{method:14s} {step[method]:9.3f} {step[method] / step['lora rank 1']:7.2f} {beside:>7s} "
            f"{evaluation[method] / evaluation['base']:18.2f}",
            flush=True,
        )


def peak(options: argparse.Namespace) -> None:
    """Print the bytes by which three training steps raise the peak of this process over the loaded model."""
    model = made(None, options)
    with torch.no_grad():
        model(input_ids=batch(options)[:, :8], use_cache=False)  # safetensors maps weights: they are read when used
    rotate(cayley(torch.zeros(1, 6, requires_grad=True)), torch.zeros(1, 4)).sum().backward()
    gc.collect()
    if options.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
        before = psutil.Process().memory_info().rss
    model = get_peft_model(model, METHODS[options.peak]()).train()
    optimizer = torch.optim.Adam([value for value in model.parameters() if value.requires_grad], lr=1e-3)
    for _ in range(3):
        train_step(model, optimizer, batch(options))
    # The kernel's high-water mark of this very program; getrusage would count the one that started it.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    highest = int(status["VmHWM"].split()[0]) * 1024
    print((torch.cuda.max_memory_allocated() if options.device == "cuda" else highest) - before)


def memory(options: argparse.Namespace) -> None:
    print(f"{'method':14s} {'peak above the base model (MB)':>31s} {'/ LoRA':>7s}")
    reference = 0.0
    for method in METHODS:
        command = [sys.executable, __file__, "--peak", method, "--tokens", str(options.tokens)]
        command += ["--device", options.device, "--dtype", options.dtype]
        found = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3)]
        above = float(np.median(found))
        reference = reference or above
        print(f"{method:14s} {above / 1e6:31.0f} {above / reference:7.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--part", choices=("all", "speed", "memory"), default="all")
    parser.add_argument("--peak", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    set_threads(psutil.cpu_count())
    if options.peak:
        peak(options)
        return
    if options.part in ("all", "speed"):
        speeds(options)
    if options.part in ("all", "memory"):
        memory(options)


if __name__ == "__main__":
    main()
