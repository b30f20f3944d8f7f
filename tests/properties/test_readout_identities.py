"""Readouts: signs, norms and zero slices; mitigation and characterisation invert what they model exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cayley_adapters.adapters.cayley.layer import constrain_signs
from cayley_adapters.adapters.cayley.transform import cayley
from cayley_adapters.circuits.ansatz import Ansatz, brickwork, full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.compiled import compile_blocks, noisy_probabilities, probabilities
from cayley_adapters.simulation.executors import AerExecutor, ExactExecutor, NoisyExecutor, characterised
from cayley_adapters.simulation.measurement import Mitigation, characterise, maps_of, preparation_slices, sample
from cayley_adapters.simulation.mitigations import mitigation_for
from cayley_adapters.simulation.surrogate import SurrogateExecutor, surrogate

SEED = np.random.SeedSequence(0)


def haar(count: int, d: int, seed: int = 0) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, d, d)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return q


def ideal(q: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.square(np.einsum("bij,tbj->tbi", q, x)) / np.square(x).sum(-1, keepdims=True)


def row(scale: float = 1.0, layout=((0, 1), (3, 2)), gates: float = 1.0, idle: bool = False) -> DeviceNoise:
    """Four qubits in a row of different quality; ``gates`` 0 leaves readout flips alone."""
    t = 1e-4 / gates if gates else np.inf
    qubits = {q: Qubit(t, t, gates * 1e-3 * (q + 1), 3e-8, 0.02 * (q + 1), 0.03 * (q + 1)) for q in range(4)}
    pairs = {(a, b): Coupler(gates * 0.01 * (min(a, b) + 1), 7e-8) for a in range(4) for b in (a - 1, a + 1)}
    return DeviceNoise(Calibration("row", qubits, pairs), scale, layout, idle)


@settings(max_examples=25)
@given(st.integers(0, 99), st.sampled_from([2, 4]), st.floats(0, 2))
def test_readout_flips_are_undone_to_the_last_digit(seed, d, scale):
    """Unlimited shots, flips as calibrated, several lines: mitigation inverts the confusion matrix."""
    q, x = haar(3, d, seed), np.random.default_rng(seed).normal(size=(4, 3, d))
    noise, circuits = row(scale, gates=0), synthesise(q)
    undo = mitigation_for("readout", circuits, noise)
    raw = noisy_probabilities(circuits, x, noise)
    flipped = np.stack(
        [np.einsum("ij,tj->ti", noise.line(d.bit_length() - 1, b).confusion(), ideal(q, x)[:, b]) for b in range(3)],
        axis=1,
    )
    np.testing.assert_allclose(raw, flipped, atol=1e-12)
    np.testing.assert_allclose(raw if undo is None else undo(raw), ideal(q, x), atol=1e-9)
    assert (undo is None) == (scale == 0)


def test_a_uniform_background_is_undone_to_the_last_digit():
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=(5, 3))
    share = np.array([0.9, 0.5, 1.0])
    undo = Mitigation(np.eye(4)[None], share)
    mixed = share[:, None] * p + (1 - share[:, None]) / 4
    before = mixed.copy()
    np.testing.assert_allclose(undo(mixed), p, atol=1e-14)
    np.testing.assert_array_equal(mixed, before)
    assert undo(mixed.astype(np.float32)).dtype == np.float32


def test_mitigation_has_each_blocks_own_share():
    """Blocks are dealt over lines, and shorter circuits keep more."""
    circuits, noise = synthesise(haar(4, 4)), row(2.0)
    circuits.lengths[1] = 0
    undo = mitigation_for("readout+depolarizing", circuits, noise)
    lines = noise.lines(2)
    lengths = [2, 0, 2, 2]
    expected = [lines[b % 2].survival(full(2).first(lengths[b])) for b in range(4)]
    np.testing.assert_allclose(undo.background, expected)
    np.testing.assert_allclose(undo.inverse, [np.linalg.inv(line.confusion()) for line in lines])
    np.testing.assert_array_equal(mitigation_for("readout", circuits, noise).background, np.ones(4))
    assert mitigation_for("none", circuits, noise) is None
    hopeless = mitigation_for("readout", circuits, noise.scaled(1e9))
    np.testing.assert_array_equal(hopeless.inverse, np.tile(np.eye(4), (2, 1, 1)))
    with pytest.raises(CayleyError, match=r"is unknown.*known: none, readout"):
        mitigation_for("zne", circuits, noise)


@settings(max_examples=20)
@given(st.integers(0, 99), st.sampled_from([2, 3, 4, 8]))
def test_probabilities_of_the_preparations_determine_the_map(seed, d):
    q = haar(2, d, seed)
    slices = preparation_slices(d)
    assert slices.shape == (d * (d + 1) // 2, d)
    np.testing.assert_allclose(np.linalg.norm(slices, axis=1), 1)
    np.testing.assert_array_equal(slices[:d], np.eye(d))
    assert ((slices[d:] > 0).sum(1) == 2).all()
    assert len(np.unique(slices.round(9), axis=0)) == len(slices)
    p = ideal(q, np.repeat(slices[:, None], 2, axis=1))
    np.testing.assert_allclose(maps_of(p, q), q, atol=1e-7)
    background = 0.7 * p + 0.3 / d
    np.testing.assert_allclose(maps_of(background, q), q, atol=1e-7)  # an even background turns no row
    np.testing.assert_allclose(maps_of(p, -q), -q, atol=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_maps_take_the_signs_of_trained_rows_with_zeros(sign):
    shift = sign * np.roll(np.eye(4), 1, axis=0)[None]
    p = ideal(shift, preparation_slices(4)[:, None])
    np.testing.assert_allclose(maps_of(p, shift), shift, atol=1e-12)


def test_characterising_measures_with_shots_and_mitigation():
    q, generator = haar(3, 4), np.random.default_rng(0)
    noise, circuits = row(gates=0), synthesise(q)

    def run(slices):
        assert slices.shape == (10, 3, 4)
        return probabilities(compile_blocks(circuits, noise), slices)

    undo = mitigation_for("readout", circuits, noise)
    np.testing.assert_allclose(characterise(run, q, np.inf, generator, undo), q, atol=1e-7)
    # Flips mix projectors on orthonormal rows: their eigenvectors stay, while those of swapped outcomes swap.
    np.testing.assert_allclose(characterise(run, q, np.inf, generator), q, atol=1e-7)
    swap = Mitigation(np.eye(4)[None, [1, 0, 2, 3]], np.ones(3))
    swapped = characterise(run, q, np.inf, generator, swap)
    np.testing.assert_allclose(np.abs(swapped), np.abs(q[:, [1, 0, 2, 3]]), atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(swapped, axis=-1), 1)
    few = characterise(run, q, 50, np.random.default_rng(3), undo)
    assert 1e-3 < np.abs(few - q).max() < 0.8
    np.testing.assert_array_equal(few, characterise(run, q, 50, np.random.default_rng(3), undo))
    served = characterised(
        NoisyExecutor({"k": compile_blocks(circuits, noise)}), {"k": torch.from_numpy(q)}, {"k": undo}, np.inf, SEED
    )
    x = torch.randn(5, 12)
    y = served("k", x)
    assert y.dtype == torch.float32
    expected = torch.einsum("bij,tbj->tbi", torch.from_numpy(q).float(), x.reshape(5, 3, 4)).reshape(5, 12)
    assert torch.allclose(y, expected, atol=1e-5)
    assert torch.allclose(
        characterised(NoisyExecutor({"k": q}), {"k": torch.from_numpy(q)}, {}, np.inf, SEED)("k", x),
        expected,
        atol=1e-5,
    )


SLICES = torch.tensor([[1.0, -2, 0, 0.5], [0, 0, 0, 0], [-0.0, 3, -1, 0], [2, 0, 0, 0]]).reshape(2, 8)
"""Two blocks of four: zeros, a zero slice and a negative zero among them."""


@pytest.mark.parametrize("shots", [np.inf, 100])
@pytest.mark.parametrize("noise", [None, row(3.0)])
def test_signs_norms_and_zero_slices_of_circuits(noise, shots):
    q = haar(2, 4)
    y = NoisyExecutor({"k": compile_blocks(q, noise)}, shots, SEED)("k", SLICES)
    assert y.shape == SLICES.shape
    slices, found = SLICES.reshape(-1, 4), y.reshape(-1, 4)
    assert torch.equal(found[1], torch.zeros(4))
    assert torch.allclose(found.norm(dim=-1), slices.norm(dim=-1), rtol=1e-5)
    assert (found[slices < 0] <= 0).all()
    assert (found[slices >= 0] >= 0).all()  # sign(0) = +1
    if shots == np.inf:
        p = noisy_probabilities(q, SLICES.numpy().reshape(2, 2, 4), noise)
        expected = slices.norm(dim=-1, keepdim=True) * torch.from_numpy(p).reshape(-1, 4).clamp(min=0).sqrt()
        assert torch.allclose(found, constrain_signs(slices, expected), atol=1e-6)
    else:
        share = (found / slices.norm(dim=-1, keepdim=True)).square()[[0, 2, 3]] * shots
        assert torch.allclose(share, share.round(), atol=1e-2)
        assert torch.allclose(share.sum(-1), torch.full((3,), float(shots)))


def test_executors_agree_without_noise():
    q = torch.from_numpy(haar(2, 4))
    x = torch.randn(3, 5, 8, generator=torch.manual_seed(0))
    exact = ExactExecutor({"k": q}, "signed")("k", x)
    expected = torch.einsum("bij,stbj->stbi", q, x.double().reshape(3, 5, 2, 4)).reshape(3, 5, 8)
    assert torch.allclose(exact.double(), expected, atol=1e-6)
    constrained = ExactExecutor({"k": q}, "sign_constrained")("k", x)
    assert torch.equal(constrained, torch.where(x < 0, -1, 1) * exact.abs())
    assert torch.equal(
        ExactExecutor({"k": q}, "signed")("k", x.bfloat16()),
        ExactExecutor({"k": q}, "signed")("k", x.bfloat16().float()).bfloat16(),
    )
    assert ExactExecutor({"k": q}, "signed")("k", x.double()).dtype == torch.float64
    for blocks in ({"k": q.numpy()}, {"k": compile_blocks(q)}):
        assert torch.allclose(NoisyExecutor(blocks)("k", x), constrained, atol=1e-5)
        assert torch.allclose(NoisyExecutor(blocks, ideal={"k": q})("k", x), exact, atol=1e-5)
    half = NoisyExecutor({"k": q.numpy()})("k", x.bfloat16())
    assert half.dtype == torch.bfloat16
    assert not NoisyExecutor({"k": q.numpy()})("k", x.clone().requires_grad_()).requires_grad
    zero = NoisyExecutor({"k": q.numpy()}, 50, SEED)("k", torch.zeros(2, 8))
    assert torch.equal(zero, torch.zeros(2, 8))


def test_executors_draw_from_their_seed_and_undo_their_own_key():
    q, x = haar(2, 4), torch.randn(6, 8, generator=torch.manual_seed(0))
    blocks = {"k": compile_blocks(q, row(gates=0)), "other": compile_blocks(q, row(gates=0))}
    first = NoisyExecutor(blocks, 64, SEED)
    once, again = first("k", x), first("k", x)
    assert not torch.equal(once, again)
    assert torch.equal(NoisyExecutor(blocks, 64, SEED)("k", x), once)
    undo = mitigation_for("readout", synthesise(q), row(gates=0))
    mitigated = NoisyExecutor(blocks, mitigation={"k": undo, "other": None})
    clean = NoisyExecutor({"k": q})("k", x)
    assert torch.allclose(mitigated("k", x), clean, atol=1e-4)
    assert not torch.allclose(mitigated("other", x), clean, atol=1e-2)


@pytest.mark.parametrize("idle", [False, True])
def test_aer_is_the_referee(idle):
    q, x = haar(2, 4), torch.randn(2, 8, generator=torch.manual_seed(0))
    circuits, noise = synthesise(q), row(2.0, idle=idle)
    simulated = NoisyExecutor({"k": compile_blocks(circuits, noise)})
    aer = AerExecutor({"k": circuits}, noise)
    assert torch.allclose(aer("k", x), simulated("k", x), atol=1e-4)
    slices = x.numpy().reshape(2, 2, 4)
    assert aer.probabilities("k", slices).dtype == np.float32
    np.testing.assert_allclose(aer.probabilities("k", slices), simulated.probabilities("k", slices), atol=1e-5)


def test_aer_runs_blocks_of_three_qubits():
    circuits = BlockCircuits(Ansatz(3, ()), np.array([[0.3, -1.0, 2.0]]), np.array([0]))
    x = torch.randn(1, 8, generator=torch.manual_seed(0))
    noise = row(layout=((0, 1, 2),))
    simulated = NoisyExecutor({"k": compile_blocks(circuits, noise)})
    assert torch.allclose(AerExecutor({"k": circuits}, noise)("k", x), simulated("k", x), atol=1e-4)


def test_sampling_keys_use_all_bits_of_the_generator():
    """150 generators give as many different counts; keys of seven bits would repeat."""
    found = [sample(np.full((1, 12), 1 / 12), 300, np.random.default_rng(seed)) for seed in range(150)]
    assert len(np.unique(np.concatenate(found), axis=0)) == 150


@settings(max_examples=15)
@given(st.integers(0, 99), st.floats(0, 3))
@example(0, 1.0)
def test_the_surrogate_is_a_background_and_the_flips(seed, scale):
    q, x = haar(3, 4, seed), np.random.default_rng(seed).normal(size=(5, 3, 4))
    noise = row(scale)
    found = surrogate(torch.from_numpy(q), torch.from_numpy(x), noise).numpy()
    for b in range(3):
        line = noise.line(2, b)
        share = line.survival(full(2)) if scale else 1.0
        expected = (share * ideal(q, x)[:, b] + (1 - share) / 4) @ line.confusion().T
        np.testing.assert_allclose(found[:, b], expected, atol=1e-12)
    np.testing.assert_allclose(surrogate(torch.from_numpy(q), torch.from_numpy(x)).numpy(), ideal(q, x), atol=1e-12)
    shorter = surrogate(torch.from_numpy(q), torch.from_numpy(x), noise, full(2).first(0)).numpy()
    assert np.abs(shorter - ideal(q, x)).sum() <= np.abs(found - ideal(q, x)).sum() + 1e-12


def test_the_surrogate_of_a_zero_slice_is_finite():
    q, x = torch.from_numpy(haar(1, 4)), torch.zeros(1, 1, 4, dtype=torch.float64, requires_grad=True)
    p = surrogate(q, x)
    assert torch.equal(p.detach(), torch.zeros(1, 1, 4, dtype=torch.float64))
    p.sum().backward()
    assert torch.isfinite(x.grad).all()


class Layer:
    """What the surrogate asks of an adapted layer."""

    def __init__(self, q, ansatz):
        self._q, self._ansatz = q, ansatz

    def blocks(self):
        return self._q

    def ansatz(self):
        return self._ansatz


def test_the_surrogate_executor_reads_out_like_a_device():
    q = torch.from_numpy(haar(2, 4)).float()
    noise = row(2.0)
    for ansatz in (full(2), brickwork(2, 3)):
        y = SurrogateExecutor({"k": Layer(q, ansatz)}, noise)("k", SLICES)
        p = surrogate(q, SLICES.reshape(2, 2, 4), noise, ansatz)
        norm = SLICES.reshape(2, 2, 4).norm(dim=-1, keepdim=True)
        expected = constrain_signs(SLICES, (norm * p.sqrt()).reshape(2, 8))
        assert torch.allclose(y, expected, atol=1e-6)
    assert SurrogateExecutor({"k": Layer(q, full(2))}, noise)("k", SLICES.bfloat16()).dtype == torch.bfloat16
    x = torch.zeros(1, 8)
    x[0, 0] = x[0, 4] = 1
    theta = torch.zeros(2, 6, requires_grad=True)
    executor = SurrogateExecutor({"k": Layer(cayley(theta), full(2))}, noise.scaled(0))
    executor("k", x).sum().backward()
    assert torch.isfinite(theta.grad).all()  # where probabilities are zero


@pytest.mark.parametrize("idle", [False, True])
def test_blocks_of_several_lengths_and_lines_are_compiled_like_each_alone(idle):
    circuits, noise = synthesise(haar(5, 4)), row(2.0, idle=idle)
    for b, length in enumerate((2, 0, 1, 2, 0)):
        circuits.lengths[b] = length
        circuits.angles[b, 2 + 2 * length :] = 0
    x = np.random.default_rng(0).normal(size=(3, 5, 4))
    whole = noisy_probabilities(circuits, x, noise)
    for b in range(5):
        alone = DeviceNoise(noise.calibration, 2.0, (noise.layout[b % 2],), idle)
        np.testing.assert_allclose(
            noisy_probabilities(circuits[b : b + 1], x[:, b : b + 1], alone)[:, 0], whole[:, b], atol=1e-13
        )
    compiled = compile_blocks(circuits, noise)
    assert len(compiled.preparations) == (6 if idle else 2)
    np.testing.assert_array_equal(noisy_probabilities(compiled, x), whole)
    np.testing.assert_allclose(compiled.effects.sum(axis=1), np.tile(np.eye(16)[0], (5, 1)), atol=1e-12)


def test_kinds_and_precisions_of_simulated_slices():
    q, x = haar(2, 4), np.random.default_rng(0).normal(size=(3, 2, 4))
    exact = noisy_probabilities(q, x)
    for values, dtype, tolerance in (
        (x.astype(np.float32), np.float32, 1e-6),
        (x.astype(np.float16), np.float32, 1e-2),
    ):
        found = noisy_probabilities(q, values)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, exact, atol=tolerance)
    tensor = noisy_probabilities(torch.from_numpy(q), torch.from_numpy(x))
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor.numpy(), exact, atol=1e-12)
    assert noisy_probabilities(q, torch.from_numpy(x).bfloat16()).dtype == torch.float32
    slope = torch.from_numpy(x).requires_grad_()
    assert noisy_probabilities(torch.from_numpy(q), slope).requires_grad
    through_q = noisy_probabilities(torch.from_numpy(q).requires_grad_(), torch.from_numpy(x))
    assert through_q.requires_grad
    assert not probabilities(compile_blocks(q), slope).requires_grad


def test_shapes_that_do_not_fit_are_refused():
    q, x = haar(2, 4), np.ones((3, 2, 4))
    for wrong_q, wrong_x in ((q, x[0]), (q[0], x), (q[:1], x), (haar(2, 2), x)):
        with pytest.raises(CayleyError, match="are needed"):
            noisy_probabilities(wrong_q, wrong_x)
    compiled = compile_blocks(q)
    for wrong in (x[0], x[:, :1], x[..., :2]):
        with pytest.raises(CayleyError, match="need slices"):
            probabilities(compiled, wrong)
    with pytest.raises(CayleyError, match="in them already"):
        noisy_probabilities(compiled, x, row())
    with pytest.raises(CayleyError, match="up to 16"):
        compile_blocks(np.eye(32)[None])
    largest = BlockCircuits(Ansatz(4, ()), np.zeros((1, 4)), np.array([0]))
    assert compile_blocks(largest).effects.shape == (1, 16, 256)


def test_sampling_leaves_unlimited_shots_alone_and_takes_one_number():
    p = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 5))
    generator, other = np.random.default_rng(7), np.random.default_rng(7)
    assert sample(p, np.inf, generator) is p
    found = sample(p, 40, generator)
    assert (found.shape, found.dtype) == (p.shape, p.dtype)
    other.integers(2**64, dtype=np.uint64)
    assert generator.random() == other.random()
    strided = sample(p.transpose(1, 0, 2), 40, np.random.default_rng(7))
    np.testing.assert_array_equal(
        strided, sample(np.ascontiguousarray(p.transpose(1, 0, 2)), 40, np.random.default_rng(7))
    )
