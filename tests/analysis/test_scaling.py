"""Laws, the collapse and predictions against planted ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cayley_adapters.analysis.curves import Curve
from cayley_adapters.analysis.scaling import MasterCurve, cost_points, describe_scaling, power_law
from cayley_adapters.circuits.noise.budget import Circuit

AXIS = np.array([0, 0.1, 0.3, 1, 3])
NONE = np.full(5, np.nan)


def replicates(values, spread=0.0, seed=0):
    """Columns for the estimate and 200 replicates of it."""
    noise = 1 + spread * np.random.default_rng(seed).standard_normal((len(values), 200))
    return np.concatenate([np.asarray(values)[:, None], np.asarray(values)[:, None] * noise], axis=1)


def curve(dim, budget, gates=1.0, gain=0.3, ratio=0.2, exponent=1.1, spread=0.0):
    """A curve whose cost is (20·λ·budget)^exponent nats."""
    cost = replicates((20 * AXIS * budget) ** exponent, spread, dim)
    return Curve(ratio, dim, AXIS, 3.0 - gain + cost, np.full(201, 3.0), gates, 1, NONE, NONE)


def circuit(qubits, budget, gates=1.0, error=0.004, readout=0.05):
    return Circuit(qubits, gates, 10.0 * qubits, {"cz": budget * (1 - readout), "readout": budget * readout}, error)


def test_a_power_law_is_recovered():
    x = [3.0, 17.0, 66.0]
    law = power_law(x, replicates(5 * np.array(x) ** -0.8, 0.05), clusters=100)
    assert law["a"] == pytest.approx(5)
    assert law["b"] == pytest.approx(0.8)
    assert law["b_ci95"][0] < 0.8 < law["b_ci95"][1]
    assert "no degrees of freedom" not in law["note"]
    assert "no degrees of freedom" in power_law([3.0, 17.0, 3.01], replicates([2.0, 1.0, 2.0]), 9)["note"]
    for few in ([], [3.0], [3.0, 3.01]):
        law = power_law(few, replicates(np.ones(len(few))) if few else np.ones((0, 5)), 9)
        assert (law["a"], law["b"]) == (None, None)
        assert "not fitted" in law["note"]


def test_a_master_curve_fits_and_inverts_what_was_planted():
    x = np.geomspace(1e-3, 1, 9)
    cost = np.exp(1.2 + 1.4 * np.log(x) + 0.05 * np.log(x) ** 2)
    fit = MasterCurve.fit(x, replicates(cost, 0.1))
    np.testing.assert_allclose(fit.coefficients[:, 0], [1.2, 1.4, 0.05], rtol=1e-9)
    assert fit.residual < 1e-12
    assert fit.sampling == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(fit.inverse(np.full(201, fit.cost(np.array(0.2))))[0], 0.2)
    straight = MasterCurve.fit(np.array([0.1, 0.1, 1.0]), replicates([0.1, 0.1, 1.0]))
    np.testing.assert_allclose(straight.coefficients[:, 0], [0, 1, 0], atol=1e-9)


def test_costs_collapse_onto_the_axis_that_they_were_made_for():
    budgets = {2: 0.01, 4: 0.04, 8: 0.13}
    curves = [curve(dim, budget, gates=3.0 * dim - 6) for dim, budget in budgets.items()]
    circuits = [circuit(n, budgets[2**n], gates=3.0 * 2**n - 6) for n in (1, 2, 3)]
    curves += [replace(item, compression_ratio=0.3) for item in curves]
    found = {entry["x"]: entry for entry in describe_scaling(curves, circuits, 9)["collapse"]}
    assert found["noise_scale * error_budget"]["holds"]
    assert found["noise_scale * error_budget"]["residual_factor"] == pytest.approx(1, abs=1e-6)
    assert found["noise_scale"]["holds"] is False
    assert found["noise_scale * two_qubit_gates"]["residual_factor_with_two_qubit_gates"] > 1.02
    assert found["noise_scale * two_qubit_gates"]["block_dims"] == [4, 8]  # one qubit has no such gates


def test_blocks_that_share_no_part_of_the_axis_are_not_said_to_collapse():
    """Any three costs lie on a quadratic."""
    axis = np.array([0.0, 1.0])
    curves = [
        Curve(
            ratio, dim, axis, 2.7 + replicates([0.0, cost], 0.01), np.full(201, 3.0), dim - 1.0, 1, NONE[:2], NONE[:2]
        )
        for ratio in (0.2, 0.3)
        for dim, cost in ((2, 0.5), (4, 0.02), (8, 2.0))
    ]
    found = describe_scaling(curves, [circuit(n, 0.01 * 4**n, gates=2.0**n) for n in (1, 2, 3)], 9)["collapse"]
    assert {entry["x"]: entry["holds"] for entry in found}["noise_scale * error_budget"] is None


def test_predictions_come_from_the_other_blocks():
    """λ_c(n) = (gain^(1/p) / 20) / budget(n), wherever n was left out of the fit or never measured."""
    budgets = {1: 0.01, 2: 0.04, 3: 0.13, 4: 0.4}
    curves = [curve(2**n, budgets[n], spread=0.02) for n in (1, 2, 3)]
    scaling = describe_scaling(curves, [circuit(n, budget) for n, budget in budgets.items()], 50)
    rows = {row["qubits"]: row for row in scaling["predictions"]}
    affordable = 0.3 ** (1 / 1.1) / 20
    assert scaling["prediction_scatter_factor"] == pytest.approx(1, abs=0.03)  # measured on a coarse axis
    for n, budget in budgets.items():
        assert 2**n not in rows[n]["costs_of_block_dims"]
        assert rows[n]["lambda_c"] == pytest.approx(affordable / budget, rel=1e-6)
        assert rows[n]["ci95"][0] < affordable / budget < rows[n]["ci95"][1]
        needed = rows[n]["lambda_c"] if n == 4 else rows[n]["lambda_c_measured"]
        assert rows[n]["two_qubit_error_needed"] == pytest.approx(0.004 * needed)
        low, high = rows[n]["two_qubit_error_needed_ci95"]
        assert low < 0.004 * needed < high
    assert rows[4]["lambda_c_measured"] is None
    assert rows[3]["lambda_c_measured"] == pytest.approx(affordable / 0.13, rel=0.03)  # on its own coarse axis


def test_predictions_that_miss_have_wide_intervals():
    """Costs of eight-dimensional blocks are twice what the others' curve gives."""
    curves = [curve(2, 0.01, spread=0.02), curve(4, 0.04, spread=0.02), curve(8, 0.12, spread=0.02)]
    scaling = describe_scaling(curves, [circuit(n, budget) for n, budget in {1: 0.01, 2: 0.04, 3: 0.06}.items()], 50)
    three = scaling["predictions"][2]
    assert three["lambda_c"] / three["lambda_c_measured"] == pytest.approx(2, rel=0.1)
    assert scaling["prediction_scatter_factor"] > 1.4
    assert three["ci95"][0] < three["lambda_c_measured"] < three["ci95"][1]


