"""The bill is bounded by the service itself: caps on jobs, a pilot, and what the plan has left."""

from __future__ import annotations

import math

import pytest
from submitting import BACKEND, CAP, SECONDS, Clock, check_results, states, submission, twin, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.budget import cap_of
from cayley_adapters.qpu.cost import PILOT_CAP_FACTOR, STOP_FACTOR
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.ledger_spending import Agreement

TODO = works(3, pilot=True)
USED = 2.0  # of one of these jobs, by the twin


def caps(service):
    return [paid.cap for paid in service.paid()]


def charged(service):
    return sum(paid.quantum_seconds for paid in service.paid())


def agree(folder, factor, max_seconds=1e6):
    ledger = Ledger(folder / "ledger.sqlite")
    with ledger.writing():
        ledger.agree(Agreement("", max_seconds, 0.0, factor))
    ledger.close()


def test_a_cap_is_a_whole_number_of_seconds_and_never_none():
    assert [cap_of(3.0, 2.0), cap_of(3.01, 2.0), cap_of(0.0, 2.0), cap_of(0.1, 3.0)] == [6, 7, 1, 1]


@pytest.mark.parametrize("factor", [1.0, 2.0, 5.0])
def test_every_job_carries_its_cap(tmp_path, service, factor):
    submission(tmp_path, service, cap_factor=factor).submit(works(3))
    assert caps(service) == [math.ceil(factor * SECONDS)] * 3
    rows = Ledger(tmp_path / "ledger.sqlite").rows()
    assert [row["cap_seconds"] for row in rows] == caps(service)


def test_the_caps_are_within_the_bound(tmp_path, service):
    with pytest.raises(
        CayleyError, match=r"3 jobs, estimated at 9\.0.* may use 18 .*cap_factor=2.*: qpu.max_seconds=18"
    ):
        submission(tmp_path, service, max_seconds=17.0).submit(TODO)
    assert service.paid() == []
    submission(tmp_path, service, max_seconds=18.0).submit(TODO)
    assert len(service.paid()) == 3


@pytest.mark.parametrize("charge", [1.0, 3.0, 6.0, 40.0])
@pytest.mark.parametrize("bound", [10.0, 18.0, 30.0])
def test_no_more_is_paid_than_the_bound_whatever_is_charged(tmp_path, charge, bound):
    service = twin(tmp_path, charge_factor=charge)
    for _ in range(4):
        try:
            submission(tmp_path, service, max_seconds=bound).submit(TODO)
            submission(tmp_path, service, max_seconds=bound).collect(TODO, wait=True)
        except CayleyError:
            agree(tmp_path, 100.0)  # whatever they are asked
    assert charged(service) <= bound


def test_a_pilot_goes_first_and_alone_and_shows_how_far_the_estimate_is_off(tmp_path):
    service = twin(tmp_path, charge_factor=3.0)
    with pytest.raises(CayleyError, match=r"up to 2\.0 times .* about 12 and not 6; nothing more was sent.*--yes"):
        submission(tmp_path, service).submit(TODO)
    assert caps(service) == [PILOT_CAP_FACTOR * SECONDS]
    with pytest.raises(CayleyError, match="new estimate"):  # nor does another start send more
        submission(tmp_path, service).submit(TODO)
    agree(tmp_path, 2.0)
    submission(tmp_path, service).submit(TODO)
    used = service.paid()[0].quantum_seconds
    assert caps(service)[1:] == [math.ceil(CAP * used)] * 2
    check_results(service, submission(tmp_path, service).collect(TODO, wait=True), TODO)


def test_a_small_error_of_the_estimate_widens_the_caps_and_stops_nothing(tmp_path):
    charge = 0.97 * STOP_FACTOR * SECONDS / USED
    service = twin(tmp_path, charge_factor=charge)
    submission(tmp_path, service).submit(TODO)
    used = service.paid()[0].quantum_seconds
    assert SECONDS < used < STOP_FACTOR * SECONDS
    assert caps(service)[1:] == [math.ceil(CAP * used)] * 2


def test_an_estimate_that_was_too_high_narrows_no_cap(tmp_path):
    service = twin(tmp_path, charge_factor=0.1)
    submission(tmp_path, service).submit(TODO)
    assert caps(service)[1:] == [CAP * SECONDS] * 2


def test_a_pilot_that_fails_for_a_passing_reason_is_sent_again_before_the_others(tmp_path, service):
    service.fault("program_run", "fails", fraction=0.0)
    submission(tmp_path, service).submit(TODO)
    assert [paid.state for paid in service.paid()] == ["Failed", "Completed", "Completed", "Completed"]


def test_nothing_follows_while_the_pilots_charge_is_not_known(tmp_path, service):
    service.fault("job_metadata", "status", times=10_000, status=404)
    with pytest.raises(CayleyError, match="does not tell yet what it charges"):
        submission(tmp_path, service).submit(TODO)
    assert len(service.paid()) == 1
    with service._store.transaction() as db:
        db.execute("DELETE FROM faults")
    submission(tmp_path, service).submit(TODO)
    assert len(service.paid()) == 3


def test_a_pilot_is_waited_for(tmp_path):
    service = twin(tmp_path, queue_seconds=1000.0)

    class Passing(Clock):
        def sleep(self, seconds):
            super().sleep(seconds)
            if len(self.slept) == 4:
                with service._store.transaction() as db:
                    db.execute("UPDATE jobs SET ready = 0")

    clock = Passing()
    submission(tmp_path, service, clock=clock).submit(TODO)
    assert len(clock.slept) >= 4
    assert states(submission(tmp_path, service)) == ["done", "submitted", "submitted"]


def test_nothing_is_sent_that_the_plan_cannot_hold(tmp_path):
    service = twin(tmp_path, limit_seconds=17.0, plan=("open", "free"))
    with pytest.raises(CayleyError, match=r"may use 18 .* the plan of this instance has 17 left"):
        submission(tmp_path, service).submit(TODO)
    assert service.paid() == []
    submission(tmp_path, service).submit(works(1))
    with pytest.raises(CayleyError, match="under way, but the plan of this instance has 15 left"):
        submission(tmp_path, twin(tmp_path, limit_seconds=17.0, queue_seconds=1000.0)).submit(works(3))
    assert len(service.paid()) == 1


def test_what_is_under_way_counts_by_its_cap(tmp_path):
    busy = twin(tmp_path, queue_seconds=1000.0)
    submission(tmp_path, busy).submit(works(2))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert (ledger.seconds(), ledger.outstanding(), ledger.factor(BACKEND)) == (12.0, 12.0, None)
    with pytest.raises(CayleyError, match=r"12\.0 are used or under way"):
        submission(tmp_path, busy, max_seconds=17.0).submit(works(3))
    assert len(busy.paid()) == 2
