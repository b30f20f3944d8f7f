"""What the twin measures is what the batched simulator predicts for the same items on the same lines."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter
from qiskit_ibm_runtime.decoders.executor_sampler.post_processor_v0_1 import sampler_v2_post_processor_v0_1
from qiskit_ibm_runtime.executor_sampler.prepare import prepare
from qiskit_ibm_runtime.options_models import SamplerOptions
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.results import QuantumProgramItemResult, QuantumProgramResult
from samplomatic.quantum_program import CircuitItem
from scipy.stats import chi2

from cayley_adapters.circuits.ansatz import full
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.noise.backends import calibration_of, snapshot
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.prediction import predicted_on
from cayley_adapters.qpu.simulate import run_program
from cayley_adapters.qpu.template import PackedTemplate, packed_template

SHOTS = 8192


@functools.cache
def fez():
    return snapshot("FakeFez")


@functools.cache
def fez_lines(n: int) -> tuple[tuple[int, ...], ...]:
    return disjoint_lines(calibration_of(fez()), n, quality=1.0)


@functools.cache
def work(n: int, count: int, sets: int) -> tuple[PackedTemplate, np.ndarray, BlockCircuits, np.ndarray]:
    """Random items on the worst ``count`` lines, whose errors differ most; the last set is not full."""
    rng = np.random.default_rng(n)
    template = packed_template(full(n), fez_lines(n)[-count:], fez())
    q = np.linalg.qr(rng.normal(size=(8, 2**n, 2**n)))[0]
    q[np.linalg.det(q) < 0, 0] *= -1
    items = sets * count - 1
    return template, rng.normal(size=(items, 2**n)), synthesise(q), rng.integers(8, size=items)


def predicted(template, slices, circuits, blocks, noise):
    """What the simulator says that a template's lines give."""
    return predicted_on(template.lines, slices, circuits, blocks, noise)


def measured(job, seed: int = 1, split: bool = True, shots: int = SHOTS, hidden=NOTHING, **options) -> np.ndarray:
    """Counts (items, d) by way of the real sampler's preparation and post-processing."""
    template, slices, circuits, blocks = job
    pub = (template.circuit, template.values(slices, circuits, blocks), shots)
    program, _ = prepare([pub], SamplerOptions(**options), backend=fez())
    data = [QuantumProgramItemResult(result=item) for item in run_program(program, fez(), seed, split, hidden)]
    result = QuantumProgramResult(data=data, passthrough_data=program.passthrough_data)
    return template.counts(sampler_v2_post_processor_v0_1(result)[0].data.meas, len(slices))


def surprise(counts: np.ndarray, p: np.ndarray) -> float:
    """Probability of at least this chi-square, if the counts come from these probabilities."""
    expected = p * counts.sum(axis=1, keepdims=True)
    rare = expected < 5  # outcomes of an item expected less often than that are counted together with its commonest
    common = np.arange(p.shape[1]) == p.argmax(axis=1)[:, None]
    counts, expected = (
        np.where(common, a + (a * rare).sum(axis=1, keepdims=True), np.where(rare, 0, a)) for a in (counts, expected)
    )
    terms = (counts - expected)[~rare] ** 2 / expected[~rare]
    return float(chi2.sf(terms.sum(), len(terms) - len(counts)))


@pytest.mark.parametrize(("n", "count", "sets"), [(1, 12, 10), (2, 64, 20), (3, 6, 12)])
def test_whole_packed_circuits_agree_with_the_batched_simulator(n, count, sets):
    job = work(n, count, sets)
    counts, noise = measured(job), DeviceNoise.from_backend(fez())
    assert (counts.sum(axis=1) == SHOTS).all()
    assert 1e-4 < surprise(counts, predicted(*job, noise)) < 1 - 1e-4
    # The same test sees two lines with each other's noise, all lines with the next one's, and none at all.
    lines = job[0].lines
    swapped = replace(job[0], lines=(*lines[:-2], lines[-1], lines[-2]))
    assert surprise(counts, predicted(swapped, *job[1:], noise)) < 1e-6
    shifted = replace(job[0], lines=(*lines[1:], lines[0]))
    assert surprise(counts, predicted(shifted, *job[1:], noise)) < 1e-12
    assert surprise(counts, predicted(*job, noise.scaled(0))) < 1e-12


def test_a_device_that_hides_something_is_the_batched_simulators():
    job, noise = work(3, 6, 12), DeviceNoise.from_backend(fez())
    hidden = Hidden(drift=0.3, shared=0.5, coherent=1.0, seed=1)
    counts = measured(job, hidden=hidden)
    assert 1e-4 < surprise(counts, predicted(*job, replace(noise, hidden=hidden))) < 1 - 1e-4
    for other in (replace(hidden, coherent=0.0), replace(hidden, drift=0.0), replace(hidden, seed=2), NOTHING):
        assert surprise(counts, predicted(*job, replace(noise, hidden=other))) < 1e-6


