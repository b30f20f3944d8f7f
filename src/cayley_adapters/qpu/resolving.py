"""What the user decides where nobody else can: whose job it is, or that it is sent again."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.core.messages import show
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.finding import WAITING, Finder
from cayley_adapters.qpu.ledger import Ledger, work_tag
from cayley_adapters.qpu.payload import size_of_job

if TYPE_CHECKING:
    from qiskit_ibm_runtime import RuntimeJobV2

__all__ = ["resolve"]


def resolve(ledger: Ledger, calls: Calls, finder: Finder, tag: str, adopt: str | None, resubmit: bool) -> str:
    """Adopt a job for an attempt, or give the attempt up and plan the next one; return what was done.

    Raises:
        CayleyError: If neither or both are asked for, or it makes no sense in the attempt's state.
    """
    if (adopt is None) != resubmit:
        one, other = (command("qpu resolve", tag, *words) for words in (("--adopt", "JOB"), ("--resubmit",)))
        raise CayleyError(f"say either `{one}` or `{other}`")
    attempt = ledger.attempt(tag)
    return _adopt(ledger, calls, attempt, adopt) if adopt is not None else _resubmit(ledger, calls, finder, attempt)


def _adopt(ledger: Ledger, calls: Calls, attempt: sqlite3.Row, adopt: str) -> str:
    tag, state = attempt["tag"], attempt["state"]
    if not adopt.isprintable():
        lists = command("qpu status")
        raise CayleyError(f"'{show(adopt)}' is no id of a job: `{lists}` and the service's page list them")
    latest = ledger.latest(attempt["key"])
    assert latest is not None  # if none is later it is the attempt itself
    if state not in ("planned", "unknown", "abandoned") or (state == "abandoned" and latest["state"] != "planned"):
        raise CayleyError(f"{tag} is {state}, with job {latest['job']}: there is nothing to adopt")
    if other := ledger.known_job(adopt):
        raise CayleyError(f"job {adopt} belongs to {other} in this ledger")
    job = calls.job(adopt)
    if job is None:
        raise CayleyError(f"the service does not know job {adopt}: is it of another account or instance?")
    how = "its tag"
    if not {tag, work_tag(attempt["key"])} & set(job.tags or []):
        _check_measures(calls, attempt, job)
        how = "its device, circuits and values, though not its tag"
    if state == "abandoned":
        ledger.take_back(tag, latest["tag"], adopt, f"adopted by {how}")
    else:
        known = {"intended": attempt["intended"] or attempt["changed"], "backend": calls.name}
        ledger.move(tag, "submitted", f"adopted by {how}", job=adopt, **known)
    return f"{tag} is submitted as job {adopt}, known by {how}"


def _check_measures(calls: Calls, attempt: sqlite3.Row, job: RuntimeJobV2) -> None:
    """Check that a job without the tag measures what the attempt wants."""
    job_id, backend = job.job_id(), job.backend()
    if backend is None or backend.name != calls.name:
        raise CayleyError(
            f"job {job_id} does not carry {attempt['tag']} and is not of {calls.name}: it cannot be adopted"
        )
    try:
        found = json.loads(size_of_job(job))
    except Exception as error:
        text = calls.text(error)
        raise CayleyError(
            f"job {job_id} does not carry {attempt['tag']} and cannot be compared with it: {text}"
        ) from None
    wanted = json.loads(attempt["size"])
    if [rest for _, *rest in found] != [rest for _, *rest in wanted] or any(
        has < needs for (has, *_), (needs, *_) in zip(found, wanted, strict=True)
    ):
        raise CayleyError(
            f"job {job_id} does not carry {attempt['tag']} and measures something else: [shots, sets, values] "
            f"{_short(found)} instead of {_short(wanted)}"
        )


def _short(sizes: list[list[object]]) -> str:
    return str([[shots, shape, str(values)[:8]] for shots, shape, values in sizes])


def _resubmit(ledger: Ledger, calls: Calls, finder: Finder, attempt: sqlite3.Row) -> str:
    tag, state = attempt["tag"], attempt["state"]
    if state not in ("unknown", "failed", "submitted"):
        raise CayleyError(f"{tag} is {state}: there is nothing to send again")
    latest = ledger.latest(attempt["key"])
    assert latest is not None  # if none is later it is the attempt itself
    if latest["tag"] != tag:
        raise CayleyError(f"{tag} is followed by {latest['tag']}: decide about that one")
    if state == "unknown" and finder.look_for(attempt):  # it would be a pity
        return f"{tag} has just turned up as job {ledger.attempt(tag)['job']} and is taken; it is not sent again"
    if (
        state == "submitted"
        and (job := calls.job(attempt["job"]))
        and (seen := finder.status(job)) in (*WAITING, "RUNNING")
    ):
        raise CayleyError(
            f"job {attempt['job']} of {tag} is {seen.lower()} at the service: wait, or cancel it there first"
        )
    finder.forget_failed(attempt)
    new = ledger.abandon(tag, "given up by the user")
    sends = f"`{command('qpu submit')}` sends it, or takes the job of {tag} if that turns up before"
    return f"{tag} is given up and {new} is planned: {sends}"
