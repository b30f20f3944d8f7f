"""The twin behaves as the service: the library's own classes cannot tell."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from qiskit_ibm_runtime import Batch, IBMBackend, QiskitRuntimeService, RuntimeJobV2
from qiskit_ibm_runtime.api.client import RuntimeClient
from qiskit_ibm_runtime.exceptions import (
    IBMRuntimeError,
    RuntimeInvalidStateError,
    RuntimeJobMaxTimeoutError,
    RuntimeJobNotFound,
)
from twin_jobs import TAG, circuit, sampler, send, values

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.simulate import run_program
from cayley_adapters.qpu.twin import TwinClient, TwinService
from cayley_adapters.qpu.twin.server import CALLS


@pytest.fixture
def service(tmp_path) -> TwinService:
    return TwinService(tmp_path)


class Clock:
    def __init__(self) -> None:
        self.now = 1.8e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(time, "time", stopped)
    return stopped


def public(kind: type) -> dict[str, object]:
    return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_client_and_service_are_the_installed_ones():
    client = public(RuntimeClient)
    assert public(TwinClient).keys() == client.keys()
    for name, method in client.items():
        assert inspect.signature(getattr(TwinClient, name)) == inspect.signature(method)
    assert client.keys() == CALLS
    ours, theirs = public(TwinService), public(QiskitRuntimeService)
    assert ours.keys() - theirs.keys() == {"fault", "paid"}
    assert all(ours[name] == theirs[name] for name in theirs)


def test_needs_and_reads_no_account(tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("the user's account was read")

    monkeypatch.setattr("qiskit_ibm_runtime.accounts.management.AccountManager.get", forbidden)
    monkeypatch.setattr("qiskit_ibm_runtime.accounts.management.read_config", forbidden)
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "secret-of-the-user")
    service = TwinService(tmp_path)
    assert "secret" not in str(service.active_account())
    assert service.least_busy(min_num_qubits=100).name == "fake_fez"
    with pytest.raises(CayleyError, match="did you mean 'FakeFez'"):
        TwinService(tmp_path, "FakeFes")


def test_job_from_batch_to_result(service):
    backend = service.backend("fake_fez")
    assert type(backend) is IBMBackend
    assert backend.num_qubits == 156
    with Batch(backend=backend) as batch:
        job = send(batch)
        assert type(job) is RuntimeJobV2
        assert batch.status() == "In progress, accepting new jobs" or job.done()
        bits = job.result()[0].data.meas
    assert batch.status() == "Closed"
    assert bits.array.shape == (3, 50, 1)
    assert bits.num_bits == 2
    again = service.job(job.job_id())
    assert (again.status(), again.tags, again.session_id) == ("DONE", [TAG], batch.session_id)
    assert np.array_equal(again.result()[0].data.meas.array, bits.array)
    assert Batch.from_id(batch.session_id, service).usage() == pytest.approx(job.usage())
    paid = service.paid()
    assert [(p.job_id, p.tags, p.state, p.executions) for p in paid] == [(job.job_id(), (TAG,), "Completed", 150)]


def test_counts_are_those_of_the_simulator_and_the_same_in_any_process(service, tmp_path):
    job = send(service.backend("fake_fez"))
    bits = job.result()[0].data.meas.to_bool_array(order="little")
    program = job.inputs["quantum_program"]
    with service._store.transaction() as db:
        seed = db.execute("SELECT seed FROM jobs").fetchone()["seed"]
    from cayley_adapters.circuits.noise.backends import snapshot

    assert np.array_equal(run_program(program, snapshot("FakeFez"), seed)[0]["meas"], bits)
    script = (
        "import sys; from twin_jobs import send; from cayley_adapters.qpu.twin import TwinService\n"
        "bits = send(TwinService(sys.argv[1], seed=int(sys.argv[2])).backend('fake_fez')).result()[0].data.meas\n"
        "print(bits.to_bool_array(order='little').astype(int).ravel().tolist())"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, os.path.dirname(__file__)])}
    for seed in (0, 1):
        other = subprocess.run(
            [sys.executable, "-c", script, tmp_path, str(seed)], env=environment, capture_output=True, check=True
        )
        assert (json.loads(other.stdout) == bits.ravel().astype(int).tolist()) == (seed == 0)


def test_states_follow_the_clock_one_job_after_the_other(tmp_path, clock):
    service = TwinService(tmp_path, queue_seconds=5, run_seconds=10)
    backend = service.backend("fake_fez")
    jobs = [send(backend) for _ in range(3)]

    def states() -> list[str]:
        return [service.job(job.job_id()).status() for job in jobs]

    assert states() == ["QUEUED"] * 3
    assert backend.status().pending_jobs == 3
    clock.now += 6
    assert states() == ["RUNNING", "QUEUED", "QUEUED"]
    assert service.job(jobs[0].job_id()).metrics()["usage"]["status"] == "pending"
    clock.now += 15
    assert states() == ["DONE", "RUNNING", "QUEUED"]
    jobs[1].cancel()  # 6 of its 10 seconds have passed
    assert states() == ["DONE", "CANCELLED", "RUNNING"]
    clock.now += 10
    assert states() == ["DONE", "CANCELLED", "DONE"]
    whole, part, last = (p.quantum_seconds for p in service.paid())
    assert last == whole
    assert part == pytest.approx(0.6 * whole)
    assert service.usage()["usage_consumed_seconds"] == pytest.approx(whole + part + last)


def test_quantum_seconds_are_executions_times_circuit_and_delay(service):
    backend = service.backend("fake_fez")
    target = backend.target
    gates = [("sx", (1,)), ("sx", (1,)), ("cz", (0, 1)), ("sx", (1,)), ("measure", (1,))]
    duration = sum(target[name][qubits].duration for name, qubits in gates)
    job = send(backend, sets=4, shots=100)
    expected = 2 + 400 * (250e-6 + duration)
    assert job.usage() == pytest.approx(expected, rel=1e-9)
    assert job.usage_estimation == {"quantum_seconds": pytest.approx(expected, rel=1e-9)}
    quick = sampler(backend)
    quick.options.execution.rep_delay = 50e-6
    assert quick.run([(circuit(), values(4), 100)]).usage() == pytest.approx(2 + 400 * (50e-6 + duration), rel=1e-9)


def test_refuses_what_the_service_refuses_and_charges_nothing(service):
    backend = service.backend("fake_fez")
    with_h, uncoupled = circuit(), circuit()
    with_h.h(3)
    uncoupled.cz(0, 100)
    infinite = values()
    infinite[1, 1] = np.inf
    for pub, message in [
        ((with_h, values(), 10), "instruction h on qubits"),
        ((uncoupled, values(), 10), "instruction cz on qubits"),
        ((circuit(), values(), 100_001), "more than the 100000"),
        ((circuit(), np.zeros((101, 2)), 100_000), "10100000 executions are more than the 10000000"),
        ((circuit(), infinite, 10), "not finite"),
    ]:
        with pytest.raises(IBMRuntimeError, match=f"400 Client Error.*{message}"):
            sampler(backend).run([pub])
    assert service.paid() == []
    with pytest.raises(RuntimeJobNotFound):
        service.job("nosuchjob")


def test_listing_filters_and_pages(tmp_path, clock):
    service = TwinService(tmp_path, run_seconds=100)
    backend = service.backend("fake_fez")
    ids = []
    for i in range(23):
        ids.append(send(backend, tag=f"tag-{i % 2}", sets=1, shots=1).job_id())
        clock.now += 1
    assert [job.job_id() for job in service.jobs(limit=None)] == ids[::-1]
    assert [job.job_id() for job in service.jobs(limit=None, job_tags=["tag-1"], descending=False)] == ids[1::2]
    assert [job.job_id() for job in service.jobs(limit=4, skip=3)] == ids[::-1][3:7]
    assert service.jobs(job_tags=["tag-0", "tag-1"]) == []
    start = datetime.fromtimestamp(1.8e9, UTC)
    since = service.jobs(limit=None, created_after=start + timedelta(seconds=20))
    assert [job.job_id() for job in since] == ids[:19:-1]
    assert len(service.jobs(limit=None, created_before=start + timedelta(seconds=20))) == 21
    clock.now += 85  # the first has run 100 of 108 seconds
    assert [job.job_id() for job in service.jobs(pending=False)] == ids[:1]
    assert len(service.jobs(limit=None, pending=True)) == 22
    service.delete_job(ids[0])
    assert service.jobs(pending=False) == []
    assert len(service.paid()) == 23


def test_batch_ends_at_its_time(tmp_path, clock):
    service = TwinService(tmp_path, run_seconds=10)
    backend = service.backend("fake_fez")
    batch = Batch(backend=backend, max_time=15)
    jobs = [send(batch) for _ in range(4)]
    other = send(backend)
    clock.now += 14
    assert [job.status() for job in jobs] == ["DONE", "RUNNING", "QUEUED", "QUEUED"]
    clock.now += 2
    with pytest.raises(IBMRuntimeError, match=r"400 Client Error.*has been closed"):
        send(batch)
    assert [service.job(job.job_id()).status() for job in jobs] == ["DONE", "RUNNING", "CANCELLED", "CANCELLED"]
    clock.now += 14
    assert [job.status() for job in jobs] == ["DONE", "DONE", "CANCELLED", "CANCELLED"]
    assert other.status() == "DONE"
    assert [bool(p.quantum_seconds) for p in service.paid()] == [True, True, False, False, True]
    with pytest.raises(RuntimeInvalidStateError, match="was cancelled"):
        jobs[3].result()
    assert batch.status() == "Closed"
    assert [job.job_id() for job in service.jobs(session_id=batch.session_id, descending=False)] == [
        job.job_id() for job in jobs
    ]


def test_closed_batch_runs_what_it_has_and_cancelled_one_does_not(tmp_path, clock):
    service = TwinService(tmp_path, run_seconds=10)
    backend = service.backend("fake_fez")
    closed, cancelled = Batch(backend=backend), Batch(backend=backend)
    jobs = [send(batch) for batch in (closed, cancelled) for _ in range(2)]
    closed.close()
    cancelled.cancel()
    assert closed.status() == "In progress, not accepting new jobs"
    clock.now += 30
    assert [job.status() for job in jobs] == ["DONE", "DONE", "CANCELLED", "CANCELLED"]
    assert closed.status() == "Closed"


def test_job_is_ended_at_its_maximal_time(service):
    made = sampler(service.backend("fake_fez"))
    made.options.max_execution_time = 3
    job = made.run([(circuit(), values(), 10_000)])
    assert job.status() == "ERROR"
    assert "longer than maximum execution time" in job.error_message()
    with pytest.raises(RuntimeJobMaxTimeoutError, match="Ran too long"):
        job.result()
    assert job.usage() == pytest.approx(3)
    with pytest.raises(RuntimeInvalidStateError, match="409"):
        job.cancel()


def test_results_of_a_private_job_are_told_once(service):
    made = sampler(service.backend("fake_fez"))
    made.options.environment.private = True
    job = made.run([(circuit(), values(), 10)])
    assert service.job(job.job_id()).private
    assert job.inputs == {}
    assert job.result()[0].data.meas.num_shots == 10
    with pytest.raises(Exception, match="read before"):
        job.result()


def test_tags_can_be_replaced(service):
    job = send(service.backend("fake_fez"))
    assert job.update_tags(["other"]) == ["other"]
    assert service.jobs(job_tags=[TAG]) == []
    assert service.jobs(job_tags=["other"])[0].job_id() == job.job_id()
    assert job.logs() == ""


def test_decoupling_and_twirling_pass_through(service, tmp_path):
    made = sampler(service.backend("fake_fez"))
    made.options.dynamical_decoupling.enable = True
    made.options.twirling.enable_gates = True
    made.options.twirling.enable_measure = True
    made.options.twirling.num_randomizations = 4
    made.options.twirling.shots_per_randomization = 30
    job = made.run([(circuit(), values(), 100)])
    bits = job.result()[0].data.meas
    assert bits.num_shots == 120
    assert service.paid()[0].executions == 3 * 120
    (tmp_path / "results" / f"{job.job_id()}.json").unlink()
    assert np.array_equal(job.result()[0].data.meas.array, bits.array)


def test_calibration_is_that_of_the_snapshot(service):
    from cayley_adapters.circuits.noise.backends import calibration_of, snapshot

    backend = service.backend("fake_fez")
    ours, theirs = calibration_of(backend), calibration_of(snapshot("FakeFez"))
    assert (ours.name, ours.qubits, ours.couplers) == (theirs.name, theirs.qubits, theirs.couplers)
    job = send(backend)
    assert job.properties().t1(5) == backend.properties().t1(5) == ours.qubits[5].t1
    backend.refresh()
    assert [instance["crn"] for instance in service.instances()] == [service.active_instance()]
