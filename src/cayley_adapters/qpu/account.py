"""Who pays: the account's instance and plan, what it has used in its period, and what a person is asked to agree to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cayley_adapters.core.messages import text_table
from cayley_adapters.qpu.budget import cap_of
from cayley_adapters.qpu.calls import Calls, usage_left
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.payload import Work

__all__ = ["TWIN_PLAN", "Account", "Bill", "account_of", "bill_of", "screen"]

TWIN_PLAN = "twin"
"""Plan of the twin's instance, on which nothing is paid and nobody is asked."""

FREE = ("free", "trial")
"""Kinds of pricing, as the library tells them of an instance, under which nothing is charged."""


@dataclass(frozen=True)
class Account:
    """An instance of an account.

    Attributes:
        instance: Its name in IBM Cloud (CRN).
        name: The name that its owner has given to it.
        plan: Of its service, such as ``open``.
        pricing: ``free``, ``trial``, ``paygo``, ``paid``, ``subscription`` or ``unknown``.
        used: Seconds used in the plan's period; None if the service does not say.
        left: Seconds left in it; None without a limit.
        period: Its two dates, or empty.
    """

    instance: str
    name: str
    plan: str
    pricing: str
    used: float | None
    left: float | None
    period: str

    @property
    def free(self) -> bool:
        """Whether nothing is charged; what is not known counts as charged."""
        return self.pricing in FREE

    @property
    def owner(self) -> str:
        """The account, of which the last characters are told, and its region."""
        parts = self.instance.split(":")
        if len(parts) < 7:
            return "unknown"
        return f"…{parts[6].removeprefix('a/')[-6:]} ({parts[5]})"


@dataclass(frozen=True)
class Bill:
    """What is about to be sent from a results folder.

    Attributes:
        jobs: Number of jobs.
        seconds: What they are estimated to use.
        caps: At how many seconds the service ends them, together.
        spent: Seconds that the folder's jobs have used or may still use.
        max_seconds: What all of them may use.
        cap_factor: The caps in units of the estimates.
        price: US dollars a second.
        rehearsed: What the service's dry run says of the first job, in units of its estimate; None: nothing.
    """

    jobs: int
    seconds: float
    caps: float
    spent: float
    max_seconds: float
    cap_factor: float
    price: float
    rehearsed: float | None = None


def account_of(calls: Calls) -> Account:
    """Ask the service which instance pays for a backend's jobs.

    Raises:
        CayleyError: If it does not answer.
    """
    instance = calls.instance
    known = calls.ask("list the account's instances", calls.service.instances)
    found: dict[str, Any] = next((item for item in known if item["crn"] == instance), {})
    client = calls.service._get_api_client(instance)
    usage = calls.ask("ask for the usage of the instance", client.cloud_usage)
    used = usage.get("usage_consumed_seconds")
    period = usage.get("usage_period") or {}
    dates = [str(period[end])[:10] for end in ("start_time", "end_time") if period.get(end)]
    return Account(
        instance,
        str(found.get("name") or "unknown"),
        str(found.get("plan") or "unknown"),
        str(found.get("pricing_type") or "unknown"),
        None if used is None else float(used),
        usage_left(usage),
        " to ".join(dates),
    )


def bill_of(
    ledger: Ledger | None,
    backend: str,
    works: Sequence[Work],
    options: Mapping[str, Any],
    rehearsed: float | None = None,
) -> Bill:
    """Return what works come to that have no job yet.

    Args:
        ledger: What is known of them; None where nothing was sent.
        backend: Name of the processor.
        works: All of a workload.
        options: ``max_seconds``, ``cap_factor`` and ``price_per_second`` of the ``qpu`` group.
        rehearsed: What the service's dry run says of the first of them, in units of its estimate.
    """
    factor, cap_factor = ledger.expected_factor(backend) if ledger else 1.0, options["cap_factor"]
    factor = max(factor, rehearsed or 1.0)
    left = [work for work in works if ledger is None or not ledger.was_sent(work.key)]
    seconds = factor * math.fsum(work.seconds for work in left)
    caps = sum(cap_of(work.seconds, factor * cap_factor) for work in left)
    spent = ledger.seconds() if ledger else 0.0
    bound, price = options["max_seconds"], options["price_per_second"]
    return Bill(len(left), seconds, caps, spent, bound, cap_factor, price, rehearsed)


def screen(account: Account, bill: Bill) -> str:
    """Return, as a table to read in a terminal, who pays for what, and how much it is at most."""
    period = f" in its period{f' ({account.period})' if account.period else ''}"
    used = "the service does not say what is used" if account.used is None else f"{account.used:.0f} s used{period}"
    left = "no limit" if account.left is None else f"{account.left:.0f} s left"

    def dollars(seconds: float) -> str:
        listed = f"{seconds * bill.price:,.2f} US dollars at {bill.price:.2f} a second"
        return f"nothing on this plan ({listed} elsewhere)" if account.free else listed

    jobs = f"{bill.jobs} job{'s' * (bill.jobs != 1)}"
    rows = {
        "account": account.owner,
        "instance": account.name,
        "plan": f"{account.plan}, {'free' if account.free else f'paid ({account.pricing})'}: {used}, {left}",
        "this folder": f"{bill.spent:.0f} s used or under way, of qpu.max_seconds={bill.max_seconds:g}",
        "to be sent": f"{jobs}, about {bill.seconds:.0f} s: {dollars(bill.seconds)}",
        "at most": f"the service ends the jobs at {bill.cap_factor:g} times that (qpu.cap_factor): {bill.caps:.0f} s, "
        f"{dollars(bill.caps)}",
    }
    if bill.rehearsed is not None:
        rows["dry run"] = f"the service reckons with {bill.rehearsed:.2f} times our estimate of the first job"
    return text_table(
        [{"": name, "what the processor's time rests on": text} for name, text in rows.items()],
        ["", "what the processor's time rests on"],
    )