def test_readout_as_it_is_leaves_the_rest_of_the_gain_to_gates():
    """C(s)/C(1) = (G − C_readout)/(C(1) − C_readout), on a curve C = (20 λ budget)^1.1."""
    budgets, cost = {1: 0.01, 2: 0.02, 3: 0.05}, 1.0
    curves, circuits = [curve(2**n, b) for n, b in budgets.items()], [circuit(n, b) for n, b in budgets.items()]
    for readout, share in ((0.1, (0.3 - 0.1) / (cost - 0.1)), (0.2, (0.3 - 0.2) / (cost - 0.2))):
        rows = describe_scaling(curves, circuits, 9, {(0.2, 8): readout})["predictions"]
        found = {row["qubits"]: row["two_qubit_error_needed_readout_as_is"] for row in rows}
        assert found[3] == pytest.approx(0.004 * share ** (1 / 1.1), rel=0.03)
        assert found[2] is None  # its readout was not measured
    rows = describe_scaling(curves, circuits, 9, {(0.2, 8): 0.31})["predictions"]
    assert {row["qubits"]: row["two_qubit_error_needed_readout_as_is"] for row in rows}[3] == 0


def test_costs_that_cannot_be_told_from_none_and_lost_models_are_left_out():
    noisy, lost = curve(4, 0.001, spread=0.5), curve(8, 3.0)
    assert cost_points([noisy], 9) == []
    assert {scale for _, scale, _ in cost_points([lost], 9)} == set()
    assert [scale for _, scale, _ in cost_points([curve(4, 0.04)], 9)] == [0.1, 0.3, 1, 3]
    assert cost_points([curve(4, 0.04)], 1) == []  # one document says nothing about certainty


def test_a_circuits_budget_is_the_sum_of_its_errors():
    assert circuit(2, 0.04).budget == pytest.approx(0.04)
    assert circuit(3, 0.04).block_dim == 8