def test_qubits_that_are_mostly_read_wrongly_agree_too():
    """One of FakeMarrakesh answers 0 for 94 of a hundred ones: neither side may take that for a half."""
    backend = snapshot("FakeMarrakesh")
    template, rng = packed_template(full(1), [(113,), (0,)], backend), np.random.default_rng(3)
    q = np.stack([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in (0.3, 1.4)])
    slices, circuits, blocks = rng.normal(size=(40, 2)), synthesise(q), rng.integers(2, size=40)
    pub = (template.circuit, template.values(slices, circuits, blocks), SHOTS)
    program, _ = prepare([pub], SamplerOptions(), backend=backend)
    data = [QuantumProgramItemResult(result=item) for item in run_program(program, backend, 1)]
    result = QuantumProgramResult(data=data, passthrough_data=program.passthrough_data)
    counts = template.counts(sampler_v2_post_processor_v0_1(result)[0].data.meas, 40)
    noise = DeviceNoise.from_backend("FakeMarrakesh")
    assert max(noise.calibration.qubits[113].p1_given_0, noise.calibration.qubits[113].p0_given_1) > 0.9
    assert 1e-4 < surprise(counts, predicted_on(template.lines, slices, circuits, blocks, noise)) < 1 - 1e-4


def test_predictions_do_not_depend_on_the_other_items(monkeypatch):
    from cayley_adapters.qpu import prediction

    job, noise = work(2, 5, 20), DeviceNoise.from_backend(fez())
    whole = predicted(*job, noise)
    monkeypatch.setattr(prediction, "_PAIRS", 17)
    np.testing.assert_allclose(predicted(*job, noise), whole, atol=1e-12)
    template, slices, circuits, blocks = job
    assert predicted(template, slices[:0], circuits, blocks[:0], noise).shape == (0, 4)
    alone = DeviceNoise(noise.calibration, layout=(template.lines[8 % 5],))
    one = predicted(replace(template, lines=alone.layout), slices[8:9], circuits, blocks[8:9], noise)
    np.testing.assert_allclose(one[0], whole[8], atol=1e-12)


def test_parts_apart_are_the_whole_circuit():
    """Three pairs in one density matrix, with Aer's own shots: all 64 outcomes, not just those of each pair."""
    template, slices, circuits, blocks = work(2, 3, 1)
    values = template.values(slices, circuits, blocks)
    program = QuantumProgram(20_000, [CircuitItem(template.circuit, circuit_arguments=values)])
    counts = []
    for split in (True, False):
        (result,) = run_program(program, fez(), 5, split)
        assert result["meas"].shape == (1, 20_000, 6)
        counts.append(np.bincount(result["meas"][0] @ (1 << np.arange(6)), minlength=64))
    both = np.array(counts)
    both = both[:, both.sum(axis=0) >= 10]
    statistic = ((both[0] - both[1]) ** 2 / both.sum(axis=0)).sum()
    assert both.shape[1] > 20
    assert 1e-4 < chi2.sf(statistic, both.shape[1]) < 1 - 1e-4


@pytest.mark.parametrize("twirled", ["gates", "measure"])
def test_twirling(twirled):
    job, noise = work(2, 4, 4), DeviceNoise.from_backend(fez())
    options = {f"enable_{twirled}": True, "num_randomizations": 100}
    counts = measured(job, twirling=options)
    assert (counts.sum(axis=1) == 8200).all()  # 100 randomisations of 82 shots are more than were asked for
    p, frequencies = predicted(*job, noise), counts / 8200
    assert np.abs(frequencies - p).max() < 0.03
    if twirled == "measure":  # makes both readout flips alike
        assert surprise(counts, p) < 1e-6
        alike = {
            q: replace(qubit, **dict.fromkeys(("p1_given_0", "p0_given_1"), flip(qubit)))
            for q, qubit in noise.calibration.qubits.items()
        }
        even = replace(noise, calibration=replace(noise.calibration, qubits=alike))
        assert surprise(counts, predicted(*job, even)) > 1e-4


def flip(qubit) -> float:
    return (qubit.p1_given_0 + qubit.p0_given_1) / 2


def test_delays_are_the_simulators_idle_qubits():
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay

    target = fez().target
    template, *items = work(3, 6, 12)
    waiting = PassManager([ALAPScheduleAnalysis(target=target), PadDelay(target=target)]).run(template.circuit)
    counts = measured((replace(template, circuit=waiting), *items), shots=20_000)
    idle, still = (predicted(template, *items, DeviceNoise.from_backend(fez(), idle=idle)) for idle in (True, False))
    assert 1e-4 < surprise(counts, idle) < 1 - 1e-4
    assert surprise(counts, still) < 1e-12
    # Pulses of dynamical decoupling come on top, with their own errors; what they cancel is no part of the model.
    options = {"enable": True, "sequence_type": "XY4"}
    frequencies = measured((template, *items), dynamical_decoupling=options) / SHOTS
    assert 0.001 < np.abs(frequencies - idle).mean() < 0.02


