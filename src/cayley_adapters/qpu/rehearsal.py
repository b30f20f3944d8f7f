"""The service's dry run: what it would charge for a job, asked before one is sent, without any time of a processor.

Some plans have it (as IBM documents: Flex, Premium and On-Prem): beside each device there is a counterpart that checks
a job as the device would, measures nothing and tells the usage.
Docs: https://quantum.cloud.ibm.com/docs/guides/dry-run-jobs
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say
from cayley_adapters.qpu.calls import Calls
from cayley_adapters.qpu.finding import FAILED
from cayley_adapters.qpu.payload import Work

__all__ = ["rehearse"]


def rehearse(calls: Calls, work: Work, options: Mapping[str, Any], seconds: float) -> float | None:
    """Return the QPU seconds that the service would charge for a work.

    Args:
        calls: The service.
        work: What would be measured.
        options: Of the Sampler, as nested plain values.
        seconds: How long to wait for the answer.

    Returns:
        None if the plan has no dry run, or it gave no answer in time: nothing rests on it alone.

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
    pauses, since = calls.pauses(), calls.clock.monotonic()
    while (state := str(calls.ask(f"ask for the state of {job.job_id()}", job.status))) not in ("DONE", *FAILED):
        if calls.clock.monotonic() - since >= seconds:
            say(f"{work.label}: the service's dry run {job.job_id()} has not ended after {math.ceil(seconds)} s")
            return None
        calls.clock.sleep(next(pauses))
    if state in FAILED:
        reason = calls.text(str(calls.ask(f"ask why {job.job_id()} failed", job.error_message) or state))
        raise CayleyError(f"nothing was sent: the service refuses '{work.label}' in a dry run: {reason}")
    return calls.usage(job)
