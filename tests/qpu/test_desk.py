"""From a workload to its counts through the twin: once paid, whoever asks, and whatever is in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import special_ortho_group

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.agreement import chi_square
from cayley_adapters.qpu.counts import measurement_id
from cayley_adapters.qpu.desk import Desk, jobs_of, status_table, under_way
from cayley_adapters.qpu.execution import predicted
from cayley_adapters.qpu.ledger import ledger_path
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.qpu.workload import per_token_workload

OPTIONS = {"max_seconds": 60.0, "cap_factor": 2.0, "unknown_seconds": 1.0, "attempts": 3}
NOISE = DeviceNoise.from_backend("FakeFez")
LINES = disjoint_lines(NOISE.calibration, 2, 0.9)
WORKLOAD = per_token_workload(
    "p",
    synthesise(special_ortho_group.rvs(4, size=20, random_state=0)),
    np.random.default_rng(0).normal(size=(13, 20, 4)),
    LINES,
    "fake_fez",
)


def unasked(shown):
    pytest.fail(f"on the twin nobody is asked: {shown}")


@pytest.fixture
def service(tmp_path):
    return connect("twin", "FakeFez", tmp_path / "twin")


@pytest.fixture
def desk(tmp_path, service):
    """Open the ledger again, as another process would."""

    def opened(**changes):
        sampling = Sampling(**{"shots": 2000, "executions_per_job": 4000} | changes)
        return Desk(tmp_path, service, processor(service, "FakeFez"), OPTIONS, sampling, "test")

    return opened


def test_counts_are_paid_once_and_are_what_the_simulator_says(tmp_path, desk, service):
    rows = desk().send(WORKLOAD, 1.6, unasked)
    assert len(rows) == 3  # 260 pairs on 52 lines: 5 circuits, of which 4,000 executions hold two
    counts = desk().fetch(WORKLOAD)
    assert counts.shape == (260, 4)
    assert (counts.sum(axis=1) == 2000).all()
    assert chi_square(counts, predicted(WORKLOAD, NOISE))["p_value"] > 1e-4
    assert chi_square(counts, predicted(WORKLOAD, NOISE.scaled(0.0)))["p_value"] < 1e-6
    again = desk()
    again.send(WORKLOAD, 1.6, unasked)
    assert np.array_equal(again.fetch(WORKLOAD), counts)
    paid = service.paid()
    assert [job.executions for job in paid] == [4000, 4000, 2000]
    estimated = [work.seconds for _, work in jobs_of(WORKLOAD, Sampling(2000, executions_per_job=4000), again._backend)]
    assert [job.quantum_seconds for job in paid] == pytest.approx(estimated, rel=0.01)
    table = status_table(tmp_path)
    assert table.count("done") == 3
    assert "3 sent, 9 s used" in table


def test_a_job_measures_on_the_device_as_it_was_when_it_was_sent(tmp_path, desk):
    """Whoever fetches its counts; and the same job on a device that has not drifted is another measurement."""
    circuits, slices = synthesise(special_ortho_group.rvs(4, size=20, random_state=0)), WORKLOAD.slices[:40]
    work = per_token_workload("p", circuits, slices.reshape(2, 20, 4), LINES[:10], "fake_fez")
    hidden = Hidden(shared=3)
    service = connect("twin", "FakeFez", tmp_path / "twin", hidden=hidden)
    sampling = Sampling(2000, executions_per_job=16_000, hidden=hidden)
    Desk(tmp_path, service, processor(service, "FakeFez"), OPTIONS, sampling, "test").send(work, 1.6, unasked)
    counts = desk(executions_per_job=16_000, hidden=hidden).fetch(work)  # by a service that knows of no drift
    assert chi_square(counts, predicted(work, replace(NOISE, hidden=hidden)))["p_value"] > 1e-4
    assert chi_square(counts, predicted(work, NOISE))["p_value"] < 1e-6
    assert measurement_id(work, sampling) != measurement_id(work, replace(sampling, hidden=NOTHING))


def test_nothing_is_sent_beyond_the_budget(tmp_path, desk, service):
    with pytest.raises(CayleyError, match=r"qpu\.max_seconds=60"):
        desk(shots=100_000, executions_per_job=10_000_000).send(WORKLOAD, 1.6, unasked)
    assert service.paid() == []


def test_a_plan_for_another_processor_is_not_sent(desk, service):
    with pytest.raises(CayleyError, match="planned for ibm_fez and its qubits, not for fake_fez"):
        desk().send(replace(WORKLOAD, backend="ibm_fez"), 1.6, unasked)
    assert service.paid() == []


def test_the_table_tells_how_jobs_fare_at_the_service(tmp_path, desk):
    queued = connect("twin", "FakeFez", tmp_path / "twin", queue_seconds=600.0)
    backend, sampling = processor(queued, "FakeFez"), Sampling(2000)
    waiting = Desk(tmp_path, queued, backend, OPTIONS, sampling, None)
    assert not under_way(tmp_path)
    waiting.send(WORKLOAD, 1.6, unasked)
    assert under_way(tmp_path)
    waiting.refresh()
    assert "QUEUED" in status_table(tmp_path)
    assert status_table(tmp_path).count("submitted") == 1


def test_twirled_circuits_return_more_shots_and_symmetric_flips(desk):
    changes = {"shots": 1000, "twirl_gates": True, "twirl_readout": True, "randomizations": 24}
    counter = desk(**changes, executions_per_job=10_000_000)
    counter.send(WORKLOAD, 1.6, unasked)
    counts = counter.fetch(WORKLOAD)
    assert (counts.sum(axis=1) == 24 * 42).all()
    twirled = Sampling(**changes).noise(NOISE.calibration, WORKLOAD.lines)
    assert chi_square(counts, predicted(WORKLOAD, twirled))["p_value"] > 1e-4


def test_the_jobs_are_known_again_by_what_they_measure(desk):
    backend, sampling = desk()._backend, Sampling(2000, executions_per_job=4000)
    keys = [work.key for _, work in jobs_of(WORKLOAD, sampling, backend)]
    assert keys == [work.key for _, work in jobs_of(WORKLOAD, sampling, backend)]
    # Neither a limit that splits nothing otherwise nor an option that is not used makes another measurement of it.
    for same in (Sampling(2000, executions_per_job=5999), Sampling(2000, randomizations=7, executions_per_job=4000)):
        assert keys == [work.key for _, work in jobs_of(WORKLOAD, same, backend)]
    others = [Sampling(2001, executions_per_job=4002), Sampling(2000, "XX", executions_per_job=4000)]
    for other in others:
        assert not {work.key for _, work in jobs_of(WORKLOAD, other, backend)} & set(keys)
    pairs = np.concatenate([pairs for pairs, _ in jobs_of(WORKLOAD, sampling, backend)])
    assert np.array_equal(np.sort(pairs), np.arange(260))


def test_nothing_sent_says_how_to_send(tmp_path):
    with pytest.raises(CayleyError, match="cayley qpu submit"):
        status_table(tmp_path)
    assert not ledger_path(tmp_path).exists()