def test_qubits_relax_while_they_wait():
    backend, times = fez(), fez().target.qubit_properties
    circuit = QuantumCircuit(156)
    circuit.add_register(ClassicalRegister(3, "meas"))
    for bit, (q, share) in enumerate([(3, 0.0), (30, 0.5), (60, 2.0)]):
        circuit.x(q)
        circuit.delay(round(share * times[q].t1 / backend.dt), q)
        circuit.measure(q, bit)
    (result,) = run_program(QuantumProgram(100_000, [CircuitItem(circuit)]), backend, 3)
    assert result["meas"].shape == (100_000, 3)
    calibration = calibration_of(backend)
    for bit, (q, share) in enumerate([(3, 0.0), (30, 0.5), (60, 2.0)]):
        qubit, excited = calibration.qubits[q], np.exp(-share)
        expected = (1 - qubit.p0_given_1) * excited + qubit.p1_given_0 * (1 - excited)
        assert result["meas"][:, bit].mean() == pytest.approx(expected, abs=0.008)  # 5 sigma, and the X gate's error


def test_idle_qubits_and_registers():
    """A qubit that is only measured reads its flips, a bit without a measurement 0, and shots are in random order."""
    qubits = calibration_of(fez()).qubits
    worst = max(qubits, key=lambda q: qubits[q].p1_given_0)
    circuit, angle = QuantumCircuit(156), Parameter("a")
    circuit.add_register(ClassicalRegister(2, "a"), ClassicalRegister(3, "b"))
    circuit.sx(80)
    circuit.rz(angle, 80)
    circuit.sx(80)
    circuit.sx(100)  # never measured
    circuit.barrier()
    circuit.measure([80, worst], [3, 0])
    circuit.delay(1000, 80)
    item = CircuitItem(circuit, circuit_arguments=np.array([[[0.0], [np.pi], [np.pi / 2]]] * 2))
    program = QuantumProgram(20_000, [item, CircuitItem(circuit.assign_parameters([np.pi / 2]))])
    first, second = run_program(program, fez(), 0)
    assert {name: bits.shape for name, bits in first.items()} == {"a": (2, 3, 20_000, 2), "b": (2, 3, 20_000, 3)}
    assert {name: bits.shape for name, bits in second.items()} == {"a": (20_000, 2), "b": (20_000, 3)}
    assert not first["a"][..., 1].any()
    assert not first["b"][..., [0, 2]].any()
    assert first["a"][..., 0].mean() == pytest.approx(qubits[worst].p1_given_0, abs=0.01)
    np.testing.assert_allclose(first["b"][..., 1].mean(axis=2), [[1, 0, 0.5]] * 2, atol=0.03)
    assert abs(np.corrcoef(first["a"][0, 2, :, 0], first["b"][0, 2, :, 1])[0, 1]) < 0.035
    # Sets and items of the same angle are different samples, in which nothing but chance orders the shots.
    assert (first["b"][0, 2, :, 1] != first["b"][1, 2, :, 1]).mean() == pytest.approx(0.5, abs=0.02)
    half = second["b"][:, 1]
    assert abs(np.corrcoef(half[:-1], half[1:])[0, 1]) < 0.035


def test_seeds():
    job = work(2, 4, 4)
    np.testing.assert_array_equal(measured(job, seed=0), measured(job, seed=0))
    twirling = {"enable_gates": True, "enable_measure": True}
    once = measured(job, seed=2**63 + 1, shots=256, twirling=twirling)
    np.testing.assert_array_equal(once, measured(job, seed=2**63 + 1, shots=256, twirling=twirling))
    assert (measured(job, seed=0) != measured(job, seed=1)).any()


def chained(count: int) -> QuantumCircuit:
    circuit = QuantumCircuit(156, 156)
    for q in range(count - 1):
        circuit.cz(q, q + 1)
    circuit.measure(range(count), range(count))
    return circuit


def test_refused_programs():
    late, foreign, far, shared = (QuantumCircuit(156, 2) for _ in range(4))
    late.measure(0, 0)
    late.sx(0)
    foreign.h(0)
    foreign.measure(0, 0)
    far.cz(0, 77)
    far.measure(0, 0)
    shared.measure([0, 1], [0, 0])
    for circuit, message in (
        (chained(11), "connects 11 qubits .* up to 10 are simulated"),
        (late, "qubit 0 has a 'sx' after its measurement"),
        (foreign, r"fake_fez has no native 'h' on qubits \[0\]"),
        (far, r"fake_fez has no native 'cz' on qubits \[0, 77\]"),
        (shared, "into one classical bit"),
    ):
        with pytest.raises(CayleyError, match=message):
            run_program(QuantumProgram(10, [CircuitItem(circuit)]), fez(), 0)
    with pytest.raises(CayleyError, match="no native 'h'"):
        run_program(QuantumProgram(10, [CircuitItem(foreign)]), fez(), 0, split=False)
    with pytest.raises(CayleyError, match="'kerneled' is not simulated"):
        run_program(QuantumProgram(10, [CircuitItem(chained(2))], meas_level="kerneled"), fez(), 0)
