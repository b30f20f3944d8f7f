"""Who pays is asked and shown, and nothing is sent from a paid or limited plan that nobody has agreed to."""

from __future__ import annotations

import math

import pytest
from submitting import BACKEND, work, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.account import account_of, bill_of, screen
from cayley_adapters.qpu.calls import calls_of, usage_left
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.ledger import Ledger, ledger_path
from cayley_adapters.qpu.ledger_spending import Agreement
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.twin import TwinService

OPTIONS = {"max_seconds": 900.0, "cap_factor": 2.0, "unknown_seconds": 1.0, "attempts": 3}
PAID = ("pay-as-you-go", "paygo")


def opened(folder, **conditions):
    return TwinService(folder / "twin", "FakeManilaV2", **conditions)


def account(service):
    return account_of(calls_of(service, service.backend(BACKEND)))


@pytest.mark.parametrize(
    ("usage", "left"),
    [
        ({}, None),
        ({"usage_consumed_seconds": 20}, None),
        ({"usage_consumed_seconds": 20, "usage_limit_seconds": 600}, 580),
        ({"usage_consumed_seconds": 620, "usage_limit_seconds": 600}, 0),
        ({"usage_limit_seconds": 600}, 600),
        ({"usage_consumed_seconds": 20, "usage_limit_reached": True}, 0),
        ({"usage_consumed_seconds": 20, "usage_limit_seconds": None, "usage_limit_reached": False}, None),
        ({"usage_consumed_seconds": 20, "usage_allocation_seconds": 5}, None),  # a priority in the queue, no limit
    ],
)
def test_what_is_left_of_a_plan(usage, left):
    assert usage_left(usage) == left


def test_the_open_plan_is_shown_with_its_rest(tmp_path):
    service = opened(tmp_path, limit_seconds=600.0, plan=("open", "free"))
    found = account(service)
    assert (found.plan, found.free, found.used, found.left, found.name) == ("open", True, 0.0, 600.0, "twin")
    shown = screen(found, bill_of(None, BACKEND, works(3), OPTIONS | {"price_per_second": 1.6}))
    for words in (
        "…twin (us-east)",
        "open, free: 0 s used in its period, 600 s left",
        "3 jobs, about 9 s: nothing on this plan (14.40 US dollars at 1.60 a second elsewhere)",
        "2 times that (qpu.cap_factor): 18 s",
        "0 s used or under way, of qpu.max_seconds=900",
    ):
        assert words in shown


def test_a_paid_plan_is_shown_with_its_price(tmp_path):
    found = account(opened(tmp_path, plan=PAID))
    shown = screen(found, bill_of(None, BACKEND, works(3), OPTIONS | {"price_per_second": 1.6}))
    assert "pay-as-you-go, paid (paygo): 0 s used in its period, no limit" in shown
    assert "18 s, 28.80 US dollars at 1.60 a second" in shown
    assert not account(opened(tmp_path / "other", plan=("odd", "unknown"))).free  # what is not known may cost


def test_an_account_is_told_without_the_whole_of_its_name(tmp_path):
    from dataclasses import replace

    crn = "crn:v1:bluemix:public:quantum-computing:eu-de:a/0123456789abcdef:0a1b-2c3d::"
    assert replace(account(opened(tmp_path)), instance=crn).owner == "…abcdef (eu-de)"
    assert replace(account(opened(tmp_path)), instance="odd").owner == "unknown"


def test_a_bill_holds_what_is_not_sent_yet_by_what_jobs_have_used(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    options = OPTIONS | {"price_per_second": 1.0}
    with ledger.writing():
        tag = ledger.plan(work(0).key, "", "", "[]", 3.0)
        ledger.intend(tag, 6, backend=BACKEND)
        assert bill_of(ledger, BACKEND, works(3), options).spent == 6
        ledger.move(tag, "submitted", job="j")
        ledger.store(tag, [1], used=4.5)
    bill = bill_of(ledger, BACKEND, works(3), options)
    assert (bill.jobs, bill.seconds, bill.caps, bill.spent) == (2, pytest.approx(9.0), 18, 4.5)
    assert bill_of(ledger, "other", works(3), options).caps == 12


class Asked:
    """A person who is shown something."""

    def __init__(self, answer):
        self.answer, self.shown = answer, []

    def __call__(self, shown):
        self.shown.append(shown)
        return self.answer


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A desk whose workload is a few tiny works, on a service of any conditions."""
    monkeypatch.setattr("cayley_adapters.qpu.desk.jobs_of", lambda workload, *_: [(None, one) for one in workload])

    def made(max_seconds=900.0, **conditions):
        service = opened(tmp_path, **conditions)
        options = OPTIONS | {"max_seconds": max_seconds}
        return Desk(tmp_path, service, service.backend(BACKEND), options, Sampling(8), None), service

    return made


def test_nothing_is_sent_that_nobody_has_agreed_to(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("CAYLEY_WORDS", "experiment=ci qpu.max_seconds=900")
    at, service = desk(plan=PAID)
    no = Asked(False)
    with pytest.raises(
        CayleyError, match=r"nobody has agreed.*cayley qpu submit --yes experiment=ci qpu.max_seconds=900"
    ):
        at.send(works(2), 1.6, no)
    assert len(no.shown) == 1
    assert service.paid() == []
    yes = Asked(True)
    assert len(at.send(works(2), 1.6, yes)) == 2
    assert len(service.paid()) == 2
    assert len(yes.shown) == 1
    assert Ledger(ledger_path(tmp_path)).agreement() == Agreement(account(service).instance, 900.0, 1.6, 1.0)


@pytest.mark.parametrize(
    ("bound", "price", "asked"), [(900.0, 1.6, 0), (800.0, 1.2, 0), (901.0, 1.6, 1), (900.0, 1.7, 1)]
)
def test_who_has_agreed_is_asked_again_only_for_more(desk, bound, price, asked):
    at, _ = desk(plan=PAID)
    at.send(works(1), 1.6, Asked(True))
    again, service = desk(max_seconds=bound, plan=PAID)
    person = Asked(True)
    again.send(works(2), price, person)
    assert len(person.shown) == asked
    assert len(service.paid()) == 2


def test_nobody_is_asked_where_nothing_is_left_to_be_sent_or_paid(desk):
    at, _ = desk(plan=PAID)
    at.send(works(1), 1.6, Asked(True))
    at.send(works(1), 99.0, pytest.fail)
    other, service = desk()
    other.send(works(2), 99.0, pytest.fail)  # the twin's own plan
    assert len(service.paid()) == 2


def test_a_new_estimate_is_to_be_agreed_to(desk):
    todo = works(3, pilot=True)
    at, service = desk(plan=PAID, charge_factor=3.0)
    with pytest.raises(CayleyError, match="new estimate"):
        at.send(todo, 1.6, Asked(True))
    again, _ = desk(plan=PAID, charge_factor=3.0)
    with pytest.raises(CayleyError, match="nobody has agreed"):
        again.send(todo, 1.6, Asked(False))
    assert len(service.paid()) == 1
    person = Asked(True)
    again.send(todo, 1.6, person)
    used = service.paid()[0].quantum_seconds
    assert f"2 jobs, about {2 * used:.0f} s" in person.shown[0]
    assert f"{2 * math.ceil(2 * used)} s" in person.shown[0]
    assert len(service.paid()) == 3
