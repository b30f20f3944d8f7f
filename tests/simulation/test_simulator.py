"""Noisy probabilities are those of Aer's density matrix, for the same circuits."""

from __future__ import annotations

import functools
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.circuits.qiskit import block_circuit
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.compiled import compile_blocks, noisy_probabilities, probabilities


@functools.cache
def device(name: str) -> DeviceNoise:
    if name == "depolarizing":
        return DeviceNoise.depolarizing(2e-3, 2e-2, 0.03)
    if name == "lines":
        return DeviceNoise.from_backend("FakeFez", layout=[[0, 1, 2, 3], [7, 6, 5, 4]])
    if name == "idle":
        return DeviceNoise.from_backend("FakeFez", idle=True)
    return DeviceNoise.from_backend(name)


def rotations(rng: np.random.Generator, count: int, d: int) -> np.ndarray:
    q = np.linalg.qr(rng.normal(size=(count, d, d)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return q


def ideal(q: np.ndarray, x: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    unit = np.where(norm == 0, np.eye(1, x.shape[-1]), x / np.where(norm == 0, 1, norm))
    return np.einsum("bij,tbj->tbi", q, unit) ** 2


def aer(q: np.ndarray, x: np.ndarray, noise: DeviceNoise, block: int = 0) -> np.ndarray:
    """Return Aer's density-matrix probabilities times the confusion matrix."""
    from qiskit_aer import AerSimulator

    n = x.size.bit_length() - 1
    circuit = block_circuit(q, x, noise)
    circuit.remove_final_measurements()
    circuit.save_probabilities()
    simulator = AerSimulator(method="density_matrix", noise_model=noise.to_aer(n, block))
    p = simulator.run(circuit).result().data()["probabilities"]
    for j, qubit in enumerate(noise.line(n, block).qubits):
        up, down = qubit.p1_given_0, qubit.p0_given_1
        confusion = np.array([[1 - up, down], [up, 1 - down]])
        p = np.einsum("ab,hbl->hal", confusion, p.reshape(2 ** (n - 1 - j), 2, 2**j)).ravel()
    return p


def compare(q: np.ndarray, x: np.ndarray, noise: DeviceNoise) -> None:
    reference = np.array([[aer(q[b], s[b], noise, b) for b in range(len(q))] for s in x])
    p, single = noisy_probabilities(q, x, noise), noisy_probabilities(q, x.astype(np.float32), noise)
    assert single.dtype == np.float32
    np.testing.assert_allclose(p, reference, atol=1e-6, rtol=0)
    np.testing.assert_allclose(single, reference, atol=1e-6 if q.shape[-1] <= 4 else 1e-4, rtol=0)
    for values in (p, single):
        assert values.min() >= -1e-7
        np.testing.assert_allclose(values.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["FakeFez", "FakeMarrakesh", "depolarizing", "lines", "idle"])
@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, 3.0, 300.0])
@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_equals_aer(d, scale, name):
    rng = np.random.default_rng(d)
    x = rng.normal(size=(3, 2, d)).astype(np.float32).astype(np.float64)
    x[1] = [np.zeros(d), -np.eye(d)[d - 1]]
    x[2, 0] = np.resize([1.0, -2.0, 2.0, 1.0], d)
    compare(rotations(rng, 2, d), x, device(name).scaled(scale))


@pytest.mark.parametrize(
    ("d", "share", "twirled"), [(2, 0.25, False), (4, 1.0, False), (8, 0.25, False), (16, 0.5, False), (4, 0.5, True)]
)
def test_equals_aer_with_drift_and_coherent_errors(d, share, twirled):
    rng = np.random.default_rng(d)
    q, x = rotations(rng, 1, d), rng.normal(size=(1, 1, d)).astype(np.float32).astype(np.float64)
    noise = replace(device("idle"), scale=1.5, hidden=Hidden(0.3, -0.2, share, 2, twirled))
    compare(q, x, noise)
    assert (
        np.abs(noisy_probabilities(q, x, noise) - noisy_probabilities(q, x, replace(noise, hidden=NOTHING))).max()
        > 1e-4
    )


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_equals_aer_for_any_slice(data):
    d = data.draw(st.sampled_from([2, 4, 8, 16]))
    x = data.draw(hnp.arrays(np.float64, (1, 1, d), elements=st.integers(-4, 4) | st.floats(-8, 8, width=32)))
    q = rotations(np.random.default_rng(data.draw(st.integers(0, 9))), 1, d)
    compare(q, x, device("FakeFez").scaled(data.draw(st.floats(0, 4))))


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_ideal_device(d):
    rng = np.random.default_rng(d)
    q, x = rotations(rng, 5, d), rng.normal(size=(130, 5, d))
    x[3, 2] = 0
    for noise in (None, device("FakeFez").scaled(0)):
        np.testing.assert_allclose(noisy_probabilities(q, x, noise), ideal(q, x), atol=1e-12)
        single = noisy_probabilities(q, x.astype(np.float32), noise)
        np.testing.assert_allclose(single, ideal(q, x), atol=1e-6)
    for norm in (1e-300, 1e300):
        np.testing.assert_allclose(noisy_probabilities(q, norm * x), ideal(q, x), atol=1e-12)


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_noise_leads_to_the_uniform_distribution(d):
    rng = np.random.default_rng(d)
    q, x = rotations(rng, 4, d), rng.normal(size=(50, 4, d))
    plain = device("depolarizing")
    distance = [np.abs(noisy_probabilities(q, x, plain.scaled(s)) - 1 / d).mean() for s in (0, 0.1, 0.3, 1, 3, 10)]
    assert distance == sorted(distance, reverse=True)
    distance = [np.abs(noisy_probabilities(q, x, device("FakeFez").scaled(s)) - 1 / d).mean() for s in (0, 0.3, 1, 3)]
    assert distance == sorted(distance, reverse=True)


@pytest.mark.parametrize("d", [2, 4, 8, 16])
def test_independent_of_batch_and_threads(d):
    rng = np.random.default_rng(d)
    q, x = rotations(rng, 21, d), rng.normal(size=(150, 21, d)).astype(np.float32)
    noise = device("lines")
    whole = noisy_probabilities(q, x, noise)
    np.testing.assert_allclose(noisy_probabilities(q[4:7], x[70:71, 4:7], noise), whole[70:71, 4:7], atol=1e-6)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(noisy_probabilities(q, x, noise), whole)
    finally:
        numba.set_num_threads(threads)


def test_measured_counts():
    from qiskit_aer import AerSimulator

    rng = np.random.default_rng(8)
    q, x, noise, shots = rotations(rng, 1, 4), rng.normal(size=(1, 1, 4)), device("FakeFez").scaled(5), 40_000
    simulator = AerSimulator(method="density_matrix", noise_model=noise.to_aer(2), seed_simulator=7)
    counts = simulator.run(block_circuit(q[0], x[0, 0], noise), shots=shots).result().get_counts()
    observed = np.array([counts.get(format(k, "02b"), 0) for k in range(4)])
    expected = shots * noisy_probabilities(q, x, noise)[0, 0]
    assert ((observed - expected) ** 2 / expected).sum() < 16.27  # 99.9 % quantile, 3 degrees of freedom


@pytest.mark.parametrize("gradient", [False, True])
def test_torch_tensors(gradient):
    import torch

    rng = np.random.default_rng(1)
    q, x = rotations(rng, 3, 4), rng.normal(size=(5, 3, 4))
    expected = noisy_probabilities(q, x, device("FakeFez"))
    for dtype, result, atol in (
        (torch.float64, torch.float64, 1e-12),
        (torch.float32, torch.float32, 1e-6),
        (torch.bfloat16, torch.float32, 3e-2),
    ):
        slices = torch.from_numpy(x).to(dtype).requires_grad_(gradient)
        p = noisy_probabilities(torch.from_numpy(q), slices, device("FakeFez"))
        assert (p.dtype, p.requires_grad) == (result, gradient)
        np.testing.assert_allclose(p.detach().numpy(), expected, atol=atol)
    low = noisy_probabilities(torch.from_numpy(q).float(), torch.from_numpy(x), device("FakeFez"))
    np.testing.assert_allclose(low.numpy(), expected, atol=1e-5)


def test_compiled_blocks_serve_any_number_of_slices():
    rng = np.random.default_rng(2)
    q, x = rotations(rng, 3, 4), rng.normal(size=(70, 3, 4))
    compiled = compile_blocks(q, device("lines"))
    assert compiled.effects.shape == (3, 4, 16)
    np.testing.assert_array_equal(probabilities(compiled, x), noisy_probabilities(q, x, device("lines")))
    np.testing.assert_array_equal(probabilities(compiled, x[::2, ::1]), probabilities(compiled, x)[::2])
    assert probabilities(compiled, x[:0]).shape == (0, 3, 4)
    x[4, 1, 2] = np.nan
    assert np.isnan(probabilities(compiled, x)).sum() == 4


def test_refused_shapes():
    q, x = np.eye(4)[None], np.ones((2, 1, 4))
    for wrong_q, wrong_x in ((q, x[0]), (q, np.ones((2, 2, 4))), (np.eye(2)[None], x)):
        with pytest.raises(CayleyError, match=r"\(T, B, d\)"):
            noisy_probabilities(wrong_q, wrong_x)
    with pytest.raises(CayleyError, match="need slices"):
        probabilities(compile_blocks(q), np.ones((2, 2, 4)))
    with pytest.raises(CayleyError, match="up to 16"):
        noisy_probabilities(np.eye(32)[None], np.ones((1, 1, 32)))
