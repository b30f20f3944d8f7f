"""One perplexity of SmolLM2-135M with all 210 projections adapted, under device noise, beside what Aer would need.

    python benchmarks/bench_full_model.py

Trains blocks of two and three qubits on all projections through the workflow (results/all_210; a finished run is not
repeated), then times evaluations of the test windows on all cores: exact arithmetic, and the noisy device at noise
scale 1. Aer's time is what its fastest exact use (density matrix, parameters bound at run time) takes for a sample of
the blocks, times their number.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import load_cell, run_workflow

from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.simulation.aer import aer_probabilities
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import ExactExecutor, NoisyExecutor

TARGETS = "[q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj]"
OVERRIDES = f"run=all_210 train.targets={TARGETS} sweep.block_dim=4,8 sweep.compression_ratio=0.2"
SAMPLE = 2000


def aer_rate(circuits: BlockCircuits, noise: DeviceNoise) -> float:
    """Blocks a second of Aer."""
    x = np.random.default_rng(0).normal(size=(SAMPLE, 1, 2**circuits.ansatz.qubits))
    aer_probabilities(circuits[:1], x[:10], noise)
    start = time.perf_counter()
    aer_probabilities(circuits[:1], x, noise)
    return SAMPLE / (time.perf_counter() - start)


def main() -> None:
    run_workflow(OVERRIDES + " sweep.noise_scale=0,0.1,0.3,1")
    noise = DeviceNoise.from_backend("FakeFez")
    for d in (4, 8):
        cell = load_cell(Path("results/all_210"), d)
        count, scored = sum(len(item) for item in cell.circuits.values()), cell.windows.tokens.size
        start = time.perf_counter()
        compiled = {key: compile_blocks(item, noise) for key, item in cell.circuits.items()}
        compiling = time.perf_counter() - start
        single = {key: q.float() for key, q in cell.blocks.items()}
        executors: dict[str, Any] = {
            "exact, signed": ExactExecutor(single, "signed"),
            "exact, sign-constrained": ExactExecutor(single, "sign_constrained"),
            "noise scale 1": NoisyExecutor(compiled),
            "noise scale 1, 8,192 shots": NoisyExecutor(compiled, 8192, np.random.SeedSequence(0)),
        }
        print(f"d = {d}: {len(compiled)} projections, {count} blocks, {scored} tokens, {psutil.cpu_count()} cores")
        noiseless = 0.0
        for name, executor in executors.items():
            cell.perplexity(executor)  # compiles what is compiled
            perplexity, seconds = cell.perplexity(executor)
            noiseless = seconds if name == "exact, sign-constrained" else noiseless
            ratio = f", {seconds / noiseless:.2f} times the noiseless one" if "noise" in name else ""
            print(f"  {name:26s}  perplexity {perplexity:8.2f}  {seconds:6.1f} s{ratio}")
        rate = aer_rate(next(iter(cell.circuits.values())), noise)
        hours = count * scored / rate / 3600
        print(f"  effects compiled in {compiling:.1f} s; Aer runs {rate:.0f} blocks/s and would need {hours:.1f} h")


if __name__ == "__main__":
    main()
