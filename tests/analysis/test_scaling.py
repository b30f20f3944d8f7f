"""Laws, the collapse and predictions against planted ones."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.analysis import Curve, MasterCurve, cost_points, describe_scaling, power_law
from cayley_adapters.noise_budget import Circuit

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


def circuit(qubits, budget, gates=1.0, error=0.004, readout=0.25):
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
    found = {entry["x"]: entry for entry in describe_scaling(curves, circuits, 9)["collapse"]}
    assert found["noise_scale * error_budget"]["holds"]
    assert found["noise_scale * error_budget"]["residual_factor"] == pytest.approx(1, abs=1e-6)
    assert not found["noise_scale"]["holds"]
    assert found["noise_scale * two_qubit_gates"]["block_dims"] == [4, 8]  # one qubit has no such gates


def test_predictions_come_from_the_other_blocks():
    """λ_c(n) = (gain^(1/p) / 20) / budget(n), wherever n was left out of the fit or never measured."""
    budgets = {1: 0.01, 2: 0.04, 3: 0.13, 4: 0.4}
    curves = [curve(2**n, budgets[n], spread=0.02) for n in (1, 2, 3)]
    scaling = describe_scaling(curves, [circuit(n, budget) for n, budget in budgets.items()], 50)
    rows = {row["qubits"]: row for row in scaling["predictions"]}
    affordable = 0.3 ** (1 / 1.1) / 20
    for n, budget in budgets.items():
        assert 2**n not in rows[n]["costs_of_block_dims"]
        assert rows[n]["lambda_c"] == pytest.approx(affordable / budget, rel=1e-6)
        assert rows[n]["ci95"][0] < affordable / budget < rows[n]["ci95"][1]
        assert rows[n]["two_qubit_error_needed"] == pytest.approx(0.004 * affordable / budget, rel=1e-6)
    assert rows[4]["lambda_c_measured"] is None
    assert rows[3]["lambda_c_measured"] == pytest.approx(affordable / 0.13, rel=0.03)  # on its own coarse axis
    # Readout alone takes a quarter of the budget: at n = 4 that is more than can be afforded.
    assert rows[4]["two_qubit_error_needed_readout_as_is"] is None
    gates = affordable - 0.13 / 4
    needed = 0.004 * gates / (0.13 * 3 / 4) if gates > 0 else None
    assert rows[3]["two_qubit_error_needed_readout_as_is"] == (None if needed is None else pytest.approx(needed))


def test_costs_that_cannot_be_told_from_none_and_lost_models_are_left_out():
    noisy, lost = curve(4, 0.001, spread=0.5), curve(8, 3.0)
    assert cost_points([noisy]) == []
    assert {scale for _, scale, _ in cost_points([lost])} == set()
    assert [scale for _, scale, _ in cost_points([curve(4, 0.04)])] == [0.1, 0.3, 1, 3]


def test_a_circuits_budget_is_the_sum_of_its_errors():
    assert circuit(2, 0.04).budget == pytest.approx(0.04)
    assert circuit(3, 0.04).block_dim == 8
