"""Calibrations of backends: what is wrong is left out by name, and a noise scale of one is the device as calibrated."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from qiskit.circuit import Delay, Measure, Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.providers import BackendV2
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from cayley_adapters.circuits.noise.backends import calibration_of, snapshot
from cayley_adapters.circuits.noise.calibration import Calibration, Coupler, Qubit
from cayley_adapters.circuits.noise.channels import cz_channel, sx_channel
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.errors import CayleyError

GOOD = Qubit(100e-6, 80e-6, 3e-4, 40e-9, 0.02, 0.03)
CZ = InstructionProperties(70e-9, 4e-3)


class Device(BackendV2):
    """A backend with a target and, if given, readout flips."""

    def __init__(self, target, flips=None):
        super().__init__(name="own_device")
        self._target, self._flips = target, flips
        if flips is not None:
            self.properties = lambda: self

    target = property(lambda self: self._target)
    max_circuits = None

    @classmethod
    def _default_options(cls):
        return None

    def run(self, *_, **__):
        raise NotImplementedError

    @property
    def qubits(self):
        names = ("prob_meas1_prep0", "prob_meas0_prep1")
        return [[Figure(name, value) for name, value in zip(names, pair, strict=True)] for pair in self._flips]


class Figure:
    def __init__(self, name, value):
        self.name, self.value = name, value


def device(qubits=(GOOD,) * 3, coupler=CZ, flips=True, both=True):
    """A row of qubits."""
    times = [QubitProperties(t1=q.t1, t2=q.t2) for q in qubits]
    target = Target(num_qubits=len(qubits), dt=1e-9, qubit_properties=times)
    places = range(len(qubits))
    target.add_instruction(RZGate(Parameter("a")), {(q,): InstructionProperties(0.0, 0.0) for q in places})
    sx = {(q,): InstructionProperties(qubits[q].sx_duration, qubits[q].sx_error) for q in places}
    target.add_instruction(SXGate(), sx)
    readings = {(q,): InstructionProperties(1e-6, (qubits[q].p1_given_0 + qubits[q].p0_given_1) / 2) for q in places}
    target.add_instruction(Measure(), readings)
    pairs = [pair for q in places[:-1] for pair in [(q, q + 1), (q + 1, q)][: 1 + both]]
    target.add_instruction(CZGate(), dict.fromkeys(pairs, coupler))
    target.add_instruction(Delay(Parameter("t")), {(q,): None for q in places})
    return Device(target, [(q.p1_given_0, q.p0_given_1) for q in qubits] if flips else None)


def test_what_a_device_states_is_what_is_read():
    found = calibration_of(device())
    assert found.qubits == dict.fromkeys(range(3), GOOD)
    assert set(found.couplers) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert set(found.couplers.values()) == {Coupler(4e-3, 70e-9)}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"t1": math.nan}, "T1 is nan"),
        ({"t1": -1e-6}, "T1 is -1e-06"),
        ({"t1": 0.0}, "T1 is 0"),
        ({"t2": math.nan}, "T2 is nan"),
        ({"t2": -1e-6}, "T2 is -1e-06"),
        ({"t2": 0.0}, "T2 is 0"),
        ({"p1_given_0": math.nan}, r"p\(1\|0\) is nan"),
        ({"p0_given_1": -0.01}, r"p\(0\|1\) is -0.01"),
        ({"p1_given_0": 1.01}, r"p\(1\|0\) is 1.01"),
        ({"sx_error": -1e-4}, "the SX error is -0.0001"),
        ({"sx_error": math.nan}, "the SX error is nan"),
        ({"sx_duration": -1e-9}, "the SX duration is -1e-09"),
        ({"sx_duration": math.nan}, "the SX duration is nan"),
        ({"sx_duration": math.inf}, "the SX duration is inf"),
    ],
)
def test_a_qubit_with_an_impossible_figure_is_left_out_by_name_with_its_couplers(change, words):
    wrong = replace(GOOD, **change)
    found = calibration_of(device((GOOD, GOOD, wrong)))
    assert set(found.qubits) == {0, 1}
    assert set(found.couplers) == {(0, 1), (1, 0)}
    (note,) = found.notes
    assert note.startswith("qubit 2 is left out: ")
    with pytest.raises(CayleyError, match=f"calibration of x cannot be right: qubit 7: {words}"):
        Calibration("x", {7: wrong}, {})
    noise = DeviceNoise(found, layout="best")
    assert noise.line(2).indices in {(0, 1), (1, 0)}


@pytest.mark.parametrize(("error", "duration"), [(math.nan, 7e-8), (-0.1, 7e-8), (1e-3, math.nan), (1e-3, -1e-9)])
def test_a_coupler_with_an_impossible_figure_is_left_out_by_name(error, duration):
    found = calibration_of(device(coupler=InstructionProperties(duration, error)))
    assert found.couplers == {}
    assert [note.split(":")[0] for note in found.notes] == [
        f"coupler {a}-{b} is left out" for a, b in ((0, 1), (1, 0), (1, 2), (2, 1))
    ]
    with pytest.raises(CayleyError, match="coupler 0-1: the CZ"):
        Calibration("x", {}, {(0, 1): Coupler(error, duration)})


def test_unusable_gates_are_left_out_silently_as_ever():
    found = calibration_of(device(coupler=InstructionProperties(7e-8, 0.5)))
    assert (found.couplers, found.notes) == ({}, ())


def test_unknown_times_mean_no_relaxation_and_t2_is_at_most_twice_t1():
    found = calibration_of(device((replace(GOOD, t1=None, t2=None), replace(GOOD, t2=None), replace(GOOD, t2=1.0))))
    assert [(q.t1, q.t2) for q in found.qubits.values()] == [(math.inf, math.inf), (1e-4, 2e-4), (1e-4, 2e-4)]


def test_a_device_without_calibration_is_told_from_one_without_lines():
    blank = device((replace(GOOD, t1=None, t2=None),) * 2)
    for name in ("sx", "cz", "measure"):
        for qubits in blank.target[name]:
            blank.target.update_instruction_properties(name, qubits, InstructionProperties(1e-8))
    with pytest.raises(CayleyError, match="own_device is not calibrated"):
        calibration_of(blank)
    alone = calibration_of(device((GOOD,)))
    with pytest.raises(CayleyError, match="no line of 2 usable qubits"):
        alone.ranked(2)


def global_device(error=1e-3, size=4):
    target = Target(num_qubits=size)
    for gate in (RZGate(Parameter("a")), SXGate(), CZGate(), Measure()):
        target.add_instruction(gate, {None: None if error is None else InstructionProperties(3e-8, error)})
    return Device(target)


def test_global_gates_are_on_all_qubits_and_it_is_told_what_is_assumed(capsys):
    found = calibration_of(global_device())
    assert found.qubits == dict.fromkeys(range(4), Qubit(math.inf, math.inf, 1e-3, 3e-8, 1e-3, 1e-3))
    assert sorted(pair for pair in found.couplers if pair[0] < pair[1]) == [(0, 1), (1, 2), (2, 3)]
    assert {note.split(":")[0] for note in found.notes} == {
        "readout flips are taken to be symmetric",
        "its CZ is global",
        "qubits do not relax",
    }
    assert DeviceNoise.from_backend(global_device()).line(3).indices[1] in (1, 2)
    assert capsys.readouterr().err.count("own_device: ") == 3
    with pytest.raises(CayleyError, match="is not calibrated"):
        calibration_of(global_device(None))
    with pytest.raises(CayleyError, match="does not say how many qubits"):
        calibration_of(global_device(size=None))


@functools.cache
def shipped(name):
    return calibration_of(snapshot(name))


@pytest.mark.parametrize("name", ["FakeKingston", "FakeMarrakesh", "FakeTorino", "FakeFez"])
def test_scale_one_is_the_device_as_calibrated_to_the_digit(name):
    calibration = shipped(name)
    for q, stated in calibration.qubits.items():
        assert stated.scaled(1.0) == stated, q
    for pair, stated in calibration.couplers.items():
        assert stated.scaled(1.0) == stated, pair


def test_a_shipped_qubit_is_read_wrongly_more_often_than_not():
    figures = DeviceNoise(shipped("FakeMarrakesh"), layout=((113,),)).line(1).qubits[0]
    assert figures.p0_given_1 == shipped("FakeMarrakesh").qubits[113].p0_given_1 > 0.9


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.4999, 0.5, 0.51, 0.94, 1.0])
def test_flips_grow_with_the_scale_and_stay_probabilities(flip):
    scales = np.linspace(0, 3, 301)
    scaled = [replace(GOOD, p1_given_0=flip).scaled(scale).p1_given_0 for scale in scales]
    assert scaled[0] == 0
    assert scaled[100] == flip
    assert (np.diff(scaled) >= 0).all()
    assert max(scaled) <= max(flip, 0.5)
    np.testing.assert_allclose(scaled[:101], scales[:101] * flip, atol=1e-15)


def test_channels_at_scale_one_are_aers():
    """Qiskit Aer's own model of the same backend, gate by gate."""
    from qiskit.quantum_info import average_gate_fidelity
    from qiskit_aer.noise import NoiseModel

    backend, calibration = snapshot("FakeMarrakesh"), shipped("FakeMarrakesh")
    line = calibration.ranked(2)[-1]
    theirs = NoiseModel.from_backend(backend, readout_error=False)._local_quantum_errors
    ours = DeviceNoise(calibration, layout=(line,)).line(2)
    for q in range(2):
        channel = sx_channel(ours, q)
        trace = (1 + channel.keep * (2 * channel.transverse[0] + channel.longitudinal[0])) / 4
        assert (2 * trace + 1) / 3 == pytest.approx(average_gate_fidelity(theirs["sx"][(line[q],)]), abs=1e-9)
    channel = cz_channel(ours, 0)
    sums = [1 + 2 * a + b for a, b in zip(channel.transverse, channel.longitudinal, strict=True)]
    trace = (1 + channel.keep * (math.prod(sums) - 1)) / 16
    assert (4 * trace + 1) / 5 == pytest.approx(average_gate_fidelity(theirs["cz"][line]), abs=1e-9)
