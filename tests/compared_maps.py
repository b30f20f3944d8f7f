"""Small made-up maps to compare, whose losses differ by what a test says, in memory and as results folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from safetensors.numpy import save_file
from windows import windows_of

from cayley_adapters.analysis.evaluations import Evaluations
from cayley_adapters.analysis.maps import Map
from cayley_adapters.analysis.transition import transition
from cayley_adapters.core.reading import flat
from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS
from cayley_adapters.models.windows import save_windows

AXIS = (0.0, 0.3, 1.0, 3.0, 10.0)
WINDOW = 9
LEVEL, UNCOMPRESSED = 3.6, 2.9
CONFIG = {
    "run": "made_up",
    "model": {"name": "toy"},
    "data": {"source": "text", "window": WINDOW},
    "train": {"steps": 3},
    "noise": {"backend": "FakeFez"},
    "evaluate": {"windows": 40, "shots": [8192], "readout": "sign_constrained"},
    "track": {"mode": "disabled"},
}


def made_map(
    name: str,
    strength: float = 1.0,
    *,
    config: Mapping[str, Any] | None = None,
    axis: tuple[float, ...] = AXIS,
    dims: tuple[int, ...] = (2, 4),
    seeds: tuple[int, ...] = (0,),
    documents: int = 24,
    text: int = 0,
    draw: int = 1,
    readout: str = "sign_constrained",
    executor: str = "noisy",
    gain: float = 0.5,
) -> Map:
    """A map of one ratio, whose cost is ``strength`` · d · λ / 10 nats a token, more for some documents than others.

    Args:
        name: of the map.
        strength: of its noise.
        config: what differs from :data:`CONFIG`, section by section.
        axis, dims, seeds: of its cells.
        documents: of the test text, of unlike sizes.
        text: seed of the test text: another one has other documents and tokens.
        draw: seed of what each map's own losses scatter by.
        readout, executor: of its cells on the device.
        gain: nats a token.
    """
    rng, own = np.random.default_rng(text), np.random.default_rng((draw, 5))
    windows = 40
    tokens = windows * (WINDOW - 1)
    owner = np.sort(rng.integers(documents, size=tokens))
    common = rng.normal(size=documents)[owner] * 0.3 + rng.normal(size=tokens)
    worse = rng.uniform(0.5, 1.5, size=documents)[owner]
    rows, losses = [], []
    shared = {
        "model": "toy", "compression": "svd", "compression_ratio": 0.2, "ansatz": "full", "tokens": tokens,
        "nll_se": 0.1, "backend": "FakeFez", "layout": "median", "mitigation": "none", "targets": "v_proj",
        "nll_se_shots": 0.004 if readout == "characterised" else 0.0,
    }  # fmt: skip
    for d in dims:
        for seed in seeds:
            for scale in axis:
                scatter = own.normal(size=documents)[owner] * 0.02 + 0.01 * seed
                token = LEVEL - gain - 0.02 * d + common + worse * strength * d * scale / 10 + scatter
                losses.append(token.astype(np.float32))
                nll = float(losses[-1].mean(dtype=np.float64))
                rows.append(
                    shared
                    | {"block_dim": d, "qubits": d // 2, "noise_scale": scale, "shots": 8192.0, "readout": readout}
                    | {"seed": seed, "nll": nll, "perplexity": np.exp(nll), "adapter_parameters": 100 * d}
                    | {"two_qubit_gates": 3.0 * (d > 2), "executor": executor, "recovery": 0.5}
                )
    cells, compressed = pd.DataFrame(rows, columns=CELL_COLUMNS), (LEVEL + common).astype(np.float32)
    references = [("uncompressed", 0.0, UNCOMPRESSED, None, 0), ("compressed", 0.2, float(compressed.mean()), None, 0)]
    references.append(("lora", 0.2, LEVEL - 0.4, 4, 250))
    baselines = pd.DataFrame(
        [
            shared | {"method": method, "compression_ratio": ratio, "nll": nll, "perplexity": np.exp(nll)}
            | {"matched_block_dim": d, "adapter_parameters": size, "seed": 0}
            for method, ratio, nll, d, size in references
        ],
        columns=BASELINE_COLUMNS,
    )  # fmt: skip
    told = transition(
        cells, np.array(losses), owner, {0.2: compressed}, nll_uncompressed=UNCOMPRESSED, readout=readout,
        executor=executor, bootstrap=200,
    )  # fmt: skip
    given = {key: value | (config or {}).get(key, {}) if isinstance(value, dict) else value
             for key, value in CONFIG.items()}  # fmt: skip
    given |= {key: value for key, value in (config or {}).items() if not isinstance(value, dict)}
    records = [
        {"stage": stage, "cell": {"ratio": "ratio0.2", "block": f"d{d}", "seed": f"seed{seed}"}, "cpu_seconds": took}
        for d in dims
        for seed in seeds
        for stage, took in (("train", 10.0 * d + seed), ("transpile", 2.0), ("evaluate", 7.0))
    ]
    records.append({"stage": "control", "cell": {"ratio": "ratio0.2", "control": "lora-d4"}, "cpu_seconds": 33.0})
    ids = np.random.default_rng(text).integers(99, size=(windows, WINDOW)).astype(np.int32)
    return Map(
        name, dict(flat(given)), cells, baselines, told, Evaluations(cells, np.array(losses)), {0.2: compressed},
        owner, ids, records,
    )  # fmt: skip


def write_map(one: Map, folder: Path) -> Path:
    """The results folder that a map may have been read from."""
    for path in ("adapters", "prepared", "logs", "baselines/ratio0.2/compressed"):
        (folder / path).mkdir(parents=True)
    nested: dict[str, Any] = {}
    for key, value in one.config.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(nested))
    one.cells.to_csv(folder / "phase_diagram.csv", index=False)
    one.baselines.to_csv(folder / "baselines.csv", index=False)
    (folder / "adapters" / "manifest.csv").write_text("path\n")
    (folder / "transition.json").write_text(json.dumps(one.transition))
    save_windows({"test": windows_of(one.text)}, folder / "prepared" / "tokens.safetensors")
    plain = folder / "baselines" / "ratio0.2" / "compressed"
    save_file({"losses": one.compressed[0.2], "documents": one.documents}, plain / "losses.safetensors")
    one.baselines[one.baselines["method"] == "compressed"].to_csv(plain / "baselines.csv", index=False)
    for (d, seed), rows in one.cells.groupby(["block_dim", "seed"]).indices.items():
        cell = folder / "evaluations" / "ratio0.2" / f"d{d}" / f"seed{seed}"
        cell.mkdir(parents=True)
        one.cells.iloc[rows].to_csv(cell / "cells.csv", index=False)
        save_file({"losses": one.evaluations.losses[rows]}, cell / "losses.safetensors")
    for number, record in enumerate(one.records):
        (folder / "logs" / f"{record['stage']}-{number}.json").write_text(json.dumps(record))
    return folder


def renamed(one: Map, name: str, **config: Any) -> Map:
    """The same map under another name, and with other settings."""
    return replace(one, name=name, config=dict(one.config) | config)
