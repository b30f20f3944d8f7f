"""Perplexity of compressed SmolLM2-135M over methods and ratios, with times, sizes and speeds.

    python benchmarks/bench_compression.py [FILE.csv]

Encyclopedia text, windows of 256 tokens, 96 of them for calibration, all cores.
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
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.windows import load_windows
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
MLP = ("gate_proj", "up_proj", "down_proj")
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", *MLP)
METHODS = ("width", "whitened_svd", "mpo", "svd", "mpo_plain")
WAYS = [
    *(
        {"method": method, "ratio": ratio}
        for ratio in RATIOS
        for method in ("width", "whitened_svd", "mpo", "svd", "mpo_plain")
    ),
    *(
        {"method": method, "ratio": ratio, "allocation": "sensitivity"}
        for ratio in (0.2, 0.4)
        for method in ("width", "whitened_svd")
    ),
    {"method": "width", "ratio": 0.374, "targets": ALL},
    {"method": "width", "ratio": 0.374, "targets": ALL, "allocation": "sensitivity"},
    {"method": "width", "ratio": 0.374, "targets": ALL, "shape": "paper"},
    # As many parameters gone as in the paper's shape, of the MLP alone.
    {"method": "width", "ratio": 0.498},
]


def speeds(dense: Any, model: Any, ids: torch.Tensor, repeats: int = 5) -> dict[str, float]:
    """How many times as fast as the dense model's the forward pass and a training step are, measured in turn.

    A step takes the gradient of what enters the first layer, as training adapters in it would.
    """

    def forward(which: Any) -> None:
        with torch.no_grad():
            which.model(input_ids=ids)

    def step(which: Any) -> None:
        embedded = which.get_input_embeddings()(ids).requires_grad_()
        which.model(inputs_embeds=embedded).last_hidden_state.sum().backward()

    found = {}
    for name, run in (("forward", forward), ("step", step)):
        times: dict[int, list[float]] = {0: [], 1: []}
        for _ in range(repeats):
            for number, which in enumerate((dense, model)):
                start = time.perf_counter()
                run(which)
                times[number].append(time.perf_counter() - start)
        found[name] = float(np.median(times[0]) / np.median(times[1]))
    return found


def resident(model: Any) -> int:
    """Bytes of all parameters and buffers, shared ones once."""
    tensors = {t.data_ptr(): t.nbytes for t in [*model.parameters(), *model.buffers()]}
    return sum(tensors.values())


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
    print(f"uncompressed {base:.2f}", flush=True)
    rows = []
    for way in WAYS:
        model, start = load_model(folder), time.process_time()
        records = compress(model, tokens=calibration, **way)
        cpu_seconds = time.process_time() - start
        with tempfile.TemporaryDirectory() as temporary:
            save_compressed(model, Path(temporary) / "m", records, {"method": way["method"]})
            size = (Path(temporary) / "m/model.safetensors").stat().st_size
            model = load_compressed(Path(temporary) / "m")
        before, after = (sum(item[f"parameters_{when}"] for item in records) for when in ("before", "after"))
        perplexity = float(np.exp(token_losses(model, test, 3).mean()))
        rows.append(
            {
                "method": way["method"],
                "targets": "all" if way.get("targets") == ALL else "MLP",
                "widths": way.get("shape", way.get("allocation", "uniform")),
                "ratio": way["ratio"],
                "removed": round(1 - after / before, 4),
                "parameters": sum(value.numel() for value in model.parameters()),
                "perplexity": perplexity,
                "times": perplexity / base,
                "cpu_seconds": cpu_seconds,
                "file_MB": size / 1e6,
                "resident_MB": resident(model) / 1e6,
                **speeds(dense, model, torch.as_tensor(test[:1], dtype=torch.long)),
            }
        )
        print(
            " ".join(
                f"{key}={value:.4g}" if isinstance(value, float) else str(value) for key, value in rows[-1].items()
            ),
            flush=True,
        )
    table = pd.DataFrame(rows)
    print(
        table.pivot_table("perplexity", ["method", "targets", "widths"], "ratio", sort=False).to_string(
            float_format="%.4g"
        )
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    if len(sys.argv) > 1:
        table.to_csv(sys.argv[1], index=False)


if __name__ == "__main__":
    main()
