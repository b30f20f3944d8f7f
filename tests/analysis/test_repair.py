"""Adaptation and repair against closed forms, and their boundaries on the noise axis."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cayley_adapters.analysis.recovery import recovery_tables
from cayley_adapters.analysis.repair import adaptation, repair
from cayley_adapters.analysis.transition import transition

AXIS = np.array([0, 0.1, 0.3, 1.0, 3.0])
DOCUMENTS = np.repeat(np.arange(12), 20)
PLAIN, LEVEL = 2.0, 3.0
GAINED = {0.0: 0.25, 0.2: 0.4}
"""Gain of the adapter without noise, by ratio."""

RATE = 0.5
"""Cost of noise, nats for each unit of the noise scale."""


def losses(mean, seed=0):
    """Of each token, with the given mean; documents differ."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=12)[DOCUMENTS] * 0.2 + rng.normal(size=len(DOCUMENTS)) * 0.05
    return mean + found - found.mean()


def cells(axis=AXIS):
    rows, values = [], []
    for ratio, level in ((0.0, PLAIN), (0.2, LEVEL)):
        for scale in axis if ratio else (0.0,):
            nll = level - GAINED[ratio] + RATE * scale
            rows.append(
                {"model": "m", "compression": "svd", "compression_ratio": ratio, "ansatz": "full", "block_dim": 4}
                | {"qubits": 2, "noise_scale": scale, "shots": 8192.0, "readout": "sign_constrained", "seed": 0}
                | {"nll": nll, "adapter_parameters": 10, "two_qubit_gates": 3.0, "executor": "noisy"}
            )
            values.append(losses(nll))
    return pd.DataFrame(rows), np.stack(values)


def blocks(**options):
    table, values = cells()
    compressed = {0.0: losses(PLAIN), 0.2: losses(LEVEL)}
    result = transition(table, values, DOCUMENTS, compressed, nll_uncompressed=PLAIN, bootstrap=100, **options)
    return [part["blocks"][0] for part in result["ratios"]]


def test_an_adapter_that_only_learns_the_text_repairs_nothing_and_one_that_makes_models_alike_all():
    assert repair(LEVEL - 0.7, PLAIN - 0.7, LEVEL, PLAIN) == pytest.approx(0)
    assert repair(1.5, 1.5, LEVEL, PLAIN) == pytest.approx(1)
    assert repair(LEVEL, PLAIN, LEVEL, PLAIN) == pytest.approx(0)
    assert np.isnan(repair(2.0, 2.0, PLAIN, PLAIN))
    assert adaptation(PLAIN, PLAIN - 0.7) == pytest.approx(0.7)


def test_nothing_is_left_of_the_repair_before_the_gain_is_used_up():
    plain, block = blocks()
    assert block["adaptation"] == plain["adaptation"] == pytest.approx(GAINED[0.0], abs=1e-5)
    assert block["repair"] == pytest.approx((GAINED[0.2] - GAINED[0.0]) / (LEVEL - PLAIN), abs=1e-5)
    assert block["lambda_c"] == pytest.approx(GAINED[0.2] / RATE, rel=1e-3)
    assert block["lambda_repair"] == pytest.approx((GAINED[0.2] - GAINED[0.0]) / RATE, rel=1e-3)
    assert block["lambda_repair_censored"] is None
    for name in ("adaptation", "repair", "lambda_repair"):
        low, high = block[f"{name}_ci95"]
        assert low <= block[name] + 1e-9
        assert high >= block[name] - 1e-9
    assert (plain["repair"], plain["lambda_repair"]) == (None, None)


def test_without_the_uncompressed_model_neither_is_known():
    table, values = cells()
    kept = table["compression_ratio"].to_numpy() > 0
    result = transition(table[kept], values[kept], DOCUMENTS, {0.2: losses(LEVEL)}, nll_uncompressed=PLAIN, bootstrap=9)
    block = result["ratios"][0]["blocks"][0]
    assert (block["adaptation"], block["repair"], block["lambda_repair"]) == (None, None, None)


def test_the_circuits_alone_cost_the_gain_where_an_identity_has_lost_as_much():
    identities = {(0.2, 4): {scale: LEVEL + 2 * RATE * scale for scale in AXIS}}
    plain, block = blocks(identities=identities)
    assert block["lambda_identity"] == pytest.approx(GAINED[0.2] / (2 * RATE), rel=1e-3)
    assert plain["lambda_identity"] is None
    never = blocks(identities={(0.2, 4): {scale: LEVEL + 0.01 * scale for scale in AXIS}})[1]
    assert never["lambda_identity"] is None


def test_recovery_tables_have_both_with_intervals_and_correct_for_several_comparisons():
    rows, values = [], []
    for ratio, level in ((0.0, PLAIN), (0.2, LEVEL)):
        for method, d, share in (("cayley", 2.0, 0.5), ("cayley", 4.0, 1.0), ("lora", 4.0, 0.9), ("ia3", np.nan, 0.3)):
            row = {"compression_ratio": ratio, "method": method, "readout": "signed", "block_dim": d, "seed": 0}
            rows.append(row | {"adapter_parameters": 10})
            values.append(losses(level - share * GAINED[ratio], seed=len(rows)))
    compressed = {0.0: losses(PLAIN), 0.2: losses(LEVEL)}
    table, differences = recovery_tables(pd.DataFrame(rows), np.stack(values), DOCUMENTS, losses(PLAIN), compressed)
    for row in table.itertuples():
        share = {"lora": 0.9, "ia3": 0.3}.get(row.method, row.block_dim / 4)
        assert row.adaptation == pytest.approx(share * GAINED[0.0], abs=1e-9)
        assert row.adaptation_ci95_low < row.adaptation < row.adaptation_ci95_high
        if row.compression_ratio:
            assert row.repair == pytest.approx(share * (GAINED[0.2] - GAINED[0.0]), abs=1e-9)
            assert row.repair_ci95_low < row.repair < row.repair_ci95_high
        else:
            assert np.isnan(row.repair)
    assert (differences["p_holm"] >= differences["p"]).all()
    assert set(differences["comparisons"]) == {len(differences)}
