"""Critical noise, crossover and interpolation against curves whose crossing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cayley_adapters.analysis.crossing import critical_noise, crossover, curve_at
from cayley_adapters.core.errors import CayleyError

AXIS = np.array([0, 0.1, 0.3, 1.0, 3.0])


@pytest.mark.parametrize(
    ("curve", "value", "censored"),
    [
        ([1.0, 1.2, 1.5, 2.5, 4.0], 0.3 * (1 / 0.3) ** (np.log(2) / np.log(3)), 0),  # a power law from 0.3 to 1
        ([1.0, 1.2, 2.0, 2.5, 4.0], 0.3, 0),  # on a grid point
        ([2.0, 2.2, 2.3, 2.5, 4.0], 0, 0),  # no gain: G = 0
        ([2.5, 1.0, 1.0, 1.0, 1.0], 0, 0),  # G < 0, whatever follows
        ([1.0, 1.2, 1.5, 1.6, 1.9], 3.0, 1),  # never reached
        ([1.0, 2.1, 2.5, 3.0, 4.0], 0.1, -1),  # reached before the first positive scale
        ([1.0, 2.0, 2.5, 3.0, 4.0], 0.1, 0),  # reached at it exactly
        ([1.0, 1.5, 2.5, 1.0, 4.0], 0.1 * 3 ** (np.log(2) / np.log(3)), 0),  # not monotone: the first crossing counts
        ([1.0, 1.5, np.nan, np.nan, np.nan], 0.1 * 3 ** (np.log(2) / np.log(2e6)), 0),  # no number: above every level
    ],
)
def test_critical_noise_of_known_curves(curve, value, censored):
    found, code = critical_noise(AXIS, np.array(curve), 2.0)
    assert found == pytest.approx(value, rel=1e-3)  # costs far below the gain count as linear: not quite a power
    assert code == censored


@given(st.floats(0.11, 2.9), st.floats(0.5, 3))
def test_an_exact_power_law_gives_back_its_crossing(crossing, exponent):
    found, code = critical_noise(AXIS, 1.0 + (AXIS / crossing) ** exponent, 2.0)
    assert code == 0
    assert found == pytest.approx(crossing, rel=2e-2)


@given(st.floats(0.11, 2.9), st.floats(0.5, 3), st.floats(0.3, 3))
def test_the_crossing_is_where_the_interpolated_curve_has_lost_its_gain(crossing, exponent, gains):
    curve = 1.0 + (AXIS / crossing) ** exponent
    found, code = critical_noise(AXIS, curve, 2.0, gains)
    if code == 0:
        assert curve_at(AXIS, curve, np.array([found]), 1.0)[0] == pytest.approx(1 + gains, rel=1e-9)


def test_interpolated_curves_keep_their_points():
    curves = np.array([[1.0, 1.2, 1.1, 2.5, 4.0], [1.0, 0.9, 1.5, 1.6, np.inf]])
    np.testing.assert_allclose(curve_at(AXIS, curves, AXIS[:4], np.ones(2)), curves[:, :4], rtol=1e-12)
    with pytest.raises(CayleyError, match="not all 0 or within"):
        curve_at(AXIS, curves, np.array([5.0]), 1.0)


@pytest.mark.parametrize("exponent", [0.8, 1, 1.3])
def test_the_width_of_a_power_law_is_its_exponents(exponent):
    fine = np.concatenate([[0], np.geomspace(0.01, 30, 40)])
    width = crossover(fine, 1.0 + 0.4 * (fine / 0.7) ** exponent, 1.4)
    assert width == pytest.approx(np.log10(4) / exponent, rel=1e-3)
    assert np.isnan(crossover(AXIS, np.array([1.0, 1.1, 1.2, 1.3, 1.4]), 1.41))  # twice the gain is beyond the axis


def test_what_the_axis_leaves_open_is_drawn():
    rng = np.random.default_rng(0)
    curve = np.tile(1.0 + AXIS**1.1, (4000, 1))
    estimate = critical_noise(AXIS, curve[:1] + np.array([[0, 0, 0, 0, 0]]), 1.5)[0][0]
    drawn = critical_noise(AXIS, curve, 1.5, rng=rng)[0]
    assert 0.02 < np.log(drawn).std() < 0.08  # half a decade between points
    assert np.log(drawn).mean() == pytest.approx(np.log(estimate), abs=0.01)
    step = np.tile([1.0, 1.0001, 1.0002, 9.0, 9.0], (4000, 1))
    anywhere = critical_noise(AXIS, step, 1.5, rng=rng)[0]
    assert np.quantile(anywhere, [0.025, 0.975]) == pytest.approx([0.3 * 1.031, 0.97], rel=0.03)


def test_critical_noise_takes_stacks_with_a_level_each():
    curves = np.array([[1.0, 1.2, 1.5, 2.5, 4.0]] * 2)
    found, code = critical_noise(AXIS, curves, np.array([2.0, 9.0]))
    np.testing.assert_allclose(found, [0.3 * (1 / 0.3) ** (np.log(2) / np.log(3)), 3.0], rtol=1e-3)
    np.testing.assert_array_equal(code, [0, 1])


@pytest.mark.parametrize("axis", [[0.1, 0.3, 1, 2, 3], [0, 1, 1, 2, 3], []])
def test_an_axis_must_start_at_zero_and_increase(axis):
    with pytest.raises(CayleyError, match=r"noise axis|do not fit"):
        critical_noise(np.array(axis), np.ones(len(axis)), 2.0)
