"""Errors by source: counted from circuits and calibration, and alone in the simulator and in Aer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import cayley_adapters as ca
from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.noise.budget import circuit_errors, device_circuit, model_circuits
from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.circuits.qiskit import circuit_figures
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.aer import aer_probabilities
from cayley_adapters.simulation.compiled import compile_blocks, probabilities

NOISE = ca.DeviceNoise.from_backend("FakeFez")


def blocks(n, count=3, seed=0):
    d = 2**n
    theta = 0.3 * np.random.default_rng(seed).normal(size=(count, d * (d - 1) // 2))
    return ca.cayley(torch.from_numpy(theta)).numpy()


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("source", SOURCES)
def test_one_source_alone_agrees_with_aer(n, source):
    circuits = synthesise(blocks(n))
    noise = NOISE.scaled(3.0).only(source)
    x = np.random.default_rng(1).normal(size=(4, 3, 2**n))
    np.testing.assert_allclose(
        probabilities(compile_blocks(circuits, noise), x), aer_probabilities(circuits, x, noise), atol=1e-6
    )


@pytest.mark.parametrize("n", [2, 3])
def test_sources_add_up_at_little_noise(n):
    circuits = synthesise(blocks(n))
    x = np.random.default_rng(1).normal(size=(50, 3, 2**n))
    ideal = probabilities(compile_blocks(circuits, NOISE.scaled(0.0)), x)
    little = NOISE.scaled(0.02)
    change = {s: probabilities(compile_blocks(circuits, little.only(s)), x) - ideal for s in SOURCES}
    together = probabilities(compile_blocks(circuits, little), x) - ideal
    for source in SOURCES:
        assert np.abs(change[source]).max() > 1e-6
    np.testing.assert_allclose(sum(change.values()), together, atol=2e-2 * np.abs(together).max())


def test_the_same_qubits_serve_every_source():
    for n in (1, 2, 3):
        assert {NOISE.only(source).line(n).indices for source in SOURCES} == {NOISE.line(n).indices}
    with pytest.raises(CayleyError, match="unknown; known: cz, sx, readout"):
        NOISE.only("crosstalk")


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_counted_errors_are_those_of_the_circuit_qiskit_sees(n):
    circuit = ca.block_circuit(blocks(n, 1)[0], np.arange(1.0, 2**n + 1), NOISE)
    line, figures = NOISE.line(n), circuit_figures(circuit, NOISE.line(n))
    errors = line.errors(full(n))
    assert np.exp(-errors["cz"] - errors["sx"]) == pytest.approx(figures["gate_fidelity"], rel=1e-9)
    counted = circuit_errors([synthesise(blocks(n))], NOISE)
    assert {source: counted[source]["gates"] for source in SOURCES} == {
        "cz": figures["cz"], "sx": figures["sx"], "readout": n,
    }  # fmt: skip
    assert counted["all"]["depth"] == figures["depth"]
    assert counted["all"]["infidelity"] == pytest.approx(line.infidelity())
    assert device_circuit(n, NOISE).budget == pytest.approx(line.infidelity())


def test_a_block_without_a_circuit_has_the_fewest_gates_that_its_parameters_take():
    six = device_circuit(6, NOISE)
    assert six.counted == "parameter count"
    assert six.two_qubit_gates == (64 * 63 // 2 - 6) // 2 + 29
    for n in (3, 4, 5):  # the same count is a lower bound for the circuits that there are
        d = 2**n
        assert device_circuit(n, NOISE).two_qubit_gates >= (d * (d - 1) / 2 - n) / 2 + (d - 1 - n) / 2
    assert six.budget > device_circuit(5, NOISE).budget


def test_tables_of_trained_blocks_become_circuits():
    rows = [
        {"compression_ratio": ratio, "block_dim": 8, "qubits": 3, "seed": 0, "source": source, **figures}
        for ratio, short in ((0.1, 1.0), (0.2, 0.5))
        for source, figures in {
            "cz": {"gates": 16 * short, "infidelity": 0.08 * short},
            "readout": {"gates": 3, "infidelity": 0.03},
            "all": {"gates": 19, "infidelity": 0.11, "depth": 60 * short},
        }.items()
    ]
    found = model_circuits(pd.DataFrame(rows), NOISE, "full")
    assert [circuit.qubits for circuit in found] == [1, 2, 3, 4, 5, 6]
    assert found[2].two_qubit_gates == pytest.approx(12)
    assert found[2].errors == pytest.approx({"cz": 0.06, "readout": 0.03})
    assert found[2].depth == pytest.approx(45)
    assert [circuit.qubits for circuit in model_circuits(pd.DataFrame(rows), NOISE, "brickwork")] == [3]


def test_predictions_stop_where_the_layout_has_no_room():
    rows = pd.DataFrame(
        {"qubits": [2, 2], "source": ["cz", "all"], "gates": [3, 3], "infidelity": [0.01, 0.01], "depth": [np.nan, 17]}
    )
    short = ca.DeviceNoise.from_backend("FakeFez", layout=[4, 3, 16])
    assert [circuit.qubits for circuit in model_circuits(rows, short, "full")] == [1, 2, 3]


def test_blocks_that_are_dealt_over_lines_have_the_mean_of_their_errors():
    best, worst = (list(NOISE.calibration.ranked(2)[place]) for place in (0, -1))
    both = ca.DeviceNoise.from_backend("FakeFez", layout=[best, worst])
    each = [ca.DeviceNoise.from_backend("FakeFez", layout=line).line(2).infidelity() for line in (best, worst)]
    assert each[1] > 2 * each[0]
    assert device_circuit(2, both).budget == pytest.approx(np.mean(each))
    assert circuit_errors([synthesise(blocks(2))], both)["all"]["infidelity"] == pytest.approx(np.mean(each))


def test_waiting_qubits_count_where_they_relax():
    idle = ca.DeviceNoise.from_backend("FakeFez", idle=True)
    plain, waiting = (device_circuit(3, noise) for noise in (NOISE, idle))
    assert "idle" not in plain.errors
    assert waiting.budget == pytest.approx(plain.budget + waiting.errors["idle"])
    assert 0.001 < waiting.errors["idle"] < 0.5
    assert device_circuit(1, idle).errors["idle"] == 0  # nobody to wait for
