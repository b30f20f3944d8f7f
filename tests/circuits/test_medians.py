"""Devices of published medians: the paper's processor, and anybody's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cayley_adapters.circuits.noise.channels import cz_channel, sx_channel
from cayley_adapters.circuits.noise.medians import median_noise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.pipeline.provenance import calibration_digest
from cayley_adapters.settings import compose
from cayley_adapters.stages.common import device_noise

BASQUE = {"sx_error": 2.45e-4, "cz_error": 1.78e-3, "readout_error": 6.8e-3}


def test_the_papers_processor_has_the_papers_infidelities():
    """Its table's gates at n = 2, 3 and 4, and the readout error of as many qubits, to the last printed digit."""
    (settings,) = compose("quickstart", ["noise=ibm_basquecountry"])
    noise = device_noise(settings.noise)
    assert (noise.name, settings.noise.medians) == ("ibm_basquecountry", BASQUE)
    for n, sx, cz, infidelity, readout in (
        (2, 20, 4, 0.012, 0.014),
        (3, 188, 45, 0.119, 0.020),
        (4, 992, 273, 0.518, 0.027),
    ):
        line = noise.line(n)
        survival = (1 - line.qubits[0].sx_error) ** sx * (1 - line.couplers[0].cz_error) ** cz
        assert 1 - survival == pytest.approx(infidelity, abs=1e-3)
        flips = 1 - (1 - line.qubits[0].p1_given_0) ** n
        assert flips == pytest.approx(readout, abs=5e-4)


def test_gates_depolarise_and_nothing_relaxes():
    """The average error e of a depolarising channel on D dimensions is (1 − 1/D) p."""
    line = median_noise("mine", 0.01, 0.03, 0.05).line(10)
    assert len(line.qubits) == 10
    one, two = sx_channel(line, 3), cz_channel(line, 8)
    assert (one.keep, two.keep) == (pytest.approx(1 - 0.01 * 2), pytest.approx(1 - 0.03 * 4 / 3))
    assert set(one.transverse + two.transverse + one.longitudinal + two.longitudinal) == {1.0}
    assert np.allclose(median_noise("mine", 0, 0, 0.05).line(1).confusion(), [[0.95, 0.05], [0.05, 0.95]])
    quiet = median_noise("mine", 0.01, 0.03, 0.05, scale=0).line(2)
    assert (quiet.qubits[0].sx_error, quiet.couplers[0].cz_error, quiet.qubits[0].p1_given_0) == (0, 0, 0)
    with pytest.raises(CayleyError, match=r"the calibration of mine cannot be right: .*CZ error is 2"):
        median_noise("mine", 0.01, 2, 0.05)


def test_any_layout_is_as_good_as_another():
    (settings,) = compose("quickstart", ["noise=ibm_basquecountry", "noise.layout=[[3,4,5],[7,8,9]]"])
    require_feasible([settings])
    lines = device_noise(settings.noise, 2.0).lines(3)
    assert [line.indices for line in lines] == [(3, 4, 5), (7, 8, 9)]
    assert {line.couplers[0].cz_error for line in lines} == {2 * BASQUE["cz_error"]}
    (apart,) = compose("quickstart", ["noise=ibm_basquecountry", "noise.layout=[3,5,6]"])
    with pytest.raises(CayleyError, match="no usable coupler between 3 and 5"):
        require_feasible([apart])


def test_records_hold_the_medians():
    one, other = (calibration_digest("mine", json.dumps(BASQUE | {"cz_error": error})) for error in (1e-3, 2e-3))
    assert one["sha256"] != other["sha256"]
    assert (one["date"], json.loads(one["medians"])["cz_error"]) == (None, 1e-3)
    assert one == calibration_digest(one["backend"], one["medians"])
