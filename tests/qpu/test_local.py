"""Dry runs in Qiskit's local mode, on any backend: no service, and the counts that the simulator predicts."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer import AerSimulator
from scipy.stats import special_ortho_group

from cayley_adapters.circuits.noise.backends import calibration_of
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.agreement import chi_square
from cayley_adapters.qpu.desk import jobs_of
from cayley_adapters.qpu.execution import predicted
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.local import LocalDesk, local_backend
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import per_token_workload

GENERIC = GenericBackendV2(5, ["rz", "sx", "cz"], coupling_map=[(0, 1), (1, 2), (2, 3), (3, 4)], seed=5)


def workload(backend):
    lines = disjoint_lines(calibration_of(backend), 2, 1.0)
    q = synthesise(special_ortho_group.rvs(4, size=3, random_state=0))
    return per_token_workload("p", q, np.random.default_rng(0).normal(size=(5, 3, 4)), lines, backend.name)


@pytest.mark.parametrize("backend", [GENERIC, AerSimulator.from_backend(GENERIC)], ids=["generic", "aer"])
def test_any_backend_gives_the_counts_that_the_simulator_predicts(backend):
    what = workload(backend)
    assert len(what.lines) == 2
    desk = LocalDesk(backend, Sampling(4000), None)
    assert desk.send(what, 1.6, pytest.fail) == []
    counts = desk.fetch(what)
    assert (counts.sum(axis=1) == 4000).all()
    np.testing.assert_array_equal(desk.fetch(what), counts)  # the same measurement, the same bytes
    noise = DeviceNoise.from_backend(backend)
    assert 1e-4 < chi_square(counts, predicted(what, noise))["p_value"] < 1 - 1e-4
    assert chi_square(counts, predicted(what, noise.scaled(0.0)))["p_value"] < 1e-6


def test_a_backend_without_a_repetition_delay_can_be_planned_for():
    [(_, one)] = jobs_of(workload(GENERIC), Sampling(100), GENERIC)
    assert one.seconds == pytest.approx(2 + 8 * 100 * 250e-6, rel=0.05)


def test_backends_are_named_by_snapshot_or_by_module(monkeypatch):
    module = types.ModuleType("my_devices")
    module.mine, module.Kind, module.wrong = GENERIC, AerSimulator, print
    monkeypatch.setitem(sys.modules, "my_devices", module)
    assert local_backend("FakeManilaV2").num_qubits == 5
    assert local_backend("my_devices.mine") is GENERIC
    assert isinstance(local_backend("my_devices.Kind"), AerSimulator)
    for name, words in [
        ("my_devices.wrong", "no Qiskit BackendV2"),
        ("my_devices.none", "cannot be imported"),
        ("no_such_module.mine", "cannot be imported"),
        ("FakeManilla", "did you mean"),
    ]:
        with pytest.raises(CayleyError, match=words):
            local_backend(name)


def test_there_is_nothing_to_decide_about():
    with pytest.raises(CayleyError, match="nothing is ever sent"):
        LocalDesk(GENERIC, Sampling(10), None).resolve("cayley-x-1", None)
