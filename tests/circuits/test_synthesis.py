"""Blocks become angles whose circuits are the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.blocks import block_unitary
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import block_angles, lengthened, rotations, synthesise, synthesise_for
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.aer import aer_probabilities
from cayley_adapters.simulation.compiled import noisy_probabilities


def skew(rng: np.random.Generator, count: int, d: int, scale: float) -> np.ndarray:
    upper = np.triu(scale * rng.normal(size=(count, d, d)), 1)
    return upper - upper.transpose(0, 2, 1)


def cayley(k: np.ndarray) -> np.ndarray:
    eye = np.eye(k.shape[-1])
    return np.linalg.solve(eye + k / 2, eye - k / 2)


def haar(rng: np.random.Generator, count: int, d: int) -> np.ndarray:
    q = np.linalg.qr(rng.normal(size=(count, d, d)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return q


def deviation(q: np.ndarray) -> float:
    return float(np.abs(synthesise(q).unitaries() - q).max())


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_random_rotations(d):
    q = haar(np.random.default_rng(d), 60, d)
    circuits = synthesise(q)
    assert circuits.angles.shape == (60, {2: 1, 4: 6, 8: 31, 16: 122}[d])
    assert deviation(q) <= 1e-10


@pytest.mark.parametrize("d", [2, 4, 8, 16])
@pytest.mark.parametrize("scale", [1e-13, 1e-10, 1e-6, 1e-4, 1e-2, 0.3])
def test_blocks_near_the_identity(d, scale):
    q = cayley(skew(np.random.default_rng(7), 8 if d < 16 else 3, d, scale))
    assert deviation(q) <= 1e-10


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_special_blocks(d):
    rng = np.random.default_rng(3)
    permutations = np.eye(d)[np.array([rng.permutation(d) for _ in range(6)])]
    permutations[np.linalg.det(permutations) < 0, 0] *= -1
    sparse = skew(rng, 6, d, 1.0) * (rng.random((6, 1, d)) < 0.3) * 1.0
    sparse = cayley(np.triu(sparse, 1) - np.triu(sparse, 1).transpose(0, 2, 1))
    q = np.concatenate([np.eye(d)[None], -np.eye(d)[None], permutations, sparse])
    assert deviation(q) <= 1e-10


def test_angles_depend_on_the_block_alone():
    q = haar(np.random.default_rng(5), 6, 8)
    q[3] = cayley(skew(np.random.default_rng(6), 1, 8, 1e-3))[0]
    together = block_angles(q)
    for b in (0, 3, 5):
        np.testing.assert_array_equal(block_angles(q[b : b + 1])[0], together[b])


def test_unitary_has_the_sign_of_the_block():
    q = -np.eye(4)[None]
    np.testing.assert_allclose(block_unitary(full(2), block_angles(q)), q, atol=1e-12)


def test_low_precision_stands_for_the_nearest_rotation():
    q = haar(np.random.default_rng(1), 4, 4)
    np.testing.assert_allclose(rotations(q.astype(np.float32)), q, atol=1e-6)
    assert np.abs(synthesise(q.astype(np.float32)).unitaries() - q).max() < 1e-6


def test_no_blocks():
    assert block_angles(np.empty((0, 8, 8))).shape == (0, 31)


@pytest.mark.parametrize(
    ("q", "message"),
    [
        (np.eye(4)[None] * 1.001, "not orthogonal"),
        (np.full((1, 4, 4), np.nan), "not orthogonal"),
        (np.diag([1.0, 1, 1, -1])[None], "determinant -1"),
        (np.eye(64)[None], "2, 4, 8, 16 and 32"),
        (np.eye(3)[None], "2, 4, 8, 16 and 32"),
        (np.eye(4), r"\(B, d, d\)"),
    ],
)
def test_refused_blocks(q, message):
    with pytest.raises(CayleyError, match=message):
        block_angles(q)


def test_unsolved_blocks_are_reported(monkeypatch):
    monkeypatch.setattr("cayley_adapters.circuits.synthesis.random_starts", lambda angles: np.empty((0, angles)))
    with pytest.raises(CayleyError, match=r"2 of 2 blocks \(indices \[0, 1\]\)"):
        block_angles(haar(np.random.default_rng(1), 2, 8))


def test_noise_aware_circuits_are_shorter_and_measured_better():
    """On blocks as training leaves them, near the identity, leaving out gates lowers the total error."""
    rng = np.random.default_rng(0)
    q, x = cayley(skew(rng, 40, 8, 0.03)), rng.normal(size=(100, 40, 8))
    noise = DeviceNoise.from_backend("FakeFez")
    aware = synthesise_for(q, noise.line(3))
    assert aware.lengths.mean() < 12
    ideal = noisy_probabilities(q, x)
    error = {
        name: np.square(noisy_probabilities(c, x, noise) - ideal).mean()
        for name, c in {"exact": synthesise(q), "aware": aware}.items()
    }
    assert error["aware"] < 0.9 * error["exact"]
    # Where gates are nearly free (almost) nothing is left out, and where they are hopeless all are.
    assert (synthesise_for(q, noise.scaled(1e-4).line(3)).lengths >= 13).all()
    assert (synthesise_for(q, noise.scaled(30).line(3)).lengths == 0).all()
    # The kept circuits approximate the blocks as well as their length allows.
    longer = aware.lengths >= 6
    assert np.abs(aware.unitaries()[longer] - q[longer]).max() < 0.12


def test_blocks_that_are_products_need_no_entangling_gate():
    one = haar(np.random.default_rng(1), 3, 2)
    q = np.stack([np.kron(np.kron(a, b), c) for a, b, c in zip(one, one[::-1], one, strict=True)])
    circuits = synthesise_for(q, DeviceNoise.from_backend("FakeFez").line(3))
    assert (circuits.lengths == 0).all()
    assert np.abs(circuits.unitaries() - q).max() < 1e-6


@pytest.mark.parametrize("d", [4, 8, 16])
@pytest.mark.parametrize(("more", "added"), [(-3, 0), (0, 0), (9, 10), (10, 10)])
def test_longer_circuits_apply_the_same_blocks(d, more, added):
    circuits = synthesise(haar(np.random.default_rng(5), 4, d))
    longer = lengthened(circuits, len(circuits.ansatz.couplers) + more)
    assert (longer.lengths == circuits.lengths + added).all()
    assert longer.angles.shape == (4, longer.ansatz.angles)
    np.testing.assert_allclose(longer.unitaries(), circuits.unitaries(), atol=1e-12)


@pytest.mark.parametrize("d", [4, 8])
def test_longer_circuits_have_the_noise_of_their_gates(d):
    rng, noise = np.random.default_rng(6), DeviceNoise.from_backend("FakeFez")
    exact, x = synthesise(haar(rng, 2, d)), rng.normal(size=(3, 2, d))
    longer = lengthened(exact, len(exact.ansatz.couplers) + 8)
    p = noisy_probabilities(longer, x, noise)
    np.testing.assert_allclose(p, aer_probabilities(longer, x, noise), atol=1e-6)
    ideal = noisy_probabilities(exact, x)
    assert np.abs(p - ideal).mean() > 1.2 * np.abs(noisy_probabilities(exact, x, noise) - ideal).mean()
