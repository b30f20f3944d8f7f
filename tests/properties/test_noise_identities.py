"""Channels: they keep the trace, are completely positive, unital where they should be, and add up as rates do."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.circuits.ansatz import Ansatz, full
from cayley_adapters.circuits.gates import circuit_summary
from cayley_adapters.circuits.noise.backends import calibration_of, snapshot
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Line, Qubit
from cayley_adapters.circuits.noise.channels import Channel, cz_channel, delay_channel, sx_channel
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.compiled import noisy_probabilities

PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
errors, times = st.floats(0, 0.3), st.floats(1e-6, 1e-3)
up_to_20 = st.floats(0, 20)


@st.composite
def lines(draw, scale=up_to_20):
    """Two qubits of any quality, T2 ≤ 2 T1, at a noise scale."""
    qubits = []
    for _ in range(2):
        t1 = draw(times)
        t2 = t1 * draw(st.floats(0.05, 2))
        qubits.append(Qubit(t1, t2, draw(errors), draw(st.floats(0, 1e-7)), draw(errors), draw(errors)))
    coupler = Coupler(draw(errors), draw(st.floats(0, 1e-6)))
    s = draw(scale)
    return Line((0, 1), tuple(qubit.scaled(s) for qubit in qubits), (coupler.scaled(s),))


def transfer(channel: Channel) -> np.ndarray:
    """The Pauli transfer matrix, the last qubit's Pauli most significant."""
    relaxation = np.eye(1)
    for a, b in zip(channel.transverse, channel.longitudinal, strict=True):
        relaxation = np.kron([[1, 0, 0, 0], [0, a, 0, 0], [0, 0, a, 0], [1 - b, 0, 0, b]], relaxation)
    return relaxation @ np.diag([1.0] + [channel.keep] * (len(relaxation) - 1))


@cache
def strings(n: int) -> np.ndarray:
    """P_jᵀ ⊗ P_i of all pairs of Pauli strings, (4ⁿ, 4ⁿ, D², D²)."""
    found = [np.eye(1)]
    for _ in range(n):
        found = [np.kron(p, s) for p in PAULI for s in found]
    return np.array([[np.kron(b.T, a) for b in found] for a in found])


def choi(matrix: np.ndarray) -> np.ndarray:
    """The Choi matrix Σ_ij R_ij P_jᵀ ⊗ P_i / D² of a Pauli transfer matrix."""
    return np.tensordot(matrix, strings(round(math.log(len(matrix), 4)))) / len(matrix)


def infidelity(channel: Channel) -> float:
    dim = 2 ** len(channel.transverse)
    return 1 - (np.trace(transfer(channel)) / dim + 1) / (dim + 1)


@settings(max_examples=30)
@given(lines(), st.floats(0, 1e-4))
def test_channels_are_physical(line, duration):
    for channel in (sx_channel(line, 0), sx_channel(line, 1), cz_channel(line, 0), delay_channel(line, 1, duration)):
        r = transfer(channel)
        np.testing.assert_array_equal(r[0], np.eye(len(r))[0])  # the trace is kept
        found = choi(r)
        np.testing.assert_allclose(found, found.conj().T, atol=1e-14)
        assert np.linalg.eigvalsh(found).min() > -1e-12
        assert np.trace(found).real == pytest.approx(1)
        assert all(
            0 <= b <= 1 and 0 <= a * a <= b + 1e-12
            for a, b in zip(channel.transverse, channel.longitudinal, strict=True)
        )


@settings(max_examples=20)
@given(st.floats(0, 4 / 3), st.floats(0, 16 / 15), st.floats(0, 3))
def test_depolarisation_is_unital_and_scales_with_its_error(p1, p2, scale):
    noise = DeviceNoise.depolarizing(p1, p2, 0.1, scale)
    line = noise.line(2)
    for channel, p, most in ((sx_channel(line, 1), p1, 4 / 3), (cz_channel(line, 0), p2, 16 / 15)):
        r = transfer(channel)
        np.testing.assert_allclose(r[:, 0], np.eye(len(r))[0], atol=1e-15)  # the identity stays
        assert channel.keep == pytest.approx(1 - min(scale * p, most), abs=1e-12)
        assert np.linalg.eigvalsh(choi(r)).min() > -1e-12


