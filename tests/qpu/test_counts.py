"""Counts on disk: read for the measurement that they are of, and for no other one of the same shape."""

from __future__ import annotations

import numpy as np
import pytest

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.counts import load_counts, save_counts
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.workload import per_token_workload

CIRCUITS = BlockCircuits(full(2), np.zeros((2, full(2).angles)), np.array([2, 2]))
X = np.random.default_rng(0).normal(size=(3, 2, 4)).astype(np.float32)


def workload(x=X):
    return per_token_workload("p", CIRCUITS, x, [(0, 1), (2, 3)], "device")


def test_counts_are_those_of_their_measurement_only(tmp_path):
    path, counts = tmp_path / "counts.safetensors", np.arange(24).reshape(6, 4)
    save_counts(path, counts, workload(), Sampling(100))
    assert np.array_equal(load_counts(path, workload(), Sampling(100, randomizations=3)), counts)
    for other, sampling in (
        (workload(-X), Sampling(100)),
        (workload(), Sampling(200)),
        (workload(), Sampling(100, "XX")),
    ):
        with pytest.raises(CayleyError, match="cayley qpu collect"):
            load_counts(path, other, sampling)


def test_a_damaged_file_is_answered_with_what_to_do(tmp_path):
    path = tmp_path / "counts.safetensors"
    for content in (b"not at all", b""):
        path.write_bytes(content)
        with pytest.raises(CayleyError, match="cayley qpu collect"):
            load_counts(path, workload(), Sampling(100))
