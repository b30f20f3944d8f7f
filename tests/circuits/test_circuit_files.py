"""Circuits are read back as they were written."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.files import load_circuits, save_circuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import brickwork_circuits, synthesise, synthesise_for
from cayley_adapters.core.errors import CayleyError


def test_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(3, 8, 8)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    gates = np.eye(4)[None, None].repeat(2, axis=1)
    line = DeviceNoise.from_backend("FakeFez").line(3)
    written = {"a.q_proj": synthesise(q), "b": brickwork_circuits(gates, 3, 2), "c": synthesise_for(q, line)}
    save_circuits(written, tmp_path / "c.safetensors")
    read = load_circuits(tmp_path / "c.safetensors")
    assert read.keys() == written.keys()
    for name, item in read.items():
        assert item.ansatz == written[name].ansatz
        np.testing.assert_array_equal(item.angles, written[name].angles)
        np.testing.assert_array_equal(item.unitaries(), written[name].unitaries())


def test_none(tmp_path):
    save_circuits({}, tmp_path / "c.safetensors")
    assert load_circuits(tmp_path / "c.safetensors") == {}


@pytest.mark.parametrize("content", [b"", b"not a file of tensors" * 10])
def test_damaged(tmp_path, content):
    (tmp_path / "c.safetensors").write_bytes(content)
    with pytest.raises(CayleyError, match="delete it and run the same command again"):
        load_circuits(tmp_path / "c.safetensors")
