"""Mitigation that measures: what it finds where the answer has a closed form, and that drift does not mislead it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import Hidden
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import CELL_COLUMNS, cell_columns
from cayley_adapters.settings import compose
from cayley_adapters.simulation.arms import Arm, make_executor
from cayley_adapters.simulation.compiled import noisy_probabilities
from cayley_adapters.simulation.known_answers import CIRCUITS
from cayley_adapters.simulation.mitigations import circuits_spent, mitigation_for, mitigations_for


def rotations(count: int, d: int, seed: int = 0) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, d, d)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    return q


def found(circuits, noise, shots=np.inf, seed=0):
    return mitigations_for("measured", {"p": circuits}, noise, shots, seed)["p"]


def test_the_share_and_the_flips_of_one_qubit_have_a_closed_form():
    """A block of one qubit is SX, RZ, SX: it keeps (1 - p)² of a state, and so does the preparation of 1."""
    p, flip = 0.01, 0.03
    noise, circuits = DeviceNoise.depolarizing(p, 0.0, flip), synthesise(rotations(20, 2))
    undo = found(circuits, noise)
    kept = (1 - p) ** 2
    down = flip + (1 - 2 * flip) * (1 - kept) / 2  # a one that is not prepared is read as a zero, too
    confusion = np.array([[1 - flip, down], [flip, 1 - down]])
    np.testing.assert_allclose(undo.inverse[0], np.linalg.inv(confusion), atol=1e-12)
    read = np.linalg.inv(confusion) @ np.array([[1 - flip, flip], [flip, 1 - flip]]) @ [(1 + kept) / 2, (1 - kept) / 2]
    read_of_one = np.linalg.inv(confusion) @ np.array([[1 - flip, flip], [flip, 1 - flip]])
    right = [read[0], (read_of_one @ [(1 - kept) / 2, (1 + kept) / 2])[1]]
    np.testing.assert_allclose(undo.background, 2 * np.mean(right) - 1, atol=1e-12)


def test_readout_alone_is_undone_to_the_last_digit():
    q, x = rotations(6, 4), np.random.default_rng(1).normal(size=(20, 6, 4))
    circuits, noise = synthesise(q), DeviceNoise.depolarizing(0, 0, 0.05)
    undone = found(circuits, noise)(noisy_probabilities(circuits, x, noise))
    np.testing.assert_allclose(undone, noisy_probabilities(circuits, x), atol=1e-12)


@pytest.mark.parametrize("shared", [-0.3, 0.3])
def test_drift_misleads_what_knows_and_not_what_measures(shared):
    q, x = rotations(12, 8), np.random.default_rng(2).normal(size=(40, 12, 8))
    circuits = synthesise(q)
    ideal = noisy_probabilities(circuits, x)

    def errors(noise: DeviceNoise) -> tuple[float, float]:
        raw, known = noisy_probabilities(circuits, x, noise), mitigation_for("readout+depolarizing", circuits, noise)
        return tuple(np.sqrt(np.square(undo(raw) - ideal).mean()) for undo in (known, found(circuits, noise)))

    calibrated = DeviceNoise.from_backend("FakeFez")
    (knowing, measuring), (misled, sturdy) = (
        errors(calibrated),
        errors(replace(calibrated, hidden=Hidden(shared=shared))),
    )
    assert measuring < 1.1 * knowing
    assert misled > 1.6 * knowing
    assert sturdy < 1.4 * knowing


def test_each_line_has_its_own_and_pays_for_it():
    lines = [[0, 1, 2], [60, 61, 62]]
    noise, circuits = DeviceNoise.from_backend("FakeFez", layout=lines), synthesise(rotations(20, 8))
    undo = found(circuits, noise)
    assert len(np.unique(undo.background)) == len(np.unique(undo.inverse[:, 0, 0])) == 2
    for i, line in enumerate(lines):
        alone = found(circuits[np.arange(i, 20, 2)], replace(noise, layout=(tuple(line),)))
        np.testing.assert_array_equal(alone.background, undo.background[i::2])
        np.testing.assert_array_equal(alone.inverse[0], undo.inverse[i])
    assert circuits_spent("measured", {"p": circuits, "o": circuits}, noise) == 2 * (CIRCUITS + 2)
    assert circuits_spent("measured", {"p": circuits[:4]}, noise) == 2 * (2 + 2)  # lines of two blocks run no more
    assert circuits_spent("measured", {"p": circuits}, noise.scaled(0)) == 0
    assert circuits_spent("readout", {"p": circuits}, noise) == 0


def test_projections_share_what_is_measured_once():
    circuits, noise = synthesise(rotations(30, 4)), DeviceNoise.from_backend("FakeFez")
    both = mitigations_for("measured", {"p": circuits[:10], "o": circuits[10:]}, noise, np.inf, 0)
    whole = found(circuits, noise)
    for undo in both.values():
        np.testing.assert_array_equal(undo.background[0], whole.background[0])
        np.testing.assert_array_equal(undo.inverse, whole.inverse)


def test_shots_spread_what_is_found_as_much_as_binomials_do():
    circuits, noise = synthesise(rotations(10, 4)), DeviceNoise.depolarizing(0, 0.05)  # whose readout errs never
    shares = np.array([found(circuits, noise, 500, seed).background[0] for seed in range(20)])
    exact = found(circuits, noise).background[0]
    right = 0.25 + 0.75 * exact
    assert shares.std() == pytest.approx(np.sqrt(right * (1 - right) / 500 / CIRCUITS) / 0.75, rel=0.4)
    assert abs(shares.mean() - exact) < 4 * shares.std() / np.sqrt(20)
    assert found(circuits, noise, 500, 3).background[0] == shares[3]


def test_an_arm_runs_it():
    import torch

    q = torch.from_numpy(rotations(4, 4))
    circuits, x = {"p": synthesise(q.numpy())}, torch.ones(5, 16)
    device = replace(DeviceNoise.from_backend("FakeFez"), hidden=Hidden(shared=1.0))

    def error(mitigation: str) -> float:
        executor = make_executor(Arm("noisy", "ideal_sign", 1.0, np.inf, mitigation), {"p": q}, circuits, device, 0)
        exact = torch.einsum("bij,tbj->tbi", q.float(), x.view(5, 4, 4)).reshape(5, 16)
        return float((executor("p", x) - exact).norm())

    assert error("measured") < error("readout+depolarizing") < error("none")


def test_a_table_has_the_shots_where_there_are_any():
    assert cell_columns(["nll"]) == CELL_COLUMNS
    assert cell_columns(["nll", "mitigation_shots"]) == [*CELL_COLUMNS, "mitigation_shots"]


def test_a_processors_plan_has_no_circuits_for_it():
    with pytest.raises(CayleyError, match=r"qpu\.mitigation=measured: must be"):
        compose("ci", ["qpu.mitigation=measured"])
