"""Refining spends evaluations where the boundary is uncertain, and finds it."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.analysis.crossing import critical_noise
from cayley_adapters.analysis.refine import next_noise_scale

RNG = np.random.default_rng(0)
DOCUMENTS = np.repeat(np.arange(30), 20)
EASY = RNG.normal(scale=0.3, size=30)[DOCUMENTS]
HURT = RNG.normal(1, 0.2, size=30)[DOCUMENTS]
COMPRESSED = 3.0 + EASY


def losses(axis, crossing, exponent=1.3):
    """Token losses of documents that noise hurts differently; the gain is 0.4 nats and gone at ``crossing``."""
    cost = 0.4 * (np.asarray(axis) / crossing) ** exponent
    return 2.6 + EASY + np.outer(cost, HURT / HURT.mean())


def refined(axis, crossing, most=12):
    axis = list(axis)
    for _ in range(most):
        scale = next_noise_scale(axis, losses(axis, crossing), COMPRESSED, DOCUMENTS)
        if scale is None:
            return np.array(axis), True
        assert scale not in axis
        axis = sorted([*axis, scale])
    return np.array(axis), False


@pytest.mark.parametrize("crossing", [0.02, 0.37, 5.0, 140.0])
@pytest.mark.parametrize("start", [[0, 1], [0, 0.1, 0.3, 1, 3, 10], [0]])
def test_the_boundary_is_found_and_refining_stops(start, crossing):
    axis, done = refined(start, crossing)
    assert done
    found, censored = critical_noise(axis, losses(axis, crossing).mean(axis=1), COMPRESSED.mean())
    assert censored == 0
    assert found == pytest.approx(crossing, rel=0.02)


def test_new_points_lie_around_the_boundary():
    start = [0, 0.1, 0.3, 1, 3, 10]
    axis, _ = refined(start, 0.5)
    new = sorted(set(axis) - set(start))
    assert 1 <= len(new) <= 3
    assert 0.35 < new[0] <= new[-1] < 0.7


def test_nothing_is_spent_where_there_is_nothing_to_find():
    axis = [0, 0.1, 1]
    assert next_noise_scale(axis, losses(axis, 0.5) + 1.0, COMPRESSED, DOCUMENTS) is None  # no gain
    flat = np.tile(2.6 + EASY, (3, 1))
    assert next_noise_scale([0, 1, 1000], flat, COMPRESSED, DOCUMENTS) is None  # noise does nothing up to the limit
    assert next_noise_scale([0, 1, 10], flat, COMPRESSED, DOCUMENTS) == pytest.approx(31.6)
