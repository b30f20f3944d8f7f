"""Slices are prepared exactly, however special they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.gates import skeleton
from cayley_adapters.circuits.preparation import SLICE_SLOTS, preparation_angles
from cayley_adapters.core.errors import CayleyError


def prepared(x: np.ndarray) -> np.ndarray:
    """Run the preparation's part of the skeleton on |0...0> for slices x (N, d)."""
    count, d = x.shape
    n = d.bit_length() - 1
    angles = np.angle(preparation_angles(x))
    state, index = np.eye(1, d).repeat(count, axis=0), np.arange(d)
    gates = skeleton(full(n))
    for gate in gates[: next(i for i, g in enumerate(gates) if g.block_slot is not None) + n]:
        q = gate.qubits[0]
        if gate.name == "cz":
            state[:, (index >> q) & (index >> (q + 1)) & 1 == 1] *= -1
            continue
        turn = 0.0 if gate.slice_slot is None else angles[:, gate.slice_slot]
        angle = np.full(count, np.pi / 2) if gate.name == "plus" else np.full(count, gate.offset) + turn
        cos, sin = np.cos(angle / 2)[:, None], np.sin(angle / 2)[:, None]
        low = index[(index >> q) & 1 == 0]
        zero, one = state[:, low], state[:, low + (1 << q)]
        state[:, low], state[:, low + (1 << q)] = cos * zero - sin * one, sin * zero + cos * one
    return state


def check(x: np.ndarray) -> None:
    """Compare prepared states with x/|x| up to their signs."""
    top = np.abs(x).max(axis=1, keepdims=True)
    unit = np.where(top == 0, np.eye(1, x.shape[1]), x / np.where(top == 0, 1, top))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    state = prepared(x)
    sign = np.sign((state * unit).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(sign * state, unit, atol=1e-10)
    np.testing.assert_allclose(np.abs(preparation_angles(x)), 1, atol=1e-10)


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_random_slices(d):
    check(np.random.default_rng(d).normal(size=(500, d)))


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_one_hot_and_zero_slices(d):
    check(np.concatenate([np.eye(d), -np.eye(d), np.zeros((2, d))]))
    np.testing.assert_array_equal(preparation_angles(np.zeros((1, d))), preparation_angles(np.eye(1, d)))


@pytest.mark.parametrize("scale", [0.0, 1e-16, 1e-14, 1e-12, 1e-8, 1e-4])
@pytest.mark.parametrize("d", [4, 8, 16])
def test_product_and_degenerate_slices(d, scale):
    rng = np.random.default_rng(11)
    angle = rng.uniform(0, 2 * np.pi, 40)
    c, s = np.cos(angle), np.sin(angle)
    matrices = np.stack([np.stack([c, -s, s, c], -1), np.stack([c, s, s, -c], -1)])
    if d == 4:
        special = [*matrices, np.einsum("na,nb->nab", *rng.normal(size=(2, 40, 2))).reshape(40, 4)]
    elif d == 16:

        def sums(rank):
            factors = rng.normal(size=(2, 40, 4, rank))
            return np.einsum("nar,nbr->nab", *factors).reshape(40, 16)

        rotations = np.linalg.qr(rng.normal(size=(40, 4, 4)))[0].reshape(40, 16)
        special = [rotations, sums(1), sums(2), sums(3), rng.integers(-1, 2, size=(200, 16)).astype(float)]
    else:
        isometries = np.linalg.qr(rng.normal(size=(40, 4, 2)))[0].reshape(40, 8)
        halves = np.einsum("na,nb->nab", rng.normal(size=(40, 4)), rng.normal(size=(40, 2))).reshape(40, 8)
        twice = [np.einsum("na,nb->nab", m, rng.normal(size=(40, 2))).reshape(40, 8) for m in matrices]
        special = [isometries, halves, *twice, rng.integers(-1, 2, size=(200, 8)).astype(float)]
    for x in special:
        check(x + scale * rng.normal(size=x.shape))


@pytest.mark.parametrize("d", [2, 4, 8, 16])
@pytest.mark.parametrize("norm", [5e-324, 1e-300, 1e-30, 1e30, 1e300])
def test_extreme_norms(d, norm):
    check(norm * np.random.default_rng(2).uniform(0.5, 1, size=(5, d)).round(1))


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_direction_alone_matters(d):
    x = np.random.default_rng(4).integers(-2, 3, size=(300, d)).astype(float)
    np.testing.assert_allclose(preparation_angles(x), preparation_angles(3.3 * x), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([2, 4, 8, 16]).flatmap(lambda d: hnp.arrays(np.float64, (3, d), elements=st.floats(-1e3, 1e3))))
def test_any_slice(x):
    check(x)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_slots_agree_with_the_skeleton(n):
    slots = [gate.slice_slot for gate in skeleton(full(n)) if gate.slice_slot is not None]
    assert slots == list(range(SLICE_SLOTS[n]))


def test_five_qubits():
    rng = np.random.default_rng(3)
    check(np.stack([rng.normal(size=32), np.eye(32)[9], np.zeros(32), np.kron(rng.normal(size=8), [1, 0, 0, 1])]))


def test_refused_slices():
    with pytest.raises(CayleyError, match="2, 4, 8, 16 and 32"):
        preparation_angles(np.ones((1, 64)))
    with pytest.raises(CayleyError, match=r"\(N, d\)"):
        preparation_angles(np.ones(4))
