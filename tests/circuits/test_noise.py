"""Device figures are read, scaled and turned into channels as Aer does it."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.circuits.noise.backends import snapshot
from cayley_adapters.circuits.noise.channels import Channel, cz_channel, sx_channel
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.errors import CayleyError

BACKENDS = ["FakeFez", "FakeMarrakesh"]


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request):
    return snapshot(request.param)


@functools.cache
def fez() -> DeviceNoise:
    return DeviceNoise.from_backend("FakeFez", layout="best")


def transfer(channel: Channel) -> np.ndarray:
    """Return a channel's Pauli transfer matrix, the last qubit's Pauli most significant."""
    matrix = np.eye(1)
    for a, b in zip(channel.transverse, channel.longitudinal, strict=True):
        one = np.diag([1, a, a, b])
        one[3, 0] = 1 - b
        matrix = np.kron(one, matrix)
    return matrix @ np.diag([1.0] + [channel.keep] * (len(matrix) - 1))


def error_of(model, name: str, qubits: tuple[int, ...]):
    from qiskit.quantum_info import PTM

    return PTM(model._local_quantum_errors[name][qubits]).data.real


def test_channels_are_those_of_aer(backend):
    from qiskit_aer.noise import NoiseModel

    reference = NoiseModel.from_backend(backend)
    for layout in ("best", "median", [0, 1, 2]):
        noise = DeviceNoise.from_backend(backend, layout=layout)
        line, model = noise.line(3), noise.to_aer(3)
        for q, index in enumerate(line.indices):
            expected = error_of(reference, "sx", (index,))
            np.testing.assert_allclose(transfer(sx_channel(line, q)), expected, atol=1e-9)
            np.testing.assert_allclose(error_of(model, "sx", (q,)), expected, atol=1e-9)
        for low in range(2):
            expected = error_of(reference, "cz", line.indices[low : low + 2])
            np.testing.assert_allclose(transfer(cz_channel(line, low)), expected, atol=1e-9)
            np.testing.assert_allclose(error_of(model, "cz", (low, low + 1)), expected, atol=1e-9)
            back = error_of(model, "cz", (low + 1, low)).reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)
            np.testing.assert_allclose(back, expected, atol=1e-9)


def test_readout_is_asymmetric(backend):
    noise = DeviceNoise.from_backend(backend, layout=[3])
    flips = {item.name: item.value for item in backend.properties().qubits[3]}
    qubit = noise.line(1).qubits[0]
    assert (qubit.p1_given_0, qubit.p0_given_1) == (flips["prob_meas1_prep0"], flips["prob_meas0_prep1"])
    table = noise.to_aer(1)._local_readout_errors[(0,)].probabilities
    np.testing.assert_allclose(table[:, 1], [qubit.p1_given_0, 1 - qubit.p0_given_1])


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 30), st.integers(0, 150))
def test_scaled_channels_have_the_scaled_error(scale, index):
    noise = fez()
    ranked = noise.calibration.ranked(2)
    plain = noise.calibration.line(ranked[index])
    line = noise.calibration.line(ranked[index], scale)
    qubit, before = line.qubits[0], plain.qubits[0]
    assert qubit.sx_error == min(scale * before.sx_error, 2 / 3)
    assert line.couplers[0].cz_error == min(scale * plain.couplers[0].cz_error, 4 / 5)
    assert qubit.p0_given_1 == min(scale * before.p0_given_1, 0.5)
    assert qubit.t2 <= 2 * qubit.t1
    for channel, error in ((sx_channel(line, 0), qubit.sx_error), (cz_channel(line, 0), line.couplers[0].cz_error)):
        dim = 2 ** len(channel.transverse)
        relaxed = np.trace(transfer(Channel(1.0, channel.transverse, channel.longitudinal))) / dim**2
        total = np.trace(transfer(channel)) / dim**2
        infidelity = 1 - (dim * total + 1) / (dim + 1)
        assert infidelity == pytest.approx(max(error, 1 - (dim * relaxed + 1) / (dim + 1)), abs=1e-9)


def test_scale_zero_is_ideal(backend):
    noise = DeviceNoise.from_backend(backend).scaled(0)
    line = noise.line(2)
    assert sx_channel(line, 0) == Channel(1.0, (1.0,), (1.0,))
    assert cz_channel(line, 0) == Channel(1.0, (1.0, 1.0), (1.0, 1.0))
    assert line.qubits[1].p1_given_0 == line.qubits[1].p0_given_1 == 0
    assert noise.to_aer(2).is_ideal()
    assert noise.scaled(2).scaled(1) == DeviceNoise(noise.calibration)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_lines_are_ranked_and_usable(backend, n):
    best, median = (DeviceNoise.from_backend(backend, layout=layout) for layout in ("best", "median"))
    values = [best.calibration.line(line).infidelity() for line in best.calibration.ranked(n)]
    assert values == sorted(values)
    assert best.line(n).infidelity() == values[0]
    assert median.line(n).infidelity() == values[len(values) // 2]
    for pair, coupler in best.calibration.couplers.items():
        assert coupler.cz_error < 0.5
        assert pair in backend.target["cz"] or pair[::-1] in backend.target["cz"]


def test_blocks_are_dealt_over_lines():
    noise = DeviceNoise.from_backend("FakeFez", layout=[[0, 1, 2], [3, 4, 5]])
    assert [noise.line(2, block).indices for block in range(3)] == [(0, 1), (3, 4), (0, 1)]


def test_any_backend_with_a_calibrated_target():
    from qiskit.providers.fake_provider import GenericBackendV2

    backend = GenericBackendV2(4, basis_gates=["rz", "sx", "cz"], coupling_map=[[0, 1], [1, 2], [2, 3]], seed=1)
    noise = DeviceNoise.from_backend(backend, layout=[3, 2, 1])
    assert noise.line(3).indices == (3, 2, 1)
    qubit = noise.line(1).qubits[0]
    assert qubit.p1_given_0 == qubit.p0_given_1 == backend.target["measure"][(3,)].error


def test_plain_model():
    line = DeviceNoise.depolarizing(0.01, 0.02, 0.03).scaled(2).line(2)
    assert sx_channel(line, 0).keep == pytest.approx(0.98)
    assert cz_channel(line, 0).keep == pytest.approx(0.96)
    assert line.qubits[0].p1_given_0 == line.qubits[0].p0_given_1 == pytest.approx(0.06)
    assert math.isinf(line.qubits[0].t1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FakeFes",), "did you mean 'FakeFez'"),
        (("FakeSherbrooke",), "no native cz"),
        ((object(),), "BackendV2"),
        (("FakeFez", -1.0), "noise scale -1.0"),
        (("FakeFez", math.nan), "noise scale nan"),
        (("FakeFez", 1.0, "worst"), "layout 'worst'"),
        (("FakeFez", 1.0, [0, 2]), "coupler"),
        (("FakeFez", 1.0, [0, 1, 0]), "twice"),
        (("FakeFez", 1.0, [999]), "qubit 999"),
        (("FakeFez", 1.0, []), "no qubits"),
    ],
)
def test_refused_devices(arguments, message):
    with pytest.raises(CayleyError, match=message):
        DeviceNoise.from_backend(*arguments)


def test_refused_lines_and_figures():
    with pytest.raises(CayleyError, match="a block needs 3"):
        DeviceNoise.from_backend("FakeFez", layout=[0, 1]).line(3)
    with pytest.raises(CayleyError, match="p2"):
        DeviceNoise.depolarizing(0.1, 2.0)