@settings(max_examples=30)
@given(lines(st.just(1.0)), st.floats(0.1, 3), st.floats(0.1, 3))
def test_relaxation_rates_multiply_and_times_add(line, one, two):
    """Waiting at scale s for t is waiting s t; two waits are one of their sum; T1 pulls to |0⟩."""
    t = 1e-6
    qubit = line.qubits[1]
    r = transfer(delay_channel(line, 1, t))
    assert r[3, 0] == pytest.approx(1 - math.exp(-t / qubit.t1), abs=1e-12)
    assert (r[1, 1], r[3, 3]) == pytest.approx((math.exp(-t / qubit.t2), math.exp(-t / qubit.t1)))
    both = transfer(delay_channel(line, 1, one * t)) @ transfer(delay_channel(line, 1, two * t))
    np.testing.assert_allclose(both, transfer(delay_channel(line, 1, (one + two) * t)), atol=1e-12)
    faster = Line(line.indices, tuple(q.scaled(one) for q in line.qubits), line.couplers)
    np.testing.assert_allclose(
        transfer(delay_channel(faster, 1, t)), transfer(delay_channel(line, 1, one * t)), atol=1e-12
    )
    twice = qubit.scaled(one).scaled(two)
    assert (twice.t1, twice.t2) == pytest.approx((qubit.t1 / (one * two), qubit.t2 / (one * two)))
    assert delay_channel(line, 1, t).keep == 1


@settings(max_examples=30)
@given(lines())
def test_a_gate_has_its_calibrated_error_or_that_of_its_relaxation(line):
    for channel, error in (
        (sx_channel(line, 0), line.qubits[0].sx_error),
        (cz_channel(line, 0), line.couplers[0].cz_error),
    ):
        size = 4 ** len(channel.transverse)
        least, most = (infidelity(replace(channel, keep=keep)) for keep in (1.0, 1 - size / (size - 1)))
        assert infidelity(channel) == pytest.approx(min(max(error, least), most), abs=1e-9)
        assert channel.keep <= 1


@settings(max_examples=20)
@given(lines(st.just(1.0)), st.floats(0, 5), st.floats(0, 5))
def test_fidelity_and_purity_fall_with_the_scale(line, one, two):
    low, high = sorted((one, two))

    def at(scale):
        return Line(
            line.indices, tuple(q.scaled(scale) for q in line.qubits), tuple(c.scaled(scale) for c in line.couplers)
        )

    for channel in (sx_channel, cz_channel):
        assert infidelity(channel(at(low), 0)) <= infidelity(channel(at(high), 0)) + 1e-12
    shrinks = [transfer(delay_channel(at(scale), 0, 1e-6)) for scale in (low, high)]
    assert np.diag(shrinks[1]).sum() <= np.diag(shrinks[0]).sum() + 1e-12
    assert at(high).survival(full(2)) <= at(low).survival(full(2)) + 1e-12


def test_scale_zero_is_the_identity_and_scales_count_from_the_calibration():
    qubit = Qubit(1e-4, 1e-4, 0.01, 3e-8, 0.02, 0.03)
    ideal = qubit.scaled(0)
    assert (ideal.t1, ideal.t2, ideal.sx_error, ideal.p1_given_0, ideal.p0_given_1) == (math.inf, math.inf, 0, 0, 0)
    assert qubit.scaled(1) == qubit
    most = qubit.scaled(1e6)
    assert (most.sx_error, most.p1_given_0, most.p0_given_1) == (2 / 3, 0.5, 0.5)
    assert Coupler(0.1, 1e-7).scaled(3) == Coupler(pytest.approx(0.3), 1e-7)
    assert Coupler(0.1, 1e-7).scaled(100).cz_error == 4 / 5
    plain = DeviceNoise.depolarizing(0.01, 0.02, 0.03)
    assert plain.scaled(3).scaled(2) == plain.scaled(2)
    line = plain.scaled(0).line(2)
    for channel in (sx_channel(line, 0), cz_channel(line, 0)):
        np.testing.assert_array_equal(transfer(channel), np.eye(4 ** len(channel.transverse)))
    np.testing.assert_array_equal(line.confusion(), np.eye(4))


