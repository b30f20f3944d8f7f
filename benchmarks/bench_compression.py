"""Perplexity of compressed SmolLM2-135M over methods and ratios, with times, sizes and speeds.

    python benchmarks/bench_compression.py [FILE.csv]

Three MLP projections, encyclopedia text, windows of 256 tokens, all cores.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch

from cayley_adapters.models.base import load_model, locate, set_threads
from cayley_adapters.models.compression.methods import method_named
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.corpus import load_windows
from cayley_adapters.models.losses import token_losses
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose

RATIOS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MEASURED = (0.1, 0.2, 0.3)
"""Ratios at which the slower allocation by sensitivity is measured, too."""
WAYS = [
    ("whitened_svd", "uniform"),
    ("whitened_svd", "sensitivity"),
    ("svd", "uniform"),
    ("mpo", "uniform"),
    ("mpo_plain", "uniform"),
]


@torch.no_grad()
def speed(dense: Any, model: Any, x: torch.Tensor, repeats: int = 60) -> float:
    """How many times as fast as dense ones the compressed projections of the first layer are, measured in turn."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(repeats):
        for which, mlp in enumerate((dense.model.layers[0].mlp, model.model.layers[0].mlp)):
            start = time.perf_counter()
            mlp.gate_proj(x)
            mlp.down_proj(mlp.up_proj(x))
            times[which].append(time.perf_counter() - start)
    return float(np.median(times[0]) / np.median(times[1]))


def resident(model: Any) -> int:
    """Bytes of all parameters and buffers, shared ones once."""
    tensors = {t.data_ptr(): t.nbytes for t in [*model.parameters(), *model.buffers()]}
    return sum(tensors.values())


def fitting(
    method: str, allocation: str, model: Any, ratio: float, tokens: np.ndarray
) -> tuple[list[dict], float, float]:
    """Compress, and return the records, all seconds, and those of the factorisations alone."""
    how, spent = method_named(method), 0.0
    original = how.fit

    def timed(*arguments: Any) -> Any:
        nonlocal spent
        start = time.perf_counter()
        result = original(*arguments)
        spent += time.perf_counter() - start
        return result

    how.fit = timed
    start = time.perf_counter()
    try:
        records = compress(model, ratio, tokens=tokens, method=method, allocation=allocation)
    finally:
        del how.fit
    return records, time.perf_counter() - start, spent


def main() -> None:
    (settings,) = compose(overrides=["run=bench_compression"])
    (prepare,) = jobs([settings], "prepare")
    if not prepare.outputs["tokens"].exists():
        run_job(prepare)
    set_threads(psutil.cpu_count())
    tokens = prepare.outputs["tokens"]
    calibration = load_windows(tokens, "calibration").first(96, "windows").tokens
    test = load_windows(tokens, "test").first(9, "windows").tokens
    folder = locate(settings.leaf("model"))
    dense = load_model(folder)
    base = float(np.exp(token_losses(dense, test, 3).mean()))
    x = torch.randn(1024, 576)
    print(f"uncompressed {base:.2f}", flush=True)
    rows = []
    for ratio in RATIOS:
        for method, allocation in WAYS:
            if allocation == "sensitivity" and ratio not in MEASURED:
                continue
            model = load_model(folder)
            records, whole, fits = fitting(method, allocation, model, ratio, calibration)
            before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
            with tempfile.TemporaryDirectory() as temporary:
                save_compressed(model, Path(temporary) / "m", records, {"method": method})
                size = (Path(temporary) / "m/model.safetensors").stat().st_size
                model = load_compressed(Path(temporary) / "m")
            perplexity = float(np.exp(token_losses(model, test, 3).mean()))
            rows.append(
                {
                    "method": method,
                    "allocation": allocation,
                    "ratio": ratio,
                    "removed": round(1 - after / before, 4),
                    "perplexity": perplexity,
                    "times": perplexity / base,
                    "seconds": whole,
                    "factorisation_s": fits,
                    "file_MB": size / 1e6,
                    "resident_MB": resident(model) / 1e6,
                    "speed": speed(dense, model, x),
                }
            )
            print(
                " ".join(
                    f"{key}={value:.4g}" if isinstance(value, float) else str(value) for key, value in rows[-1].items()
                ),
                flush=True,
            )
    table = pd.DataFrame(rows)
    print(table.pivot_table("perplexity", ["method", "allocation"], "ratio", sort=False).to_string(float_format="%.4g"))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if len(sys.argv) > 1:
        table.to_csv(sys.argv[1], index=False)


if __name__ == "__main__":
    main()
