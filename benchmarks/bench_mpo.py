"""What each part of `compress.method=mpo` buys, beside whitened SVD in equally many numbers.

    python benchmarks/bench_mpo.py docs/data [mpo_errors] [mpo_perplexity]

SmolLM2-135M, encyclopedia text. First the relative error ‖(W − W')X‖/‖WX‖ of single projections, with X what the
uncompressed model gives them on the calibration windows; then the perplexity of the whole model, its MLPs compressed
layer after layer. The tables appear in the folder as `mpo_errors.csv` and `mpo_perplexity.csv`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from cayley_adapters.models.base import load_model, locate, set_threads
from cayley_adapters.models.compression.factored import factored_rank
from cayley_adapters.models.compression.methods.mpo import STEPS, SWEEPS, sites_of
from cayley_adapters.models.compression.methods.mpo_cores import fitted_cores
from cayley_adapters.models.compression.methods.mpo_layers import Sites, even_sites, largest_bond
from cayley_adapters.models.compression.methods.whitened_svd import whitened_factors
from cayley_adapters.models.compression.observation import observe
from cayley_adapters.models.compression.sequential import compress
from cayley_adapters.models.layerwise import layer_inputs
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.windows import load_windows
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import run_job
from cayley_adapters.settings import compose

LAYERS = (3,)
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
MODELS = [
    *(("mpo", "uniform", ratio) for ratio in (0.1, 0.2, 0.3)),
    *(("whitened_svd", "uniform", ratio) for ratio in (0.1, 0.2, 0.3)),
    *((method, "sensitivity", 0.2) for method in ("mpo", "whitened_svd")),
]
Cores = tuple[torch.Tensor, torch.Tensor]


def truncated(weight: torch.Tensor, sites: Sites, bond: int) -> Cores:
    """The cores nearest to the weights alone."""
    u, s, vh = torch.linalg.svd(sites.split(weight), full_matrices=False)
    return u[:, :bond] * s[:bond], vh[:bond]


def by_power(weight: torch.Tensor, gram: torch.Tensor, groups: int) -> torch.Tensor:
    """An order of the inputs in which those that meet in one index of the second site are as strong as each other."""
    strongest = (weight.square().sum(0) * gram.diagonal()).argsort(descending=True)
    return strongest.reshape(-1, groups).T.flatten()


def ladder(weight: torch.Tensor, gram: torch.Tensor, ratio: float, ridge: float) -> Iterator[dict[str, Any]]:
    """One row for each way to make a projection smaller."""
    outputs, inputs = weight.shape
    kept, power = (1 - ratio) * weight.numel(), ((weight @ gram) * weight).sum()
    noisy = gram + ridge * power / weight.square().sum() * torch.eye(inputs, dtype=gram.dtype)
    even, chosen = even_sites(inputs, outputs), sites_of(inputs, outputs)
    whole, bonds = (
        largest_bond(even, kept, pivoted=False),
        {s: largest_bond(s, kept, pivoted=True) for s in (even, chosen)},
    )

    def fit(sites: Sites, sweeps: int, order: torch.Tensor | None = None) -> torch.Tensor:
        at = torch.arange(inputs) if order is None else order
        first, second = fitted_cores(weight[:, at], noisy[at][:, at], sites, bonds[sites], sweeps, STEPS)
        return sites.join(first @ second)[:, at.argsort()]

    def row(way: str, sites: Sites | None, bond: int, parameters: int, smaller: torch.Tensor) -> dict[str, Any]:
        lost = weight - smaller
        error = float((((lost @ gram) * lost).sum() / power).clamp(min=0).sqrt())
        split = "" if sites is None else f"{sites.o1}·{sites.i1} | {sites.o2}·{sites.i2}"
        return {"way": way, "sites": split, "bond": bond, "parameters": parameters, "error": error}

    def count(sites: Sites) -> int:
        return bonds[sites] * (sites.first + sites.second - bonds[sites])

    first, second = truncated(weight, even, whole)
    yield row("plain", even, whole, whole * (even.first + even.second), even.join(first @ second))
    first, second = truncated(weight, even, bonds[even])
    yield row("pivoted", even, bonds[even], count(even), even.join(first @ second))
    yield row("whitened", even, bonds[even], count(even), fit(even, 0))
    yield row("swept", even, bonds[even], count(even), fit(even, SWEEPS))
    yield row("sites", chosen, bonds[chosen], count(chosen), fit(chosen, SWEEPS))
    if chosen.i1 > 1:  # else nothing is swept
        yield row("more_sweeps", chosen, bonds[chosen], count(chosen), fit(chosen, 4 * SWEEPS))
        ordered = fit(chosen, SWEEPS, by_power(weight, gram, chosen.i1))
        yield row("ordered", chosen, bonds[chosen], count(chosen), ordered)
    rank = factored_rank(inputs, outputs, kept)
    data = gram if inputs < outputs else weight @ gram @ weight.T
    up, down, _ = whitened_factors(weight, data, rank, ridge)
    yield row("whitened_svd", None, rank, rank * (inputs + outputs - rank), up @ down)


@torch.no_grad()
def errors(model: Any, tokens: np.ndarray, ridge: float) -> pd.DataFrame:
    """The ladder for projections of some layers."""
    rows = []
    for index in LAYERS:
        states, calls = layer_inputs(model, np.array_split(tokens, 8), index)
        modules = {name: getattr(model.model.layers[index].mlp, name) for name in ("up_proj", "down_proj")}
        grams, _ = observe(model.model.layers[index], modules, states, calls[index], of_inputs=True)
        for name, module in modules.items():
            for ratio in RATIOS:
                for found in ladder(module.weight.double(), grams[name], ratio, ridge):
                    rows.append({"layer": index, "projection": name, "ratio": ratio} | found)
                    print(*rows[-1].values(), flush=True)
    return pd.DataFrame(rows)


def perplexities(folder: Path, tokens: np.ndarray, test: np.ndarray) -> pd.DataFrame:
    """Whole models."""
    rows = []
    for method, allocation, ratio in MODELS:
        model, start = load_model(folder), time.process_time()
        records = compress(model, ratio, tokens=tokens, method=method, allocation=allocation)
        spent = time.process_time() - start
        before, after = (sum(record[f"parameters_{when}"] for record in records) for when in ("before", "after"))
        perplexity = float(np.exp(token_losses(model, test, 3).mean()))
        found = {"method": method, "allocation": allocation, "ratio": ratio, "removed": 1 - after / before}
        rows.append(found | {"perplexity": perplexity, "cpu_s": spent})
        print(*rows[-1].values(), flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    parts = sys.argv[2:] or ["mpo_errors", "mpo_perplexity"]
    (settings,) = compose(overrides=["run=bench_mpo"])
    (prepare,) = jobs([settings], "prepare")
    if not prepare.outputs["tokens"].exists():
        run_job(prepare)
    set_threads(1)
    tokens, folder = prepare.outputs["tokens"], locate(settings.leaf("model"))
    calibration = load_windows(tokens, "calibration").first(settings.data.calibration_windows, "windows").tokens
    test = load_windows(tokens, "test").first(9, "windows").tokens
    made = {
        "mpo_errors": lambda: errors(load_model(folder), calibration, settings.compress.ridge),
        "mpo_perplexity": lambda: perplexities(folder, calibration, test),
    }
    for part in parts:
        made[part]().to_csv(Path(sys.argv[1]) / f"{part}.csv", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