@pytest.mark.parametrize("source", SOURCES)
def test_one_source_alone_is_that_source_and_no_other(source):
    device = line_device()
    whole, alone = device.line(2), device.only(source).line(2)
    ideal = Channel(1.0, (1.0, 1.0), (1.0, 1.0))
    assert cz_channel(alone, 0) == (cz_channel(whole, 0) if source == "cz" else ideal)
    for q in range(2):
        expected = sx_channel(whole, q) if source == "sx" else Channel(1.0, (1.0,), (1.0,))
        assert sx_channel(alone, q) == expected
    np.testing.assert_array_equal(alone.confusion(), whole.confusion() if source == "readout" else np.eye(4))
    of_all = whole.errors(full(2))
    assert alone.errors(full(2)) == {kind: error if kind == source else 0 for kind, error in of_all.items()}
    assert not alone.idle
    assert alone.indices == whole.indices


def line_device(scale: float = 1.0, idle: bool = False) -> DeviceNoise:
    """Four qubits in a row of different quality."""
    qubits = {
        q: Qubit(1e-4 / (q + 1), 1.5e-4 / (q + 1), 1e-3 * (q + 1), 3e-8, 0.01 * (q + 1), 0.02 * (q + 1))
        for q in range(4)
    }
    pairs = {}
    for a in range(3):
        pairs[a, a + 1] = pairs[a + 1, a] = Coupler(0.01 * (a + 1), 7e-8)
    return DeviceNoise(Calibration("row", qubits, pairs), scale, ((0, 1, 2), (3, 2, 1)), idle)


def test_errors_add_up_over_the_gates_of_a_circuit():
    """−Σ log(1 − e) of each source, and the survival (4ⁿF − 1)/(4ⁿ − 1) with F = Π(1 − e(D + 1)/D)."""
    line = DeviceNoise.depolarizing(0.002, 0.016, 0.03).line(2)
    for ansatz in (full(2), Ansatz(2, ())):
        summary = circuit_summary(ansatz)
        found = line.errors(ansatz)
        assert found["sx"] == pytest.approx(-summary.sx * math.log(1 - 0.001))
        assert found["cz"] == pytest.approx(-summary.cz * math.log(1 - 0.012))
        assert found["readout"] == pytest.approx(0.06)
        fidelity = (1 - 0.0015) ** summary.sx * (1 - 0.015) ** summary.cz
        assert line.survival(ansatz) == pytest.approx((16 * fidelity - 1) / 15)
    assert line.infidelity() == pytest.approx(sum(line.errors(full(2)).values()))
    assert DeviceNoise.depolarizing(0.5, 1.0, scale=100).line(2).survival(full(2)) == 1e-3
    strong = DeviceNoise.depolarizing(0.0, 4 / 3 * 0.7).line(2)
    assert strong.survival(Ansatz(2, ())) == pytest.approx((16 * (1 - 1.25 * 0.7) - 1) / 15)  # its one CZ prepares
    uneven = line_device().line(2)
    assert uneven.errors(Ansatz(2, ()))["readout"] == pytest.approx((0.01 + 0.02 + 0.02 + 0.04) / 2)


@settings(max_examples=20)
@given(lines())
def test_confusion_is_stochastic_and_a_product(line):
    table = line.confusion()
    assert table.min() >= 0
    np.testing.assert_allclose(table.sum(axis=0), 1)
    one, two = line.qubits
    assert table[0, 0] == pytest.approx((1 - one.p1_given_0) * (1 - two.p1_given_0))
    assert table[1, 0] == pytest.approx(one.p1_given_0 * (1 - two.p1_given_0))  # qubit 0 is the low bit
    assert table[0, 2] == pytest.approx((1 - one.p1_given_0) * two.p0_given_1)
    assert table[3, 3] == pytest.approx((1 - one.p0_given_1) * (1 - two.p0_given_1))


