"""What a device does that its calibration does not say: drift, coherent errors, and what is known instead."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from cayley_adapters.circuits.noise.channels import Channel, aer_error, cz_channel, sx_channel
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden, known_instead
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.kernels.pauli import OVER_X, OVER_ZZ
from cayley_adapters.simulation.differentiable import _operation


def hiding(scale: float = 1.0, **hidden: float) -> DeviceNoise:
    return replace(DeviceNoise.from_backend("FakeFez", scale), hidden=Hidden(**hidden))


def error_of(channel: Channel) -> float:
    """Average error of a channel, from its matrix on Pauli strings."""
    matrix, dim = np.eye(1), 2 ** len(channel.transverse)
    for a, b in zip(channel.transverse, channel.longitudinal, strict=True):
        one = np.diag([1, a, a, b])
        one[3, 0] = 1 - b
        matrix = np.kron(one, matrix)
    matrix = matrix @ np.diag([1.0] + [channel.keep] * (dim**2 - 1))
    paulis = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    strings = paulis if dim == 2 else [np.kron(second, first) for second in paulis for first in paulis]
    axis = paulis[1] if dim == 2 else strings[15]
    turn = np.cos(channel.turn / 2) * np.eye(dim) - 1j * np.sin(channel.turn / 2) * axis
    rotation = [[np.trace(p @ turn @ r @ turn.conj().T).real / dim for r in strings] for p in strings]
    return 1 - (np.trace(matrix @ rotation) / dim + 1) / (dim + 1)


@pytest.mark.parametrize("scale", [0.3, 1.0, 20.0])
def test_the_average_error_is_the_same_whatever_share_is_coherent(scale):
    plain = hiding(scale).line(4)
    for share in (0.25, 0.5, 1.0):
        line = hiding(scale, coherent=share).line(4)
        for make in (sx_channel, cz_channel):
            for place in range(3):
                whole, ours = make(plain, place), make(line, place)
                assert error_of(ours) == pytest.approx(error_of(whole), abs=1e-12)
                assert ours.keep >= whole.keep
                dim, angle = 2 ** len(ours.transverse), abs(ours.turn)
                errors = line.couplers[place].cz_error if dim == 4 else line.qubits[place].sx_error
                alone = dim / (dim + 1) * np.sin(angle / 2) ** 2  # the average error of the rotation by itself
                assert alone <= share * errors + 1e-12
                assert alone == pytest.approx(share * errors, abs=1e-12) or ours.keep == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("code", "axis"), [(OVER_X, "X"), (OVER_ZZ, "ZZ")])
def test_a_twirled_over_rotation_is_its_average_over_all_paulis(code, axis):
    from qiskit.quantum_info import PTM, Operator, Pauli
    from scipy.linalg import expm

    turned, strings = Channel(1.0, (1.0,), (1.0,), 0.7), ["".join(s) for s in product("IXYZ", repeat=len(axis))]
    over = Operator(expm(-0.35j * Pauli(axis).to_matrix()))
    between = [PTM(Operator(Pauli(s)) @ over @ Operator(Pauli(s))).data.real for s in strings]
    for twirled, expected in ((False, PTM(over).data.real), (True, np.mean(between, axis=0))):
        figures = (*replace(turned, twirled=twirled).rotation, 0.0)
        assert np.abs(_operation(code, 0, figures, 4 ** len(axis)) - expected).max() < 1e-12


def test_twirling_keeps_the_average_error_and_where_nothing_is_coherent_all_of_a_channel():
    turned, mixed = (hiding(coherent=0.5, twirled=value).line(2) for value in (False, True))
    for make in (sx_channel, cz_channel):
        assert replace(make(mixed, 0), twirled=False) == make(turned, 0)  # so that error_of, above, is that of both
        plain = make(hiding(twirled=True).line(2), 0)
        assert (plain.keep, plain.rotation) == (make(hiding().line(2), 0).keep, (1.0, 0.0))
    assert not Hidden(twirled=True)


def test_signs_differ_between_couplers_and_are_those_of_a_seed():
    hidden = Hidden(coherent=0.5, seed=7)
    shares = [hidden.share(q, q + 1) for q in range(40)]
    assert {abs(share) for share in shares} == {0.5}
    assert 8 < sum(share > 0 for share in shares) < 32
    assert shares == [hidden.share(q + 1, q) for q in range(40)]
    assert shares != [Hidden(coherent=0.5, seed=8).share(q, q + 1) for q in range(40)]


def test_aers_errors_have_the_average_error_and_the_rotation():
    from qiskit.quantum_info import PTM, average_gate_fidelity

    line = hiding(coherent=0.5, drift=0.1).line(2)
    coupler, turn = line.couplers[0], cz_channel(line, 0).turn
    error = aer_error(coupler.cz_error, coupler.cz_duration, line.qubits, turn)
    assert 1 - average_gate_fidelity(error) == pytest.approx(coupler.cz_error, abs=1e-9)
    entries = PTM(error).data.real
    assert entries[14, 1] / entries[1, 1] == pytest.approx(np.tan(turn), rel=0.1)  # XI towards YZ


def test_drift_multiplies_each_figure_by_its_own_factor_and_all_by_a_shared_one():
    noise = hiding(drift=0.2, shared=0.5, seed=3)
    before, after = noise.calibration, noise.hidden.applied(noise.calibration)
    for q in (0, 40, 155):
        factor = after.qubits[q].sx_error / before.qubits[q].sx_error
        assert factor == pytest.approx(noise.hidden.factor(q))
        assert before.qubits[q].t1 / after.qubits[q].t1 == pytest.approx(factor)
        assert after.qubits[q].p1_given_0 == pytest.approx(factor * before.qubits[q].p1_given_0)
    pairs = list(before.couplers)
    logs = [np.log(after.couplers[pair].cz_error / before.couplers[pair].cz_error / 1.5) for pair in pairs]
    assert np.std(logs) == pytest.approx(0.2, rel=0.15)
    assert abs(np.mean(logs)) < 0.05
    assert after.couplers[pairs[0]].cz_error / before.couplers[pairs[0]].cz_error == pytest.approx(
        noise.hidden.factor(*pairs[0][::-1])
    )


def test_nothing_hidden_is_the_calibrated_device_itself():
    noise = DeviceNoise.from_backend("FakeFez")
    assert noise.hidden is NOTHING
    assert not Hidden(seed=5)
    assert Hidden(seed=5).applied(noise.calibration) is noise.calibration
    assert noise.as_known(3) is noise
    assert sx_channel(noise.line(1), 0).turn == 0


def test_what_is_known_has_the_same_qubits_and_nothing_hidden():
    noise = replace(hiding(drift=0.3, coherent=0.25), layout="best")
    known = noise.as_known(3)
    assert known.line(3) == DeviceNoise.from_backend("FakeFez", layout="best").line(3)
    assert noise.line(3).indices == known.line(3).indices
    assert noise.line(3).couplers != known.line(3).couplers
    other = DeviceNoise.from_backend("FakeMarrakesh").calibration
    mixed = replace(noise, known=known_instead(noise.calibration, other)).as_known(3)
    assert mixed.line(3).indices == known.line(3).indices
    assert mixed.line(3).qubits == other.line(known.line(3).indices[:1]).qubits + tuple(
        other.line([q]).qubits[0] for q in known.line(3).indices[1:]
    )


def test_another_calibration_is_known_where_it_has_figures():
    noise = DeviceNoise.from_backend("FakeFez")
    torino = DeviceNoise.from_backend("FakeTorino").calibration
    known = known_instead(noise.calibration, torino)
    assert known.qubits[5] == torino.qubits[5]
    assert known.qubits[150] == noise.calibration.qubits[150]  # FakeTorino has 133 qubits
    assert known.couplers.keys() == noise.calibration.couplers.keys()


@pytest.mark.parametrize("wrong", [{"drift": -0.1}, {"shared": -1.0}, {"coherent": 1.1}])
def test_figures_out_of_range_are_refused(wrong):
    with pytest.raises(CayleyError, match=f"{next(iter(wrong))} = .* is not allowed; give"):
        Hidden(**wrong)
