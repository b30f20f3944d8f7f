"""A small map of known numbers: two ratios, d = 2 and 4, two seeds, three noise scales, and what stands beside it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pandas as pd

from cayley_adapters.tables import BASELINE_COLUMNS, CELL_COLUMNS

SCALES = (0.0, 1.0, 3.0)


def small_map() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """``phase_diagram.csv``, ``baselines.csv`` and ``transition.json``; a loss tells which row it is of."""
    fixed = {"model": "m", "compression": "svd", "ansatz": "full", "tokens": 100, "nll_se": 0.1, "mitigation": "none"}
    rows = []
    for ratio, d, seed in itertools.product((0.2, 0.3), (2, 4), (0, 1)):
        cell = fixed | {"compression_ratio": ratio, "block_dim": d, "seed": seed, "qubits": d // 2, "targets": "v_proj"}
        cell |= {"adapter_parameters": 100 * d, "two_qubit_gates": 3.0 * (d == 4)}
        base = 3 + ratio - d / 10 + seed / 100
        arms = [(0.0, math.inf, "signed", "exact", base - 0.05)]
        arms += [(scale, shots, "sign_constrained", "noisy", base + scale * d / 20 + (shots == 8192) / 1000)
                 for shots in (8192.0, math.inf) for scale in SCALES]  # fmt: skip
        for scale, shots, readout, executor, nll in arms:
            row = cell | {"noise_scale": scale, "shots": shots, "readout": readout, "executor": executor, "nll": nll}
            row |= {"perplexity": math.exp(nll), "recovery": 1 - nll / 10}
            rows.append(row | ({"backend": "FakeFez", "layout": "median"} if executor == "noisy" else {}))
    cells = pd.DataFrame(rows, columns=CELL_COLUMNS)
    references = [("uncompressed", 0.0, 2.8, None, None), ("compressed", 0.2, 3.2, None, None)]
    references += [("compressed", 0.3, 3.3, None, None), ("lora", 0.2, 2.9, 0, 4), ("ia3", 0.2, 3.1, 1, None)]
    baselines = pd.DataFrame(
        [
            {**fixed, "method": method, "compression_ratio": ratio, "nll": nll, "perplexity": math.exp(nll)}
            | {
                "adapter_parameters": 50,
                "seed": seed,
                "matched_block_dim": d,
                "recovery": 1 - nll / 10 if ratio else None,
            }
            for method, ratio, nll, seed, d in references
        ],
        columns=BASELINE_COLUMNS,
    )
    ratios = [
        {
            "compression_ratio": ratio,
            "blocks": [
                {"block_dim": d, "lambda_c": 4 / d, "ci95": [3 / d, 5 / d], "censored": "above" if d == 2 else None}
                | {"gain": 0.4 - ratio, "two_qubit_gates": 3.0 * (d == 4), "gain_ci95": [0.1, 0.3]}
                for d in (2, 4)
            ],
        }
        for ratio in (0.2, 0.3)
    ]
    return cells, baselines, {"ratios": ratios, "readout": "sign_constrained", "executor": "noisy", "shots": 8192}