def test_blocks_are_dealt_over_lines_and_lines_cut_to_size():
    device = line_device(2.0, idle=True)
    assert [device.line(2, block).indices for block in range(4)] == [(0, 1), (3, 2), (0, 1), (3, 2)]
    line = device.line(2)
    assert line.idle
    assert (len(line.qubits), len(line.couplers)) == (2, 1)
    assert line.qubits[0] == device.calibration.qubits[0].scaled(2)
    assert device.line(2, 1).couplers[0] == device.calibration.couplers[3, 2].scaled(2)
    with pytest.raises(CayleyError, match="a block needs 4"):
        device.lines(4)
    assert device.name == "row"
    longer = device.line(3)
    assert cz_channel(longer, 0) == cz_channel(line, 0)
    alone = Line((1, 2), longer.qubits[1:], longer.couplers[1:])
    assert cz_channel(longer, 1) == cz_channel(alone, 0) != cz_channel(longer, 0)
    assert sx_channel(longer, 2) == sx_channel(alone, 1)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_lines_are_all_paths_of_the_couplers_best_first(n):
    calibration = line_device().calibration
    ranked = calibration.ranked(n)
    forward = [tuple(range(a, a + n)) for a in range(4 - n + 1)]
    assert set(ranked) == set(forward) | {path[::-1] for path in forward}
    assert ranked[0] in ((tuple(range(n))), tuple(range(n))[::-1])
    for layout, place in (("best", 0), ("median", len(ranked) // 2)):
        assert DeviceNoise(calibration, layout=layout).line(n).indices == ranked[place]
    with pytest.raises(CayleyError, match="no line of 5"):
        calibration.ranked(5)


def test_twirled_readout_has_the_mean_flip():
    symmetric = line_device().calibration.symmetric()
    for q, figures in symmetric.qubits.items():
        assert figures.p1_given_0 == figures.p0_given_1 == pytest.approx(0.015 * (q + 1))
        assert figures.sx_error == 1e-3 * (q + 1)


@pytest.mark.parametrize(
    "change", [{"p1": -1e-9}, {"p1": 1.34}, {"p2": 1.07}, {"readout": 0.51}, {"scale": -0.1}, {"scale": math.inf}]
)
def test_figures_out_of_range_are_refused(change):
    with pytest.raises(CayleyError, match="not allowed"):
        DeviceNoise.depolarizing(**{"p1": 0.0, "p2": 0.0} | change)
    DeviceNoise.depolarizing(4 / 3, 16 / 15, 0.5)


def test_sources_and_layouts_are_checked():
    calibration = line_device().calibration
    for options, message in (
        ({"source": "t1"}, "unknown; known: cz, sx, readout"),
        ({"layout": "first"}, "layout 'first'"),
        ({"layout": ()}, "names no qubits"),
        ({"layout": ((0, 1), ())}, "names no qubits"),
        ({"layout": ((0, 1), (0, 2))}, "coupler"),
        ({"layout": ((0, 7),)}, "qubit 7"),
        ({"layout": ((0, 1, 0),)}, "twice"),
    ):
        with pytest.raises(CayleyError, match=message):
            DeviceNoise(calibration, **options)


def test_noise_of_simulated_circuits_falls_and_vanishes_with_the_scale():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 4, 4)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    x = np.random.default_rng(1).normal(size=(3, 2, 4))
    circuits, device = synthesise(q), DeviceNoise.depolarizing(2e-3, 2e-2, 0.02)
    ideal = np.square(np.einsum("bij,tbj->tbi", q, x)) / np.square(x).sum(-1, keepdims=True)
    found = [noisy_probabilities(circuits, x, device.scaled(scale)) for scale in (0, 0.5, 1, 4)]
    np.testing.assert_allclose(found[0], ideal, atol=1e-12)
    purity = [np.square(p).sum(-1) for p in found]
    for before, after in pairwise(purity):
        assert (after <= before).all()
    for p in found:
        assert p.min() >= -1e-12
        np.testing.assert_allclose(p.sum(-1), 1, atol=1e-12)


class Backend:
    """The parts of a Qiskit backend that hold a calibration."""

    name = "made_up"

    def __init__(self, sx, cz, measure, times=None, flips=None):
        from types import SimpleNamespace

        from qiskit.circuit import Measure, Parameter
        from qiskit.circuit.library import CZGate, RZGate, SXGate
        from qiskit.providers import QubitProperties
        from qiskit.transpiler import InstructionProperties, Target

        self.target = Target(num_qubits=3, qubit_properties=times and [QubitProperties(*pair) for pair in times])

        def properties(table):
            return {k: v and InstructionProperties(duration=v[0], error=v[1]) for k, v in table.items()}

        self.target.add_instruction(SXGate(), properties(sx))
        self.target.add_instruction(CZGate(), properties(cz))
        self.target.add_instruction(RZGate(Parameter("t")), {(q,): None for q in range(3)})
        self.target.add_instruction(Measure(), properties(measure))
        self._flips = flips and SimpleNamespace(
            qubits=[[SimpleNamespace(name=k, value=v) for k, v in row.items()] for row in flips]
        )

    def properties(self):
        return self._flips


def test_calibrations_are_read_from_a_target():
    sx = {(0,): (3e-8, 1e-3), (1,): (None, 0.4999), (2,): (3e-8, 0.5)}
    cz = {(0, 1): (7e-8, 0.01), (1, 2): (7e-8, 0.01)}
    measure = {(q,): (1e-6, 0.02) for q in range(3)}
    times = [(1e-4, 3e-4), (None, 5e-5), (1e-4, 1e-4)]
    flips = [{"prob_meas1_prep0": 0.01, "prob_meas0_prep1": 0.03}, {"T1": 5.0}, {}]
    found = calibration_of(Backend(sx, cz, measure, times, flips))
    assert found.name == "made_up"
    assert found.qubits == {
        0: Qubit(1e-4, 2e-4, 1e-3, 3e-8, 0.01, 0.03),
        1: Qubit(math.inf, 5e-5, 0.4999, 0.0, 0.02, 0.02),
    }
    assert found.couplers == dict.fromkeys([(0, 1), (1, 0)], Coupler(0.01, 7e-8))
    bare = calibration_of(Backend(sx, {(0, 1): (None, 0.3), (1, 0): (1e-8, 0.2)}, measure | {(1,): (1e-6, None)}))
    assert bare.qubits == {0: Qubit(math.inf, math.inf, 1e-3, 3e-8, 0.02, 0.02)}
    assert bare.couplers == {}
    both = calibration_of(Backend(sx, {(0, 1): (None, 0.3), (1, 0): (1e-8, 0.2)}, measure))
    assert both.couplers == {(0, 1): Coupler(0.3, 0.0), (1, 0): Coupler(0.2, 1e-8)}


@pytest.mark.parametrize("scale", [0.0, 1.0, 40.0, 1e4])
def test_aer_has_the_same_channels_and_flips(scale):
    """Up to errors so large that depolarisation saturates, and relaxation that exceeds the calibrated error."""
    from qiskit.quantum_info import PTM

    device = line_device(scale)
    for block in (0, 1):
        line, model = device.line(2, block), device.to_aer(2, block)
        errors_of = model._local_quantum_errors
        assert model.is_ideal() == (scale == 0)
        if block == 0:
            assert device.to_aer(2)._local_readout_errors == model._local_readout_errors
        if scale == 0:
            continue
        assert {name: set(table) for name, table in errors_of.items()} == {
            "sx": {(0,), (1,)},
            "cz": {(0, 1), (1, 0)},
        }
        for q in range(2):
            np.testing.assert_allclose(PTM(errors_of["sx"][(q,)]).data.real, transfer(sx_channel(line, q)), atol=1e-9)
            up, down = line.qubits[q].p1_given_0, line.qubits[q].p0_given_1
            table = model._local_readout_errors[(q,)].probabilities
            np.testing.assert_allclose(table, [[1 - up, up], [down, 1 - down]])
        expected = transfer(cz_channel(line, 0))
        np.testing.assert_allclose(PTM(errors_of["cz"][(0, 1)]).data.real, expected, atol=1e-9)
        swapped = expected.reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)
        np.testing.assert_allclose(PTM(errors_of["cz"][(1, 0)]).data.real, swapped, atol=1e-9)
        assert model.basis_gates
        assert not model._custom_noise_passes
    assert len(line_device(1.0, idle=True).to_aer(2)._custom_noise_passes) == 1
    assert not line_device(0.0, idle=True).to_aer(2)._custom_noise_passes
    quiet = DeviceNoise.depolarizing(0.01, 0.02).to_aer(2)
    assert not quiet._local_readout_errors
    for p2 in (0.9, 16 / 15):
        strong = DeviceNoise.depolarizing(4 / 3, p2)
        for name, qubits, channel in (("sx", (0,), sx_channel), ("cz", (0, 1), cz_channel)):
            found = PTM(strong.to_aer(2)._local_quantum_errors[name][qubits]).data.real
            np.testing.assert_allclose(found, transfer(channel(strong.line(2), 0)), atol=1e-9)
    short = Qubit(1e-6, 1e-6, 1e-5, 3e-8, 0.0, 0.0)  # relaxes more than its gates err
    device = DeviceNoise(
        Calibration("short", dict.fromkeys(range(2), short), {(0, 1): Coupler(1e-5, 7e-8)}), 1.0, ((0, 1),)
    )
    found = device.to_aer(2)._local_quantum_errors["cz"][(0, 1)]
    np.testing.assert_allclose(PTM(found).data.real, transfer(cz_channel(device.line(2), 0)), atol=1e-9)
    assert cz_channel(device.line(2), 0).keep == 1


