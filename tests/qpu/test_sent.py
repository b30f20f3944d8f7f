"""A plan made anew keeps to the calibration by which jobs were sent, so that none is paid twice."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.calibration_files import save_calibration
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.sent import keep_calibration, kept_calibration
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.qpu.workload import per_token_workload

CALIBRATION = DeviceNoise.from_backend("FakeFez").calibration
CIRCUITS = BlockCircuits(full(2), np.zeros((1, full(2).angles)), np.array([2]))
WORKLOAD = per_token_workload("p", CIRCUITS, np.ones((1, 1, 4)), [(0, 1)], "fake_fez")


def send(base, max_seconds):
    service, options = (
        connect("twin", "FakeFez", base / "twin"),
        {"unknown_seconds": 1.0, "attempts": 1, "cap_factor": 2.0},
    )
    backend = processor(service, "FakeFez")
    desk = Desk(base, service, backend, options | {"max_seconds": max_seconds}, Sampling(10), "test")
    desk.send(WORKLOAD, 1.6, lambda shown: False)


def test_a_calibration_is_kept_once_something_was_sent_by_it(tmp_path):
    save_calibration(CALIBRATION, tmp_path / "calibration.json", {"date": "2026-01-01"})
    keep_calibration(tmp_path, tmp_path / "calibration.json")
    with pytest.raises(CayleyError, match="max_seconds"):
        send(tmp_path, 0.0)
    assert kept_calibration(tmp_path, "fake_fez") is None  # nothing was sent: today's is better
    send(tmp_path, 60.0)
    assert kept_calibration(tmp_path, "another") is None
    kept, about = kept_calibration(tmp_path, "fake_fez")
    assert (kept.qubits, kept.couplers) == (CALIBRATION.qubits, CALIBRATION.couplers)
    assert about["date"] == "2026-01-01"
