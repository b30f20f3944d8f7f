"""Executors of measured counts: against the simulator line by line, and against exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import special_ortho_group

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.qpu.agreement import chi_square
from cayley_adapters.qpu.execution import executor_of, frequencies, measured_maps, predicted
from cayley_adapters.qpu.executor import QpuExecutor, simulation
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.modes import mode_rows
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import characterise_workload, per_token_workload
from cayley_adapters.simulation.compiled import compile_blocks, noisy_probabilities
from cayley_adapters.simulation.executors import ExactExecutor, NoisyExecutor
from cayley_adapters.simulation.measurement import preparation_slices

Q = special_ortho_group.rvs(4, size=7, random_state=3)
X = np.random.default_rng(4).normal(size=(6, 7, 4)).astype(np.float32)
NOISE = DeviceNoise.from_backend("FakeFez")
LINES = disjoint_lines(NOISE.calibration, 2)[:5]
CIRCUITS = synthesise(Q)
BLOCKS = {"p": torch.from_numpy(Q)}


def workload(lines=LINES):
    return per_token_workload("p", CIRCUITS, X, lines, "device")


def test_each_pair_is_predicted_on_its_own_line():
    found = predicted(workload(), NOISE)
    for i in range(len(found)):
        line = DeviceNoise(NOISE.calibration, 1.0, (LINES[i % 5],))
        b = i % 7
        alone = noisy_probabilities(CIRCUITS[b : b + 1], X[i // 7, b][None, None].astype(np.float64), line)
        assert np.allclose(found[i], alone[0, 0], atol=1e-12)


def test_an_ideal_preparation_leaves_only_the_noise_of_block_and_readout():
    noisy, ideal = (predicted(workload(), NOISE, ideal_preparation=flag) for flag in (False, True))
    exact = predicted(workload(), NOISE.scaled(0.0))
    assert np.abs(ideal - exact).sum() < np.abs(noisy - exact).sum()
    assert np.allclose(predicted(workload(), NOISE.scaled(0.0), ideal_preparation=True), exact)


def test_maps_of_an_ideal_processor_are_the_blocks_and_those_of_a_noisy_one_are_near():
    measured = characterise_workload({"p": CIRCUITS}, preparation_slices(4), LINES, "device")
    ideal = measured_maps(measured, predicted(measured, NOISE.scaled(0.0)), BLOCKS)["p"].numpy()
    assert np.allclose(ideal, Q, atol=1e-6)
    noisy = measured_maps(measured, predicted(measured, NOISE), BLOCKS)["p"].numpy()
    assert 1e-5 < np.abs(noisy - Q).max() < 0.03


def test_readout_mitigation_undoes_the_calibrated_flips_on_every_line():
    device = NOISE.only("readout")
    counts = np.rint(predicted(workload(), device) * 10**9)
    exact = predicted(workload(), NOISE.scaled(0.0))
    assert np.abs(frequencies(workload(), counts, "none", NOISE) - exact).max() > 1e-3
    assert np.abs(frequencies(workload(), counts, "readout", NOISE) - exact).max() < 1e-6


def test_a_measured_text_gives_what_the_simulator_gives():
    lines = LINES[:1]  # one line: blocks and pairs are dealt alike
    device = DeviceNoise(NOISE.calibration, 1.0, lines)
    executor = executor_of(workload(lines), predicted(workload(lines), NOISE), BLOCKS)
    x = torch.from_numpy(X.reshape(1, 6, 28))
    simulated = NoisyExecutor({"p": compile_blocks(CIRCUITS, device)})("p", x)
    assert torch.allclose(executor("p", x), simulated, atol=1e-6)
    longer = torch.cat([x, x[:, :1]], dim=1)  # a last position, which was not run
    found = executor("p", longer)
    assert torch.allclose(found[:, :6], simulated, atol=1e-6)
    exact = ExactExecutor({"p": BLOCKS["p"].float()}, "sign_constrained")("p", x)
    assert torch.allclose(found[:, 6], exact[:, 0], atol=1e-5)


def test_blocks_run_when_they_are_needed():
    x, seen = torch.from_numpy(X.reshape(1, 6, 28)), []

    def run(item):
        seen.append(len(item))
        return predicted(item, NOISE) * 10**9

    live = QpuExecutor(BLOCKS, {"p": CIRCUITS}, LINES, NOISE, "none", run)
    whole = live("p", x)
    assert torch.allclose(whole, executor_of(workload(), predicted(workload(), NOISE), BLOCKS)("p", x), atol=1e-4)
    live("p", x[:, :1])
    assert seen == [42, 7]  # all pairs of a text, then those of one new token
    shots = QpuExecutor(BLOCKS, {"p": CIRCUITS}, LINES, NOISE, "none", simulation(NOISE, 4000, seed=1))("p", x)
    assert 0 < (shots - whole).abs().max() < 0.3


def test_the_chi_square_test_accepts_its_own_distribution_and_no_other():
    p = predicted(workload(), NOISE)
    rng = np.random.default_rng(0)
    values = [chi_square(rng.multinomial(2000, p), p)["p_value"] for _ in range(200)]
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)
    wrong = predicted(workload(LINES[::-1]), NOISE)
    assert chi_square(rng.multinomial(10**6, p), wrong)["p_value"] < 1e-9
    # Rare outcomes are pooled, and a certain one is no comparison.
    assert chi_square(np.array([[100, 0, 0, 0]]), np.array([[1.0, 0, 0, 0]]))["degrees"] == 0


def test_measuring_once_costs_less_and_errs_less():
    rows = mode_rows("p", BLOCKS, {"p": CIRCUITS}, X, LINES, NOISE, Sampling(8192))
    by_token, once = rows
    assert (by_token["mode"], by_token["circuits"]) == ("per_token", 9)  # 42 pairs on 5 lines
    assert (once["mode"], once["circuits"]) == ("characterise", 20)  # 2 groups of 10 preparations
    assert once["error_without_noise"] < 1e-6 < once["error_ideal_preparation"] < once["error_unlimited_shots"]
    assert once["error"] < by_token["error"]
    # What is left without noise is that signs are those of the inputs.
    y = np.einsum("bij,tbj->tbi", Q, X)
    lost = np.square(np.where(X < 0, -1, 1) * np.abs(y) - y).sum(-1) / np.square(X).sum(-1)
    assert by_token["error_without_noise"] == pytest.approx(np.sqrt(lost.mean()), rel=1e-4)