def test_what_a_device_is_by_default():
    calibration = line_device().calibration
    noise = DeviceNoise(calibration)
    assert (noise.scale, noise.layout, noise.idle, noise.source) == (1.0, "median", False, None)
    assert calibration.line((1, 2)).qubits == (calibration.qubits[1], calibration.qubits[2])
    waiting = line_device(idle=True)
    assert not waiting.only("cz").line(2).idle
    assert waiting.scaled(2).idle
    plain = DeviceNoise.depolarizing(0.1, 0.2)
    assert (plain.scale, plain.line(8).indices) == (1.0, tuple(range(8)))
    assert plain.line(2).confusion().tolist() == np.eye(4).tolist()
    assert all(math.isinf(q.t1) and math.isinf(q.t2) and q.sx_duration == 0 for q in plain.line(8).qubits)
    assert all(c.cz_duration == 0 for c in plain.line(8).couplers)
    with pytest.raises(CayleyError):
        plain.line(9)
    assert set(plain.calibration.qubits) == set(range(8))
    assert set(plain.calibration.couplers) == {(a, b) for a in range(8) for b in (a - 1, a + 1) if 0 <= b < 8}


@pytest.mark.parametrize(("up", "down"), [(0.1, 0.0), (0.0, 0.1)])
def test_aer_flips_readout_one_way(up, down):
    qubit = Qubit(math.inf, math.inf, 0.0, 0.0, up, down)
    model = DeviceNoise(Calibration("flips", {0: qubit}, {}), layout=((0,),)).to_aer(1)
    np.testing.assert_allclose(model._local_readout_errors[(0,)].probabilities, [[1 - up, up], [down, 1 - down]])


