"""Sending: all preparation, then the intent, then the job, then its id; several jobs go through one batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.calls import Calls, Unreachable, http_status, is_transient, proves_not_accepted, retry_after
from cayley_adapters.qpu.ledger import Ledger, work_tag
from cayley_adapters.qpu.payload import Work
from cayley_adapters.qpu.wire import before_posting

if TYPE_CHECKING:
    from qiskit_ibm_runtime import Batch
    from qiskit_ibm_runtime.options_models import SamplerOptions

__all__ = ["Sender", "checked_options"]


def checked_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return options of the Sampler as plain values.

    Raises:
        CayleyError: If there is no such option, or the jobs would be private.
    """
    from qiskit_ibm_runtime.options_models import SamplerOptions

    try:
        found = SamplerOptions(**(options or {}))
    except Exception as error:
        raise CayleyError(f"the Sampler does not take the options {dict(options or {})}: {error}") from None
    if found.environment.private:
        raise CayleyError(
            "environment.private=true lets results be read once only, so that a broken reading loses them"
        )
    taken: dict[str, Any] = json.loads(found.model_dump_json(exclude_unset=True))
    return taken


class Sender:
    """Sends planned attempts.

    Args:
        ledger: The ledger, being written to.
        calls: The service.
        options: Options of the Sampler.
        batch_seconds: Longest time of a batch in seconds; none: the service's own.
    """

    def __init__(self, ledger: Ledger, calls: Calls, options: dict[str, Any], batch_seconds: int | None) -> None:
        self._ledger, self._calls, self._options, self._batch_seconds = ledger, calls, options, batch_seconds
        self._batch: Batch | None = None

    def send(self, work: Work, tag: str, cap: int, many: bool) -> bool:
        """Send a planned attempt.

        Args:
            work: What it measures.
            tag: Its tag.
            cap: QPU seconds after which the service ends it.
            many: It is one of several: send it through a batch.

        Returns:
            Whether its job is known; if not, it may be at the service or not.

        Raises:
            CayleyError: If it was refused, so that it is planned as before and nothing is paid.
        """
        from qiskit_ibm_runtime.executor_sampler import Sampler

        pauses, text = self._calls.pauses(), ""
        for _ in range(self._calls.tries):
            sampler = Sampler(mode=self._mode(many), options=self._limited(work, tag, cap))
            batch = self._batch.session_id if self._batch else None
            fields = {"backend": self._calls.name, "batch": batch, "seconds": work.seconds}
            try:
                with before_posting(self._calls.service, partial(self._ledger.intend, tag, cap, **fields)):
                    job = sampler.run(list(work.pubs)).job_id()
            except CayleyError:
                raise  # the ledger cannot be written to
            except Exception as error:
                text, status, again = self._calls.text(error), http_status(error), is_transient(error)
                refused = proves_not_accepted(error)
                pause = retry_after(error, self._calls.clock.time()) if status == 429 else None
            else:
                self._ledger.move(tag, "submitted", job=job, seen="QUEUED")
                return True
            announced = self._ledger.attempt(tag)["state"] == "unknown"
            if not refused:
                self._ledger.note(tag, reason=text)
                return False
            if announced:
                self._ledger.move(tag, "planned", text)
            if status in (401, 403):
                raise self._calls.not_authorised(text)
            if self._batch and not self._accepts(self._batch):
                self._forget_batch(self._batch.session_id)
            elif again:
                self._calls.clock.sleep(pause or next(pauses))
            else:
                raise CayleyError(f"'{work.label}' was refused, so that nothing is paid for it: {text}")
        raise Unreachable(f"'{work.label}' was refused {self._calls.tries} times ({text}): start again later to go on")

    def _limited(self, work: Work, tag: str, cap: int) -> SamplerOptions:
        from qiskit_ibm_runtime.options_models import SamplerOptions

        options = SamplerOptions(**self._options)
        options.environment.job_tags = [*options.environment.job_tags, work_tag(work.key), tag]
        options.max_execution_time = min(cap, options.max_execution_time or cap)
        return options

    def _mode(self, many: bool) -> Any:
        """Return the batch that is open, from an earlier process too, a new one, or for a single job the backend."""
        from qiskit_ibm_runtime import Batch

        backend = self._calls.backend
        for batch in self._ledger.open_batches(self._calls.name) if self._batch is None else ():
            if self._batch is None and (found := self._reopened(batch)) and self._accepts(found):
                self._batch = found
            else:
                self._ledger.close_batch(batch)
        if self._batch is None and many:
            self._batch = self._calls.ask("open a batch", Batch, backend=backend, max_time=self._batch_seconds)
            self._ledger.add_batch(self._batch.session_id, self._calls.name)
        return self._batch or backend

    def _reopened(self, batch: str) -> Batch | None:
        from qiskit_ibm_runtime import Batch

        try:
            return self._calls.ask(f"look up batch {batch}", Batch.from_id, batch, self._calls.service)
        except Unreachable:
            raise
        except CayleyError:
            return None  # the service has forgotten it

    def _accepts(self, batch: Batch) -> bool:
        details = self._calls.ask(f"look up batch {batch.session_id}", batch.details) or {}
        return details.get("state") != "closed" and bool(details.get("accepting_jobs"))

    def _forget_batch(self, batch: str) -> None:
        self._ledger.close_batch(batch)
        self._batch = None

    def close_batches(self) -> None:
        """Tell the service that the open batches get no more jobs; one that cannot be reached is closed next time."""
        for batch in self._ledger.open_batches(self._calls.name):
            try:
                if found := self._reopened(batch):
                    self._calls.ask(f"close batch {batch}", found.close)
            except Unreachable:
                continue
            self._forget_batch(batch)
