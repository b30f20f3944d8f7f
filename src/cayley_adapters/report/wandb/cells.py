"""What the tracked run of each cell says: its numbers in plain keys to sort and filter by, and its curve over noise.

Recovery and critical noise are known only once all cells are, so these runs are logged with the map and not by the
evaluations. Controls and the models without adapters get one as well, beside which the blocks are to be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cayley_adapters.analysis.curves import select_cells

__all__ = ["CURVES", "CURVE_AXIS", "METRICS", "CellRun", "cell_runs"]

METRICS = {
    "perplexity": "exp(nll); of blocks at the smallest noise scale, of everything else in exact arithmetic",
    "nll": "nats a scored test token",
    "nll_se": "standard error of nll, clustered by document; nats a token",
    "recovery": "share of the perplexity lost in compression that is had back; 1 is all of it",
    "perplexity_exact": "perplexity of blocks in exact arithmetic, signed readout",
    "recovery_exact": "recovery of blocks in exact arithmetic, signed readout",
    "perplexity_device": "perplexity at noise scale 1, the device as calibrated",
    "recovery_device": "recovery at noise scale 1",
    "lambda_c": "critical noise: the first noise scale at which blocks no longer help; of all seeds together",
    "lambda_c_low": "lower end of its 95 % interval; noise scale",
    "lambda_c_high": "upper end of its 95 % interval; noise scale",
    "gain": "nll of the compressed model less nll at noise scale 0; nats a token",
    "two_qubit_gates": "two-qubit gates a block, preparation included; mean over blocks",
    "adapter_parameters": "free parameters",
    "tokens": "scored test tokens",
}
"""Key in a run's summary → what it is, with its unit."""

CURVE_AXIS = "noise_scale"
CURVES = ("perplexity", "nll", "nll_se", "recovery")
"""Over the noise axis, as ``curve/…``."""


@dataclass(frozen=True)
class CellRun:
    """One run.

    Attributes:
        name: such as ``ratio0.2 d4 seed0``.
        config: what the W&B pages sort and filter by.
        summary: of :data:`METRICS`, those that the cell has.
        history: one record a noise scale, blocks only.
    """

    name: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)


def cell_runs(cells: pd.DataFrame, baselines: pd.DataFrame, result: Mapping[str, Any]) -> Iterator[CellRun]:
    """One run for each cell of the map, each control and each model without adapters.

    Args:
        cells: ``phase_diagram.csv``.
        baselines: ``baselines.csv``.
        result: ``transition.json``; its readout, shots and executor choose the rows of the map.
    """
    chosen = cells.iloc[select_cells(cells, result["readout"], float(result["shots"]), result["executor"])]
    exact = cells[cells["executor"] == "exact"].set_index(["compression_ratio", "block_dim", "seed"])
    critical = {
        (ratio["compression_ratio"], block["block_dim"]): block
        for ratio in result["ratios"]
        for block in ratio["blocks"]
    }
    for key, curve in chosen.groupby(["compression_ratio", "block_dim", "seed"]):
        ratio, block_dim, seed = key
        curve = curve.sort_values("noise_scale")
        first = curve.iloc[0]
        summary = {name: first[name] for name in ("perplexity", "nll", "nll_se", "recovery")}
        summary |= {name: first[name] for name in ("two_qubit_gates", "adapter_parameters", "tokens")}
        summary |= {f"{name}_exact": exact.loc[key, name] for name in ("perplexity", "recovery") if key in exact.index}
        if len(device := curve[curve["noise_scale"] == 1]):
            summary |= {f"{name}_device": device.iloc[0][name] for name in ("perplexity", "recovery")}
        block = critical[ratio, block_dim]
        low, high = block["ci95"]
        summary |= {"lambda_c": block["lambda_c"], "lambda_c_low": low, "lambda_c_high": high, "gain": block["gain"]}
        config = {"model": first["model"], "method": "cayley", "cell": f"ratio{ratio:g} d{block_dim}"}
        config |= {"compression_ratio": float(ratio), "block_dim": int(block_dim), "seed": int(seed)}
        config |= {name: first[name] for name in ("compression", "readout", "ansatz", "mitigation", "targets")}
        # W&B's configuration keeps text such as "inf" apart from numbers; unlimited shots are told by the text.
        config |= {"qubits": int(first["qubits"]), "shots": result["shots"], "lambda_c_censored": block["censored"]}
        config |= {name: first[name] for name in ("backend", "layout") if isinstance(first[name], str)}
        history = [
            {CURVE_AXIS: row["noise_scale"], **{f"curve/{name}": row[name] for name in CURVES}}
            for _, row in curve.iterrows()
        ]
        yield CellRun(f"{config['cell']} seed{seed}", config, summary, history)
    yield from _baseline_runs(baselines)


def _baseline_runs(baselines: pd.DataFrame) -> Iterator[CellRun]:
    for _, row in baselines.iterrows():
        config: dict[str, Any] = {"model": row["model"], "method": row["method"], "compression": row["compression"]}
        config["compression_ratio"] = float(row["compression_ratio"])
        method = row["method"]
        if pd.notna(row["matched_block_dim"]):
            config["block_dim"] = int(row["matched_block_dim"])
            method = f"{method}-d{config['block_dim']}"
        config["cell"] = method if method == "uncompressed" else f"ratio{row['compression_ratio']:g} {method}"
        name = config["cell"]
        if pd.notna(row["seed"]):
            config["seed"] = int(row["seed"])
            name += f" seed{config['seed']}"
        summary = {key: row[key] for key in ("perplexity", "nll", "nll_se", "recovery", "adapter_parameters", "tokens")}
        yield CellRun(name, config, summary)