def test_complete_relaxation_leaves_the_ground_state_whatever_the_error():
    gone = Qubit(1e-12, 1e-12, 2 / 3, 1e-6, 0.0, 0.0)
    np.testing.assert_array_equal(
        transfer(sx_channel(Line((0,), (gone,), ()), 0)), np.diag([1.0, 0, 0, 0]) + np.eye(4, k=-3)
    )


def test_snapshots_are_backends_of_the_fake_provider():
    assert snapshot("FakeManilaV2").num_qubits == 5
    for name in ("FakeNowhere", "FakeProviderForBackendV2", "fake_provider", "__name__"):
        with pytest.raises(CayleyError, match="is unknown"):
            snapshot(name)


def test_a_device_is_read_from_a_backend_with_its_layout():
    gates = {(q,): (3e-8, 1e-3 * (q + 1)) for q in range(3)}
    backend = Backend(gates, {(0, 1): (7e-8, 0.01), (1, 2): (7e-8, 0.02)}, {(q,): (1e-6, 0.02) for q in range(3)})
    for layout, expected in (([2, 1, 0], ((2, 1, 0),)), ([[0, 1], (2, 1)], ((0, 1), (2, 1))), ("best", "best")):
        noise = DeviceNoise.from_backend(backend, 2, layout, True)
        assert (noise.layout, noise.scale, noise.idle, noise.name) == (expected, 2.0, True, "made_up")
    plain = DeviceNoise.from_backend(backend)
    assert (plain.layout, plain.scale, plain.idle) == ("median", 1.0, False)
    assert DeviceNoise.from_backend(backend, layout="best").line(2).indices == (0, 1)
