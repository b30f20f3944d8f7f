"""A small map of known numbers: two ratios, d = 2 and 4, two seeds, three noise scales, and what stands beside it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pandas as pd

from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS

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
    unknown: dict[str, Any] = dict.fromkeys(("bracket", "crossover_decades", "depth", "error_budget"))
    unknown["crossover_ci95"] = [None, None]
    unknown |= dict.fromkeys(("adaptation", "adaptation_ci95", "repair", "repair_ci95", "lambda_identity"))
    unknown |= dict.fromkeys(("lambda_repair", "lambda_repair_ci95", "lambda_repair_censored"))
    known = {"block_dim": 2, "noise_scale": 1.0, "value": 0.5, "cost": 0.1, "cost_ci95": [0.05, None]}
    known |= {"nll_difference": 0.1, "nll_difference_ci95": [0.05, None]}
    ratios = [
        {
            "compression_ratio": ratio,
            "nll_compressed": 3.5,
            "blocks": [
                {"block_dim": d, "lambda_c": 4 / d, "ci95": [3 / d, 5 / d], "censored": "above" if d == 2 else None}
                | {"gain": 0.4 - ratio, "two_qubit_gates": 3.0 * (d == 4), "gain_ci95": [0.1, 0.3]}
                | {**unknown, "seeds": 2}
                for d in (2, 4)
            ],
            "best_block": [{"noise_scale": 1.0, "block_dim": None}],
            "recovery_nll": [known],
        }
        for ratio in (0.2, 0.3)
    ]
    needed = ("affordable_budget", "lambda_c", "lambda_c_measured", "two_qubit_error", "two_qubit_error_needed")
    predicted = dict.fromkeys((*needed, "two_qubit_error_needed_readout_as_is", "two_qubit_gates", "error_budget"), 0.5)
    predicted |= {"compression_ratio": 0.3, "block_dim": 4, "qubits": 2, "counted": "circuit", "gain_of_block_dim": 2}
    predicted |= {"ci95": [0.1, None], "two_qubit_error_needed_ci95": [0.1, None]}
    collapse = {"x": "noise_scale", "holds": True, "residual_factor": 1.1}
    result = {"ratios": ratios, "readout": "sign_constrained", "executor": "noisy", "shots": 8192}
    result |= {"scaling": {"collapse": [collapse], "predictions": [predicted]}, "nll_uncompressed": 2.5}
    return cells, baselines, result | {"bootstrap": {"documents": 3, "resampled": "3 test documents", "tokens": 100}}
