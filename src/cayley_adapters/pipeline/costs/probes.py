"""Small tasks whose times stand for the kinds of work, each on one thread; it imports torch and the kernels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cayley_adapters.models.base import set_threads
from cayley_adapters.pipeline.costs.machine import cpu_seconds

__all__ = ["PROBES"]


def _arithmetic() -> dict[str, float]:
    set_threads(1)
    x, w = torch.randn(256, 1024), torch.randn(2048, 1024)
    logits, small = torch.randn(64, 49152), torch.randn(8, 32)
    layer, square = torch.nn.Linear(32, 32), torch.randn(384, 384, dtype=torch.float64)
    square = square @ square.T
    with torch.no_grad():
        return {
            "matmul": cpu_seconds(lambda: torch.nn.functional.linear(x, w), 0.5) / (2 * 256 * 1024 * 2048),
            "double": cpu_seconds(lambda: torch.linalg.eigh(square)) / 384**3,
            "elements": cpu_seconds(lambda: logits.log_softmax(-1)) / logits.numel(),
            "dispatch": cpu_seconds(lambda: [layer(small) for _ in range(100)]) / 100,
            "python": cpu_seconds(lambda: sum(len(str(number)) for number in range(20_000))) / 20_000,
        }


def _einsum() -> dict[str, float]:
    q, x = np.ones((72, 8, 8), np.float32), np.ones((128, 72, 8), np.float32)
    return {"einsum": cpu_seconds(lambda: np.einsum("bij,tbj->tbi", q, x)) / (128 * 72 * 64)}


def _simulation() -> dict[str, float]:
    from numba import set_num_threads

    from cayley_adapters.adapters.cayley.transform import cayley
    from cayley_adapters.circuits.noise.device import DeviceNoise
    from cayley_adapters.circuits.synthesis import synthesise
    from cayley_adapters.simulation.compiled import compile_blocks, probabilities
    from cayley_adapters.simulation.measurement import sample

    set_num_threads(1)
    found, noise = {}, DeviceNoise.from_backend("FakeFez")
    for n in (1, 2, 3):
        d = 2**n
        blocks, tokens = 576 // d, 512
        theta = 0.1 * torch.randn(blocks, d * (d - 1) // 2, dtype=torch.float64, generator=torch.manual_seed(0))
        q = cayley(theta).numpy()
        if n == 3:
            found["synthesis"] = cpu_seconds(partial(synthesise, q)) / blocks
        x = np.random.default_rng(0).standard_normal((tokens, blocks, d)).astype(np.float32)
        compiled = compile_blocks(q, noise)
        found[f"slices{n}"] = cpu_seconds(partial(probabilities, compiled, x)) / (tokens * blocks)
        if n == 2:
            p = probabilities(compiled, x)
    return found | {"sampled": cpu_seconds(lambda: sample(p, 8192, np.random.default_rng(0))) / p.size}


def _files() -> dict[str, float]:
    size = 2**26
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bytes")
        path.write_bytes(bytes(size))
        return {"memory": cpu_seconds(path.read_bytes) / size}


PROBES: dict[str, Callable[[], dict[str, float]]] = {
    "arithmetic": _arithmetic,
    "files": _files,
    "products": _einsum,
    "simulated circuits": _simulation,
}
"""What is measured, in this order."""
