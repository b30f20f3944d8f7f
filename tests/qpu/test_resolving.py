"""The user's decisions: whose job it is, or that it is sent again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from qiskit_ibm_runtime.executor_sampler import Sampler
from submitting import ANGLE, BACKEND, CIRCUIT, adoptable, ones, second_job, states, submission, twin, work, works

from cayley_adapters.core.errors import CayleyError


def test_a_job_is_adopted_by_what_it_measures(start, service):
    tag = adoptable(start, service)
    sampler = Sampler(mode=service.backend(BACKEND))
    (pub,) = work(0).pubs
    others = [
        sampler.run([(pub[0], pub[1] + 1e-9, pub[2])]),
        sampler.run([(pub[0], pub[1][:1], pub[2])]),
        sampler.run([(pub[0], pub[1], pub[2] - 1)]),
        sampler.run([pub, pub]),
    ]
    for other in others:
        with pytest.raises(CayleyError, match="measures something else"):
            start().resolve(tag, adopt=other.job_id())
    right = sampler.run([pub])
    assert "though not its tag" in start().resolve(tag, adopt=right.job_id())
    check = start().collect(works(1), wait=True)[work(0).key]
    np.testing.assert_array_equal(check, ones(right.result()))
    with pytest.raises(CayleyError, match="nothing to adopt"):
        start().resolve(tag, adopt=others[0].job_id())
    start().submit(works(2))
    tag = adoptable_second(start, service)
    with pytest.raises(CayleyError, match="belongs to"):
        start().resolve(tag, adopt=right.job_id())


def adoptable_second(start, service):
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit(works(1, first=7))
    return start().status()[-1]["tag"]


def test_a_job_is_adopted_by_its_tag(start, service):
    tag = adoptable(start, service)
    job = second_job(service, tag)
    assert "by its tag" in start().resolve(tag, adopt=job.job_id())
    assert len(start().collect(works(1), wait=True)) == 1


def test_twirled_jobs_can_be_adopted_too(start, service):
    options = {"twirling": {"enable_gates": True, "num_randomizations": 4}}
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start(options=options).submit(works(1))
    job = Sampler(mode=service.backend(BACKEND), options=options).run(list(work(0).pubs))
    start(options=options).resolve(start().status()[0]["tag"], adopt=job.job_id())
    assert states(start()) == ["submitted"]


def test_decisions_that_make_no_sense_are_refused(start, service):
    tag = adoptable(start, service)
    for options, words in [
        ({}, "either"),
        ({"adopt": "x", "resubmit": True}, "either"),
        ({"adopt": "nosuchjob"}, "does not know job"),
    ]:
        with pytest.raises(CayleyError, match=words):
            start().resolve(tag, **options)
    with pytest.raises(CayleyError, match=r"no tag 'nothing'.*qpu status"):
        start().resolve("nothing", resubmit=True)
    start().resolve(tag, resubmit=True)
    new = start().status()[-1]["tag"]
    for asked in (tag, new):
        with pytest.raises(CayleyError, match="nothing to send again"):
            start().resolve(asked, resubmit=True)


def test_a_job_that_waits_is_not_sent_again(start, service, tmp_path):
    submission(tmp_path, twin(tmp_path, queue_seconds=1000.0)).submit(works(1))
    with pytest.raises(CayleyError, match="is queued at the service"):
        start().resolve(start().status()[0]["tag"], resubmit=True)


def test_resubmitting_one_that_is_there_takes_it(start, service):
    tag = adoptable(start, service)
    second_job(service, tag)
    assert "has just turned up" in start().resolve(tag, resubmit=True)
    assert states(start()) == ["submitted"]


def test_values_by_name_and_circuits_without_parameters_are_works_too(start, service):
    from cayley_adapters.qpu.submission import Work

    bound = CIRCUIT.assign_parameters({ANGLE: 0.3})
    mixed = Work("c" * 32, "mixed", [(CIRCUIT, {ANGLE: [0.1, 0.2, 0.3]}, 5), (bound, None, 5)], 3.0, ones)
    first = start()
    first.submit([mixed])
    assert first.collect([mixed], wait=True)["c" * 32].shape == (2, 3)
    service.fault("program_run", "lost_request")
    with pytest.raises(CayleyError, match="not known"):
        start().submit([dataclasses.replace(mixed, key="d" * 32)])
    start().resolve(start().status()[1]["tag"], adopt=Sampler(mode=service.backend(BACKEND)).run(mixed.pubs).job_id())
