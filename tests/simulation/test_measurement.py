"""Shots are multinomial, mitigation undoes what the calibration says, and characterised maps are the blocks'."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.kernels.shots import project
from cayley_adapters.simulation.compiled import compile_blocks, noisy_probabilities, probabilities
from cayley_adapters.simulation.measurement import characterise, sample
from cayley_adapters.simulation.mitigations import mitigation_for


def rotations(rng: np.random.Generator, count: int, d: int) -> np.ndarray:
    q = np.linalg.qr(rng.normal(size=(count, d, d)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return q


@pytest.mark.parametrize(("shots", "p"), [(400, [0.5, 0.25, 0.15, 0.1]), (8192, [0.9, 0.05, 0.03, 0.02])])
def test_shots_are_multinomial(shots, p):
    """Pearson's statistic of repeated samples follows its chi-square distribution."""
    p, repeats = np.array(p), 4000
    counts = sample(np.tile(p, (repeats, 1)), shots, np.random.default_rng(0)) * shots
    np.testing.assert_allclose(counts.sum(-1), shots)
    statistic = (np.square(counts - shots * p) / (shots * p)).sum(-1)
    assert scipy.stats.kstest(statistic, scipy.stats.chi2(3).cdf).pvalue > 1e-3
    covariance = np.cov(counts.T) / shots
    np.testing.assert_allclose(covariance, np.diag(p) - np.outer(p, p), atol=0.02)


@pytest.mark.parametrize("shots", [1, 30, 8192, 1_000_000])
@pytest.mark.parametrize("p", [2e-4, 0.0013, 0.03, 0.4, 0.5, 0.8, 0.9995])
def test_one_outcome_is_binomial(p, shots):
    """Inversion and rejection both draw from the binomial distribution, tails included."""
    rows = 100_000
    counts = np.rint(sample(np.tile([p, 1 - p], (rows, 1)), shots, np.random.default_rng(shots))[:, 0] * shots)
    law = scipy.stats.binom(shots, p)
    edges = np.unique(law.ppf(np.linspace(0.001, 0.999, 40)))
    observed = np.histogram(counts, np.concatenate([[-1], edges + 0.5, [shots + 1]]))[0]
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * rows
    large = expected > 10
    observed, expected = np.append(observed[large], observed[~large].sum()), np.append(expected[large], 0)
    expected[-1] = rows - expected[:-1].sum()
    if expected[-1] < 1e-6:
        assert observed[-1] == 0
        observed, expected = observed[:-1], expected[:-1]
    assert len(observed) == 1 or scipy.stats.chisquare(observed, expected).pvalue > 1e-4


def test_shots_of_unusual_rows():
    rng = np.random.default_rng(1)
    p = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [-1e-9, 0.5, 0.5, 0], [2, 2, 4, 0], [np.nan, 0, 0, 1]], dtype=np.float32)
    found = sample(p, 1000, rng)
    np.testing.assert_array_equal(found[:2], [[1, 0, 0, 0], [0, 1, 0, 0]])
    assert found[2, 0] == found[2, 3] == found[3, 3] == 0
    np.testing.assert_allclose(found[3], [0.25, 0.25, 0.5, 0], atol=0.08)
    assert np.isnan(found[4]).all()
    assert sample(p, np.inf, rng) is p


def test_shots_depend_on_the_row_and_not_on_threads_or_type():
    import numba

    p = np.random.default_rng(0).dirichlet(np.ones(4), size=(50, 3))
    whole = sample(p, 64, np.random.default_rng(5))
    assert len(np.unique(whole.reshape(-1, 4), axis=0)) > 50
    np.testing.assert_array_equal(sample(p[:20], 64, np.random.default_rng(5)), whole[:20])
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(sample(p, 64, np.random.default_rng(5)), whole)
    finally:
        numba.set_num_threads(threads)
    assert not np.array_equal(sample(p, 64, np.random.default_rng(6)), whole)


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(np.float64, (3, 5), elements=st.floats(-3, 3)))
def test_projection_is_the_nearest_point_of_the_simplex(p):
    out = np.empty_like(p)
    project(p, out)
    assert out.min() >= 0
    np.testing.assert_allclose(out.sum(-1), 1, atol=1e-12)
    for corner in np.eye(5):  # the angle between p − out and every corner − out is obtuse
        assert (((p - out) * (corner - out)).sum(-1) <= 1e-9).all()


@pytest.mark.parametrize("layout", ["median", [[0, 1, 2], [5, 4, 3]]])
def test_mitigation_undoes_readout_and_background(layout):
    rng = np.random.default_rng(0)
    q, x = rotations(rng, 4, 8), rng.normal(size=(60, 4, 8))
    circuits, noise = synthesise(q), DeviceNoise.from_backend("FakeFez", layout=layout)
    ideal, raw = noisy_probabilities(circuits, x), noisy_probabilities(circuits, x, noise)
    error = {
        kind: np.abs(mitigation_for(kind, circuits, noise)(raw) - ideal).sum(-1).mean()
        for kind in ("readout", "readout+depolarizing")
    }
    assert error["readout+depolarizing"] < 0.25 * np.abs(raw - ideal).sum(-1).mean()
    assert error["readout+depolarizing"] < error["readout"] < np.abs(raw - ideal).sum(-1).mean()
    assert mitigation_for("none", circuits, noise) is None
    assert mitigation_for("readout", circuits, noise.scaled(0)) is None


def test_mitigation_is_exact_where_its_model_is():
    """Readout flips alone are undone to the last digit, in every line."""
    rng = np.random.default_rng(0)
    q, x = rotations(rng, 3, 4), rng.normal(size=(20, 3, 4))
    noise, circuits = DeviceNoise.depolarizing(0, 0, 0.05), synthesise(q)
    raw = noisy_probabilities(circuits, x, noise)
    np.testing.assert_allclose(
        mitigation_for("readout", circuits, noise)(raw), noisy_probabilities(circuits, x), atol=1e-12
    )
    assert np.isfinite(mitigation_for("readout+depolarizing", circuits, noise.scaled(100))(raw)).all()


def test_unknown_mitigation():
    noise = DeviceNoise.depolarizing(0, 0, 0.05)
    with pytest.raises(CayleyError, match=r"did you mean 'readout'.*known: none, readout, readout\+depolarizing"):
        mitigation_for("readuot", synthesise(np.eye(4)[None]), noise)


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_characterised_maps(d):
    rng = np.random.default_rng(d)
    q = rotations(rng, 3, d)
    run = partial(probabilities, compile_blocks(q))
    np.testing.assert_allclose(characterise(run, q, np.inf, rng), q, atol=1e-7)
    coarse, fine = (np.abs(characterise(run, q, shots, rng) - q).mean() for shots in (1e3, 1e5))
    assert fine < 0.3 * coarse
    noise = DeviceNoise.from_backend("FakeFez")
    noisy = characterise(partial(probabilities, compile_blocks(q, noise)), q, np.inf, rng)
    np.testing.assert_allclose(np.linalg.norm(noisy, axis=-1), 1, atol=1e-12)
    # The bias that noise leaves in a row is far below what it does to the probabilities.
    x = rng.normal(size=(50, 3, d))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    served = np.square(np.einsum("bij,tbj->tbi", noisy, x))
    ideal = noisy_probabilities(q, x)
    assert np.abs(served - ideal).mean() < 0.25 * np.abs(noisy_probabilities(q, x, noise) - ideal).mean()
