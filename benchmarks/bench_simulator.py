"""Blocks a second of the batched simulator, beside Aer in its fastest exact use, on the same noisy circuits.

    python benchmarks/bench_simulator.py

Ours: the compiled kernels, and the plain torch path (with a GPU, on that, too). Aer: density matrix, native circuits, a
noise model of just those qubits, parameters bound at run time. Then shots, the error of single precision, and that of
characterised maps.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import psutil
import torch

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.simulation.aer import aer_probabilities
from cayley_adapters.simulation.compiled import compile_blocks, probabilities
from cayley_adapters.simulation.differentiable import noisy_probabilities
from cayley_adapters.simulation.measurement import characterise, sample

INPUTS, AER_CIRCUITS = 576, 2000
TOKENS = {1: 1024, 2: 1024, 3: 1024, 4: 256}


def rotations(count: int, d: int) -> np.ndarray:
    """Random rotations."""
    q, r = np.linalg.qr(np.random.default_rng(0).normal(size=(count, d, d)))
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    q[:, :, 0] *= np.sign(np.linalg.det(q))[:, None]
    return q


def median_time(run: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of a run, the first one (which compiles) left out."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def torch_rate(q: np.ndarray, x: np.ndarray, noise: DeviceNoise, device: str) -> float:
    """Blocks a second of the torch path, synthesis included."""
    blocks, slices = torch.from_numpy(q), torch.from_numpy(x).to(device)

    def run() -> float:
        return float(noisy_probabilities(blocks.to(device), slices, noise)[0, 0, 0])  # waits for the GPU

    return x.shape[0] * x.shape[1] / median_time(run)


def aer_rate(q: np.ndarray, noise: DeviceNoise) -> float:
    """Circuits a second, those of one block."""
    x = np.random.default_rng(1).normal(size=(AER_CIRCUITS, 1, q.shape[-1]))
    one = synthesise(q[:1])
    aer_probabilities(one, x[:10], noise)
    start = time.perf_counter()
    aer_probabilities(one, x, noise)
    return AER_CIRCUITS / (time.perf_counter() - start)


def main() -> None:
    noise = DeviceNoise.from_backend("FakeFez")
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, noise of FakeFez, exact probabilities in float32")
    print("qubits  synthesis (s/block)  kernel (blocks/s)  torch (blocks/s)  Aer (blocks/s)  kernel/Aer")
    rows = []
    for n, tokens in TOKENS.items():
        q = rotations(INPUTS // 2**n, 2**n)
        synthesise(q[:2])
        start = time.perf_counter()
        circuits = synthesise(q)
        search = (time.perf_counter() - start) / len(q)
        compiled = compile_blocks(circuits, noise)
        x = np.random.default_rng(1).normal(size=(tokens, len(q), 2**n)).astype(np.float32)
        kernel = tokens * len(q) / median_time(lambda compiled=compiled, x=x: probabilities(compiled, x))
        plain, referee = torch_rate(q, x, noise, "cpu"), aer_rate(q, noise)
        print(f"{n:6d}  {search:19.1e}  {kernel:17.3g}  {plain:16.3g}  {referee:14.3g}  {kernel / referee:10.0f}")
        p = probabilities(compiled, x)
        error = np.abs(p - probabilities(compiled, x.astype(np.float64)))
        shots = median_time(lambda p=p: sample(p, 8192, np.random.default_rng(0)))
        rows.append((n, tokens * len(q) / shots, error.max(), np.quantile(error, 0.9999)))
    print("qubits  8,192 shots (blocks/s)  float32 error, largest  99.99 % quantile")
    for n, rate, largest, quantile in rows:
        print(f"{n:6d}  {rate:22.3g}  {largest:22.1e}  {quantile:16.1e}")
    print("qubits  error of a characterised row (length of the difference), unlimited shots  8,192 shots")
    for n in (1, 2, 3, 4):
        q = rotations(INPUTS // 2**n, 2**n)
        run = partial(probabilities, compile_blocks(q, noise))
        errors = [
            np.linalg.norm(characterise(run, q, shots, np.random.default_rng(0)) - q, axis=-1).mean()
            for shots in (np.inf, 8192)
        ]
        print(f"{n:6d}  {errors[0]:70.4f}  {errors[1]:11.4f}")
    half = {}
    for tokens in (512, 1024, 2048):
        compiled = compile_blocks(rotations(INPUTS // 4, 4), noise)
        x = np.random.default_rng(1).normal(size=(tokens, INPUTS // 4, 4)).astype(np.float32)
        half[tokens] = median_time(lambda compiled=compiled, x=x: probabilities(compiled, x), 15) / tokens
    print("n = 2, microseconds a token: " + ", ".join(f"{t} tokens {1e6 * s:.2f}" for t, s in half.items()))
    if torch.cuda.is_available():
        for n in (2, 3):
            q = rotations(INPUTS // 2**n, 2**n)
            x = np.random.default_rng(1).normal(size=(8192, len(q), 2**n)).astype(np.float32)
            print(f"torch on {torch.cuda.get_device_name()}, n = {n}: {torch_rate(q, x, noise, 'cuda'):.3g} blocks/s")


if __name__ == "__main__":
    main()
