"""The service's dry run: what it would charge for a job, asked before one is sent, without any time of a processor.

Some plans have it (as IBM documents: Flex, Premium and On-Prem): beside each device there is a counterpart that checks
a job as the device would, measures nothing and tells the usage.
Docs: https://quantum.cloud.ibm.com/docs/guides/dry-run-jobs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say
from cayley_adapters.qpu.calls import Calls, Unreachable
from cayley_adapters.qpu.collecting import worth_again
from cayley_adapters.qpu.finding import FAILED
from cayley_adapters.qpu.payload import Work

if TYPE_CHECKING:
    from qiskit_ibm_runtime import RuntimeJobV2

__all__ = ["rehearse"]


def rehearse(calls: Calls, work: Work, options: Mapping[str, Any], seconds: float) -> float | None:
    """Return the QPU seconds that the service would charge for a work.

    Args:
        calls: The service.
        work: What would be measured.
        options: Of the Sampler, as nested plain values.
        seconds: How long to wait for the answer.

    Returns:
        None if the plan has no dry run, or it gave no answer in time, or failed for a reason of the service's own:
        nothing rests on it alone.

    Raises:
        CayleyError: The service would refuse the job.
    """
    from qiskit.providers import QiskitBackendNotFoundError
    from qiskit_ibm_runtime.executor_sampler import Sampler
    from qiskit_ibm_runtime.options_models import SamplerOptions

    sampler = Sampler(mode=calls.backend, options=SamplerOptions(**options))
    try:
        job = sampler.run(list(work.pubs), dry_run=True)
    except QiskitBackendNotFoundError:
        return None
    except Exception as error:  # a second try could not be paid for twice, but is not worth waiting for either
        say(f"{work.label}: no dry run at the service ({calls.text(error)})")
        return None
    try:
        state = _end(calls, job, seconds)
    except Unreachable as error:
        say(f"{work.label}: no answer from the service's dry run ({error})")
        return None
    if state == "DONE":
        return calls.usage(job)
    reason = calls.text(job._reason or job._error_message or "the service gives no reason")
    if state == "ERROR" and not worth_again(state, job._reason_code, reason):
        raise CayleyError(f"nothing was sent: the service refuses '{work.label}' in a dry run: {reason}")
    say(f"{work.label}: no dry run at the service ({reason if state in FAILED else f'{state} for {seconds:g} s'})")
    return None


def _end(calls: Calls, job: RuntimeJobV2, seconds: float) -> str:
    """The service's word for the state in which a job ends, or is after so many seconds."""
    pauses, since = calls.pauses(), calls.clock.monotonic()
    while True:
        state = str(calls.ask(f"ask for the state of {job.job_id()}", job.status))
        if state in ("DONE", *FAILED) or calls.clock.monotonic() - since >= seconds:
            return state
        calls.clock.sleep(next(pauses))
