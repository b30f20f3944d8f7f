"""What is typed of a device's drift becomes the device that runs, and mistakes are found before any work."""

from __future__ import annotations

import pytest

from cayley_adapters.circuits.noise.backends import calibration_named
from cayley_adapters.circuits.noise.hidden import Hidden
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.settings import compose
from cayley_adapters.stages.common import device_noise


def test_keys_become_what_runs_and_what_is_known():
    typed = ["noise.drift=0.1", "noise.drift_shared=-0.2", "noise.coherent=0.25", "noise.seed=3", "noise.twirled=true"]
    (settings,) = compose("ci", [*typed, "noise.known_from=FakeMarrakesh"])
    device = device_noise(settings.noise, 1.5)
    assert device.hidden == Hidden(0.1, -0.2, 0.25, 3, twirled=True)
    assert device.calibration is calibration_named("FakeFez")
    known, other = device.as_known(2).line(2), calibration_named("FakeMarrakesh")
    assert known.qubits[1] == other.qubits[known.indices[1]].scaled(1.5)
    assert known.indices == device.line(2).indices


def test_nothing_is_hidden_unless_it_is_asked_for():
    (settings,) = compose("quickstart")
    device = device_noise(settings.noise)
    assert not device.hidden
    assert device.known is None


def test_mistakes_are_told_before_any_work():
    with pytest.raises(CayleyError, match=r"noise\.coherent=1\.5: must be a number between 0 and 1"):
        compose("ci", ["noise.coherent=1.5"])
    with pytest.raises(CayleyError, match=r"noise\.known_from=FakeFes: .*did you mean 'FakeFez'"):
        require_feasible(compose("ci", ["noise.known_from=FakeFes"]))


def test_the_preset_differs_in_the_device_alone():
    found = compose("drift", ["evaluate.mitigation=readout+depolarizing,measured"])
    assert len(found) == 12
    assert {one.noise.model_dump_json() for one in found if one.evaluate.mitigation == "measured"} == {
        one.noise.model_dump_json() for one in found if one.evaluate.mitigation != "measured"
    }
    assert {(one.noise.drift_shared, one.noise.coherent, one.noise.twirled) for one in found} == {
        (0.0, 0.0, False),
        (-0.2, 0.0, False),
        (0.2, 0.0, False),
        (0.0, 0.25, False),
        (0.2, 0.25, False),
        (0.2, 0.25, True),
    }
    plain = {key: value for key, value in found[0].model_dump().items() if key not in ("noise", "evaluate")}
    for one in found[1:]:
        rest = one.model_dump()
        assert all(rest[key] == value for key, value in plain.items() if key not in ("variant", "title"))
